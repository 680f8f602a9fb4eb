"""From matches to ranked predictions in plain Python (processor.md §6–7), for the numpy engine.

`plain_later` does the same where more than that is wanted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain

from kato_service.domain import prediction_metrics as metrics
from kato_service.domain.alignment import Alignment, Block, aligned
from kato_service.domain.emotives import mean_emotives
from kato_service.domain.pattern import Pattern, flatten
from kato_service.domain.prediction import Prediction
from kato_service.domain.prediction_metrics import SymbolProbabilities
from kato_service.domain.statistics import SymbolStatistics
from kato_service.search.pace import Pace, paced

SLACK = 1e-9
"""More than rounding can change a potential."""


@dataclass(frozen=True, slots=True)
class Match:
    """A pattern that reaches the threshold."""

    pattern: Pattern
    symbol_count: int
    blocks: tuple[Block, ...]
    """Matching blocks in order; () for a pattern without a common symbol, at threshold 0."""
    matched: int
    """Symbols in *blocks*."""
    similarity: float
    respelled: tuple[str, ...] | None = None
    """The state as the pattern spells it, which has the *blocks*; None: as it was observed."""

    def state(self, observed: tuple[str, ...]) -> tuple[str, ...]:
        """The state with the pattern's spelling of what matches, and the observed one elsewhere."""
        if self.respelled is None:
            return observed
        symbols = list(observed)
        for _, start, size in self.blocks:
            symbols[start : start + size] = self.respelled[start : start + size]
        return tuple(symbols)


@dataclass(frozen=True, slots=True)
class Kept:
    """A match whose regions are known."""

    match: Match
    alignment: Alignment
    present: tuple[str, ...]
    """Flattened."""


@dataclass(frozen=True, slots=True)
class Query:
    """What the prediction metrics of all matches have in common."""

    statistics: SymbolStatistics
    probability: SymbolProbabilities
    total_frequency: int
    """Fsum: over all matches, not only those that are returned."""
    state: tuple[str, ...]
    state_counts: Counter[str]
    """Of the state as it was observed."""


@dataclass(frozen=True, slots=True)
class Scored:
    kept: Kept
    potential: float
    itfdf: float


def best_predictions(
    matches: Iterable[Match],
    state: tuple[str, ...],
    statistics: SymbolStatistics,
    *,
    limit: int,
    pace: Pace | None = None,
) -> tuple[Prediction, ...]:
    """The *limit* best of *matches* as predictions, best first, equal ones by first learn.

    Raises:
        TimeoutError: Its *pace* gives it no more time.
    """
    pace = pace or Pace()
    found = tuple(matches)
    total_frequency = sum(match.pattern.frequency for match in found)
    hopeful = promising(found, state, total_frequency, limit)
    kept = [placed(match, state) for match in paced(hopeful, pace)]
    shown = _shown(paced(found, pace), state)
    in_sight = {symbol for one in kept for symbol in one.present} | shown
    probability = SymbolProbabilities.of(in_sight, statistics)
    query = Query(statistics, probability, total_frequency, state, Counter(state))
    ranked = sorted((scored(one, query) for one in paced(kept, pace)), key=rank)
    return tuple(prediction(one, query) for one in paced(ranked[:limit], pace))


def placed(match: Match, state: Sequence[str]) -> Kept:
    """*match* with its regions."""
    alignment = aligned(match.pattern.events, state, match.blocks, match.respelled)
    return Kept(match, alignment, flatten(alignment.present))


def promising(
    found: Sequence[Match], state: Sequence[str], total_frequency: int, limit: int
) -> Iterable[Match]:
    """The matches that may be among the *limit* best.

    ``potential = (evidence + confidence)·snr + 1/blocks + itfdf``, where confidence is between
    evidence and 1, and itfdf between ``1 − frequency/Fsum`` and 1 (0 for all if Fsum is 0). A match
    whose upper bound is below the limit-th best lower bound is not among the best.
    """
    if len(found) <= limit:
        return found
    bounds = [_bounds(match, len(state), total_frequency) for match in found]
    floor = nlargest(limit, (low for low, _ in bounds))[-1] - SLACK
    return (match for match, (_, high) in zip(found, bounds, strict=True) if high >= floor)


def _bounds(match: Match, state_symbols: int, total_frequency: int) -> tuple[float, float]:
    """Lower and upper bound of the potential, both without the 1 of itfdf."""
    evidence = metrics.evidence(match.matched, match.symbol_count)
    snr = metrics.snr(match.matched, state_symbols - match.matched)
    ends = sorted(((evidence + evidence) * snr, (evidence + 1.0) * snr))
    bonus = 1.0 / len(match.blocks) if match.blocks else 0.0
    share = match.pattern.frequency / total_frequency if total_frequency else 0.0
    return ends[0] + bonus - share, ends[1] + bonus


def _shown(found: Iterable[Match], state: Sequence[str]) -> set[str]:
    """Symbols of the state that are in the present of some match; the others have weight 0."""
    hidden = set(state)
    for match in found:
        if not hidden:
            break
        if not hidden.isdisjoint(chain.from_iterable(match.pattern.events)):
            hidden.difference_update(placed(match, state).present)
    return set(state) - hidden


def scored(one: Kept, query: Query) -> Scored:
    """*one* with its potential."""
    counts = query.state_counts
    if one.match.respelled is not None:
        counts = Counter(one.match.state(query.state))
    distance = metrics.cosine_distance(counts, Counter(one.present), query.probability)
    itfdf = metrics.itfdf_similarity(
        distance,
        frequency=one.match.pattern.frequency,
        total_frequency=query.total_frequency,
    )
    matched, extra = one.match.matched, len(one.alignment.extras)
    shares = metrics.evidence(matched, one.match.symbol_count) + metrics.confidence(
        matched, len(one.present)
    )
    snr = metrics.snr(matched, extra)
    return Scored(one, metrics.potential(shares, snr, itfdf, one.alignment.block_count), itfdf)


def rank(scored: Scored) -> tuple[float, int]:
    """Best first; equal ones in the order in which they were first learned."""
    return -scored.potential, scored.kept.match.pattern.first


def prediction(scored: Scored, query: Query) -> Prediction:
    match, alignment, present = scored.kept.match, scored.kept.alignment, scored.kept.present
    pattern, statistics = match.pattern, query.statistics
    return Prediction(
        name=pattern.name,
        frequency=pattern.frequency,
        emotives=mean_emotives(pattern.emotives),
        matches=alignment.matches,
        past=alignment.past,
        present=alignment.present,
        missing=alignment.missing,
        extras=alignment.extras,
        potential=scored.potential,
        evidence=metrics.evidence(match.matched, match.symbol_count),
        similarity=match.similarity,
        fragmentation=float(alignment.block_count - 1),
        snr=metrics.snr(match.matched, len(alignment.extras)),
        entropy=metrics.entropy(present, query.probability),
        hamiltonian=metrics.hamiltonian(present, statistics.distinct_symbols),
        grand_hamiltonian=metrics.grand_hamiltonian(
            present, query.probability, statistics.distinct_symbols
        ),
        confluence=metrics.confluence(
            present,
            query.probability,
            frequency=pattern.frequency,
            total_learns=statistics.total_learns,
        ),
        sequence=pattern.events,
        future=alignment.future,
        confidence=metrics.confidence(match.matched, len(present)),
        itfdf_similarity=scored.itfdf,
        blocks=tuple(number for _, start, size in match.blocks for number in (start, size)),
        metadata=pattern.metadata,
    )
