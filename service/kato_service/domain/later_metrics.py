"""The prediction metrics of later clients (later-clients.md L1–L5).

Sums are plain additions in a fixed order, so that every engine gives the same doubles. The present
is never empty: patterns have no empty events.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kato_service.domain.pattern import Event
from kato_service.domain.prediction import FuturePotential
from kato_service.domain.prediction_metrics import bits, normalized, round12

MAX_FUTURES = 10_000
"""Futures that one answer lists, the best ones; the sums are over all of them."""


@dataclass(frozen=True, slots=True)
class Holders:
    """How many patterns are in the knowledge base now, and how many of them hold each symbol."""

    patterns: int
    """U: all patterns."""
    of: Mapping[str, int]
    """df: by symbol, at least of the symbols that are in a present."""


def normalized_entropy(present: Sequence[str], distinct_symbols: int) -> float:
    """``Σ −q·log_S q`` over the distinct symbols; q: the symbol's share of the present, S:
    *distinct_symbols* of the knowledge base. In [0, 1]; 0 if S ≤ 1."""
    return normalized(_shares(present), distinct_symbols)


def global_normalized_entropy(
    present: Sequence[str], holders: Holders, distinct_symbols: int
) -> float:
    """``Σ −g·log_S g`` over the distinct symbols; g: the share of all patterns that hold it."""
    shares = (holders.of[symbol] / holders.patterns for symbol in dict.fromkeys(present))
    return normalized(shares, distinct_symbols)


def shannon_entropy(present: Sequence[str]) -> float:
    """``Σ −q·log2 q`` over the distinct symbols, in bits."""
    return bits(_shares(present))


def tfidf_score(present: Sequence[str], holders: Holders) -> float:
    """The mean of ``q·(log2(U/df) + 1)`` over the distinct symbols."""
    counts = Counter(present)
    total = 0.0
    for symbol, count in counts.items():
        rarity = math.log2(holders.patterns / holders.of[symbol]) + 1.0
        total += count / len(present) * rarity
    return round12(total / len(counts))


def weighted_frequency(frequency: int, similarity: float) -> float:
    """What a pattern adds to the weight of its future, and to that of all patterns."""
    return frequency * similarity


def share(part: float, whole: float) -> float:
    """``part / whole``; 0 if *whole* is 0."""
    return round12(part / whole) if whole else 0.0


@dataclass(slots=True)
class _Future:
    events: tuple[Event, ...]
    """As the first of its patterns spells it."""
    patterns: int = 0
    weight: float = 0.0


class Futures:
    """What the patterns that were kept expect next. Two futures are the same if their events hold
    the same symbols equally often, event by event; patterns without a future are in none."""

    def __init__(self, expected: Iterable[tuple[tuple[Event, ...], float]]) -> None:
        """*expected*: of every pattern, in order of first learns, its future and its weight."""
        self._found: dict[tuple[Event, ...], _Future] = {}
        for events, weight in expected:
            if events:
                future = self._found.setdefault(_unordered(events), _Future(events))
                future.patterns += 1
                future.weight += weight
        self._weight = 0.0
        for future in self._found.values():
            self._weight += future.weight

    def predictive_information(
        self, future: tuple[Event, ...], weight: float, total_frequency: int
    ) -> float:
        """``(w / W(future)) · (W / Fsum)``; 0 without a future, or if a divisor is 0."""
        of_future = self._found[_unordered(future)].weight if future else 0.0
        if not of_future or not total_frequency:
            return 0.0
        return round12((weight / of_future) * (self._weight / total_frequency))

    def potentials(self, total_frequency: int) -> tuple[FuturePotential, ...]:
        """The futures by descending potential, equal ones by their earliest pattern; none if the
        patterns have no frequency. At most `MAX_FUTURES`."""
        if not total_frequency:
            return ()
        found = [
            FuturePotential(
                future=one.events,
                aggregate_potential=share(one.weight, self._weight),
                supporting_patterns=one.patterns,
                total_weighted_frequency=round12(one.weight),
            )
            for one in self._found.values()
        ]
        found.sort(key=lambda one: -one.aggregate_potential)
        return tuple(found[:MAX_FUTURES])


def _shares(present: Sequence[str]) -> Iterator[float]:
    """Of each distinct symbol, in order of first appearance, its share of the present."""
    return (count / len(present) for count in Counter(present).values())


def _unordered(events: tuple[Event, ...]) -> tuple[Event, ...]:
    return tuple(tuple(sorted(event)) for event in events)
