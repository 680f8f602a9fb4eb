"""What later clients want to know of matches (later-clients.md), in plain Python."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from kato_service.domain import later_metrics as later
from kato_service.domain import prediction_metrics as metrics
from kato_service.domain.affinity import Weights, symbol_weight, total_weight, weighted_metrics
from kato_service.domain.answers.explanation import Explanation
from kato_service.domain.genes import RankKey
from kato_service.domain.later_metrics import Futures, Holders
from kato_service.domain.pattern import flatten
from kato_service.domain.prediction import Anomaly, LaterMetrics, Prediction, WeightedMetrics
from kato_service.domain.prediction_metrics import SymbolProbabilities
from kato_service.domain.spelling import ratio
from kato_service.domain.statistics import SymbolStatistics
from kato_service.search.answers.plain import next_after
from kato_service.search.matching import Found, Wanted
from kato_service.search.pace import Pace, paced
from kato_service.search.plain_ranking import (
    Kept,
    Match,
    Query,
    Scored,
    placed,
    prediction,
    rank,
    scored,
)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the metrics need to know of all patterns."""

    statistics: SymbolStatistics
    patterns: int
    """U: all patterns that there are now."""
    holders: Callable[[Iterable[str]], Mapping[str, int]]
    """df: by symbol, how many of the patterns hold it."""
    affinity: Mapping[str, float] | None = None
    """By symbol, its affinity for the emotive that is asked for; None: symbols have no weights."""


@dataclass(frozen=True, slots=True)
class _Query:
    """What all kept patterns have in common."""

    plain: Query
    holders: Holders
    futures: Futures
    weight: float
    """The sum of the weights of all kept patterns."""
    weights: Mapping[str, float] | None
    """What each symbol weighs; None: symbols have no weights."""


def found_later(
    matches: Iterable[Match],
    state: tuple[str, ...],
    knowledge: Knowledge,
    wanted: Wanted,
    *,
    limit: int,
    pace: Pace | None = None,
) -> Found:
    """What is *wanted* of *matches*, which are in order of first learns; at most *limit*
    predictions.

    Raises:
        TimeoutError: Its *pace* gives it no more time.
    """
    pace = pace or Pace()
    kept = [placed(match, state) for match in paced(matches, pace)]
    if wanted.in_first_event:
        kept = [one for one in kept if state[0] in one.match.pattern.events[0]]
    if wanted.next:
        return Found(kept=len(kept), next=next_after(paced(kept, pace), wanted, limit))
    query = _query(kept, state, knowledge)
    ranked = sorted((_scored(one, query) for one in paced(kept, pace)), key=rank)
    value = _VALUES.get(wanted.rank_by)
    if value is not None:
        # Sorting is stable, so equal ones stay ranked by their potential.
        ranked.sort(key=lambda one: -value(one, query))
    total_frequency = query.plain.total_frequency
    return Found(
        tuple(
            _prediction(one, query, wanted)
            for one in paced(ranked[wanted.offset : wanted.offset + limit], pace)
        ),
        query.futures.potentials(total_frequency) if wanted.futures else (),
        len(kept),
    )


def _query(kept: Sequence[Kept], state: tuple[str, ...], knowledge: Knowledge) -> _Query:
    shown = {symbol for one in kept for symbol in one.present}
    statistics = knowledge.statistics
    plain = Query(
        statistics,
        SymbolProbabilities.of(shown, statistics),
        sum(one.match.pattern.frequency for one in kept),
        state,
        Counter(state),
    )
    weights = [_weight(one) for one in kept]
    total = 0.0
    for weight in weights:
        total += weight
    futures = Futures(zip((one.alignment.future for one in kept), weights, strict=True))
    holders = Holders(knowledge.patterns, knowledge.holders(shown))
    return _Query(plain, holders, futures, total, _symbol_weights(kept, state, knowledge))


def _symbol_weights(
    kept: Iterable[Kept], state: Iterable[str], knowledge: Knowledge
) -> Mapping[str, float] | None:
    """What each symbol of the patterns and of the state weighs; None if symbols have no weights."""
    affinity, occurrences = knowledge.affinity, knowledge.statistics.symbol_frequency
    if affinity is None:
        return None
    symbols = {symbol for one in kept for symbol in flatten(one.match.pattern.events)}
    return {
        symbol: symbol_weight(affinity.get(symbol, 0.0), occurrences[symbol])
        for symbol in symbols.union(state)
    }


def _scored(one: Kept, query: _Query) -> Scored:
    """*one* with its potential, which weights change."""
    plain = scored(one, query.plain)
    if query.weights is None:
        return plain
    of = _weights(one, query.weights)
    shares = of.evidence + of.confidence
    value = metrics.potential(shares, of.snr, plain.itfdf, one.alignment.block_count)
    return replace(plain, potential=value)


def _weights(one: Kept, weights: Mapping[str, float]) -> Weights:
    symbols = flatten(one.match.pattern.events)
    # The pattern's own spelling of what matches.
    blocks = (symbols[start : start + size] for start, _, size in one.match.blocks)
    return Weights(
        matched=total_weight(chain.from_iterable(blocks), weights),
        extras=total_weight(one.alignment.extras, weights),
        pattern=total_weight(symbols, weights),
        present=total_weight(one.present, weights),
    )


def _prediction(one: Scored, query: _Query, wanted: Wanted) -> Prediction:
    made = prediction(one, query.plain)
    if wanted.explain:
        made = replace(made, explanation=_explanation(one, query))
    if not wanted.later:
        return made
    return replace(made, later=_later(one, query), weighted=_weighted(one, query))


def _explanation(one: Scored, query: _Query) -> Explanation:
    blocks = one.kept.match.blocks
    if query.weights is None:
        return Explanation(blocks, _evidence(one, query), _confidence(one, query), _snr(one, query))
    of = _weights(one.kept, query.weights)
    return Explanation(blocks, of.evidence, of.confidence, of.snr)


def _weighted(one: Scored, query: _Query) -> WeightedMetrics | None:
    if query.weights is None:
        return None
    return weighted_metrics(_weights(one.kept, query.weights))


def _weighted_value(name: str) -> Callable[[Scored, _Query], float]:
    """What the weighted field *name* holds; it is only ranked by where symbols have weights."""

    def value(one: Scored, query: _Query) -> float:
        found: float = getattr(_weighted(one, query), name)
        return found

    return value


def _later(one: Scored, query: _Query) -> LaterMetrics:
    return LaterMetrics(
        normalized_entropy=_normalized_entropy(one, query),
        global_normalized_entropy=_global_normalized_entropy(one, query),
        shannon_entropy=later.shannon_entropy(one.kept.present),
        predictive_information=_predictive_information(one, query),
        tfidf_score=_tfidf_score(one, query),
        bayesian_prior=_prior(one, query),
        bayesian_likelihood=one.kept.match.similarity,
        bayesian_posterior=_posterior(one, query),
        anomalies=_anomalies(one, query),
    )


def _anomalies(one: Scored, query: _Query) -> tuple[Anomaly, ...]:
    observed = query.plain.state
    expected = one.kept.match.state(observed)
    pairs = zip(observed, expected, strict=True)
    return tuple(Anomaly(seen, known, ratio(seen, known)) for seen, known in pairs if seen != known)


def _weight(one: Kept) -> float:
    return later.weighted_frequency(one.match.pattern.frequency, one.match.similarity)


def _normalized_entropy(one: Scored, query: _Query) -> float:
    return later.normalized_entropy(one.kept.present, query.plain.statistics.distinct_symbols)


def _global_normalized_entropy(one: Scored, query: _Query) -> float:
    distinct = query.plain.statistics.distinct_symbols
    return later.global_normalized_entropy(one.kept.present, query.holders, distinct)


def _predictive_information(one: Scored, query: _Query) -> float:
    return query.futures.predictive_information(
        one.kept.alignment.future, _weight(one.kept), query.plain.total_frequency
    )


def _tfidf_score(one: Scored, query: _Query) -> float:
    return later.tfidf_score(one.kept.present, query.holders)


def _prior(one: Scored, query: _Query) -> float:
    return later.share(one.kept.match.pattern.frequency, query.plain.total_frequency)


def _posterior(one: Scored, query: _Query) -> float:
    return later.share(_weight(one.kept), query.weight)


def _evidence(one: Scored, _query: _Query) -> float:
    return metrics.evidence(one.kept.match.matched, one.kept.match.symbol_count)


def _confidence(one: Scored, _query: _Query) -> float:
    return metrics.confidence(one.kept.match.matched, len(one.kept.present))


def _snr(one: Scored, _query: _Query) -> float:
    return metrics.snr(one.kept.match.matched, len(one.kept.alignment.extras))


def _confluence(one: Scored, query: _Query) -> float:
    return metrics.confluence(
        one.kept.present,
        query.plain.probability,
        frequency=one.kept.match.pattern.frequency,
        total_learns=query.plain.statistics.total_learns,
    )


_VALUES: Mapping[RankKey, Callable[[Scored, _Query], float]] = {
    "similarity": lambda one, _query: one.kept.match.similarity,
    "evidence": _evidence,
    "confidence": _confidence,
    "snr": _snr,
    "fragmentation": lambda one, _query: one.kept.alignment.block_count,
    "frequency": lambda one, _query: one.kept.match.pattern.frequency,
    "normalized_entropy": _normalized_entropy,
    "global_normalized_entropy": _global_normalized_entropy,
    "itfdf_similarity": lambda one, _query: one.itfdf,
    "confluence": _confluence,
    "predictive_information": _predictive_information,
    "bayesian_posterior": _posterior,
    "bayesian_prior": _prior,
    "bayesian_likelihood": lambda one, _query: one.kept.match.similarity,
    "tfidf_score": _tfidf_score,
    "weighted_similarity": _weighted_value("weighted_similarity"),
    "weighted_evidence": _weighted_value("weighted_evidence"),
    "weighted_confidence": _weighted_value("weighted_confidence"),
    "weighted_snr": _weighted_value("weighted_snr"),
}
"""What predictions are ranked by. Not in it: the potential, by which they are ranked already."""
