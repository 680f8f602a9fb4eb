"""Symbol affinity: which emotives the patterns of a symbol were learned with (later-clients.md L8).

Sums are plain additions in a fixed order, so that every replica and every engine gives the same
doubles. They stop at the greatest double instead of overflowing.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kato_service.domain.pattern import Emotives, Pattern, flatten
from kato_service.domain.prediction import WeightedMetrics
from kato_service.domain.prediction_metrics import round12
from kato_service.domain.sizes import emotives_bytes

AFFINITY_BYTES = 512 * 1024
"""Bytes of the names that the affinity of a pattern holds at most; later names are left out."""
LEAST_WEIGHT = 0.01
"""The weight of a symbol without the emotive."""
MOST_WEIGHT = 1e290
"""No sum of so many weights as a pattern or a state may have symbols overflows."""


def with_felt(known: Emotives, felt: Emotives | None) -> Emotives:
    """The affinity of a pattern after a learn that brought the means *felt*: each is added to the
    sum of its name. Names that do not fit into `AFFINITY_BYTES` are left out."""
    if not felt:
        return known
    if not known and emotives_bytes(felt) <= AFFINITY_BYTES:
        return felt
    sums = dict(known)
    more = {name: 0.0 for name in felt if name not in known}
    room = AFFINITY_BYTES - emotives_bytes(known) if more else 0
    for name, value in felt.items():
        if name in more:
            room -= emotives_bytes({name: value})
            if room < 0:
                break
        sums[name] = plus(sums.get(name, 0.0), value)
    return sums


def plus(total: float, value: float) -> float:
    """Their sum, which stays finite."""
    most = sys.float_info.max
    return min(max(total + value, -most), most)


def affinities(patterns: Iterable[Pattern]) -> dict[str, dict[str, float]]:
    """By symbol and emotive, the sums over *patterns*, in their order; each symbol of a pattern
    counts once. Symbols without an emotive are left out."""
    sums: dict[str, dict[str, float]] = {}
    for pattern in patterns:
        if pattern.affinity:
            for symbol in dict.fromkeys(flatten(pattern.events)):
                add_felt(sums.setdefault(symbol, {}), pattern.affinity)
    return sums


def add_felt(sums: dict[str, float], felt: Emotives) -> None:
    """Add the sums of a pattern to those of one of its symbols."""
    for name, value in felt.items():
        sums[name] = plus(sums.get(name, 0.0), value)


def symbol_weight(affinity: float, occurrences: int) -> float:
    """``|affinity| / occurrences + 0.01``: what a symbol weighs.

    Args:
        affinity: Its sum for the emotive that is asked for; 0.0 without one.
        occurrences: How often the symbol was learned. Corrections may leave 0 or less; such a
            symbol weighs as one without the emotive.
    """
    share = abs(affinity) / occurrences if occurrences > 0 else 0.0
    return min(share + LEAST_WEIGHT, MOST_WEIGHT)


@dataclass(frozen=True, slots=True)
class Weights:
    """What the parts of a pattern and of the state weigh together."""

    matched: float
    """Wm: the matched symbols, in order."""
    extras: float
    """We: the symbols of the state in no block, in order."""
    pattern: float
    """WF: all symbols of the pattern, in order."""
    present: float
    """Wp: all symbols of the present, in order."""

    @property
    def evidence(self) -> float:
        return self.matched / self.pattern

    @property
    def confidence(self) -> float:
        return self.matched / self.present

    @property
    def snr(self) -> float:
        """The matched share of the state, in [0, 1]; 0 without a match."""
        return self.matched / (self.matched + self.extras) if self.matched else 0.0

    @property
    def similarity(self) -> float:
        return 2.0 * self.matched / (self.pattern + self.matched + self.extras)


def total_weight(symbols: Iterable[str], weights: Mapping[str, float]) -> float:
    """The weights of *symbols* together, added in their order; an unknown one has the least."""
    total = 0.0
    for symbol in symbols:
        total += weights.get(symbol, LEAST_WEIGHT)
    return total


def weighted_metrics(weights: Weights) -> WeightedMetrics:
    return WeightedMetrics(
        round12(weights.similarity),
        round12(weights.evidence),
        round12(weights.confidence),
        round12(weights.snr),
    )
