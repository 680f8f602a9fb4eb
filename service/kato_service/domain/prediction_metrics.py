"""Prediction metrics: evidence, confidence, potential and the others (processor.md §7).

Sums are plain additions in a fixed order, so that every engine gives the same doubles.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kato_service.domain.statistics import SymbolStatistics

UNKNOWN_PROBABILITY = 1e-10
"""What confluence assumes for a symbol without a probability."""


@dataclass(frozen=True, slots=True)
class SymbolProbabilities:
    """P(s) of the symbols that matter to one query; every other symbol has 0."""

    known: Mapping[str, float]

    @classmethod
    def of(cls, symbols: Iterable[str], statistics: SymbolStatistics) -> "SymbolProbabilities":
        """``pmf(s) / TSP`` of *symbols*: those in the present of a pattern that was kept."""
        total = statistics.total_distinct_symbols
        if total <= 0:
            return cls({})
        pmf = statistics.pattern_member_frequency
        counts = {symbol: pmf[symbol] for symbol in symbols}
        return cls({symbol: count / total for symbol, count in counts.items() if count > 0})

    def __getitem__(self, symbol: str) -> float:
        return self.known.get(symbol, 0.0)


def round12(value: float) -> float:
    """Rounded half to even to 12 decimals; the sign of a zero is dropped."""
    return round(value, 12) + 0.0  # −0.0 + 0.0 is 0.0


def evidence(matched: int, pattern_symbols: int) -> float:
    """The matched share of the pattern, in [0, 1]."""
    return matched / pattern_symbols


def confidence(matched: int, present_symbols: int) -> float:
    """The matched share of the present, in [0, 1]; 0 for an empty present."""
    return matched / present_symbols if present_symbols else 0.0


def snr(matched: int, extra: int) -> float:
    """Signal to noise: ``(2·matched − extra) / (2·matched + extra)``, in [−1, 1]; 0 for 0/0."""
    total = 2 * matched + extra
    return (2 * matched - extra) / total if total else 0.0


def entropy(present: Sequence[str], probability: SymbolProbabilities) -> float:
    """``Σ −P·log2 P`` over every occurrence of a symbol in the present."""
    return bits(probability[symbol] for symbol in present)


def hamiltonian(present: Sequence[str], distinct_symbols: int) -> float:
    """``Σ −q·log_S q`` over every occurrence; q: the symbol's share of the present, S:
    *distinct_symbols* of the knowledge base."""
    counts = Counter(present)
    return normalized((counts[symbol] / len(present) for symbol in present), distinct_symbols)


def grand_hamiltonian(
    present: Sequence[str], probability: SymbolProbabilities, distinct_symbols: int
) -> float:
    """``Σ −P·log_S P`` over the distinct symbols of the present, in order of first appearance."""
    return normalized((probability[symbol] for symbol in dict.fromkeys(present)), distinct_symbols)


def bits(shares: Iterable[float]) -> float:
    """``Σ −p·log2 p`` over *shares*, in their order; a share of 0 adds nothing."""
    total = 0.0
    for p in shares:
        if p > 0.0:
            total -= p * math.log2(p)
    return round12(total)


def normalized(shares: Iterable[float], distinct_symbols: int) -> float:
    """``Σ −p·log_S p`` over *shares*, in their order; S: *distinct_symbols*. 0 if S ≤ 1."""
    if distinct_symbols <= 1:
        return 0.0
    base = math.log(distinct_symbols)
    total = 0.0
    for p in shares:
        if p > 0.0:
            total -= p * (math.log(p) / base)
    return round12(total)


def confluence(
    present: Sequence[str], probability: SymbolProbabilities, *, frequency: int, total_learns: int
) -> float:
    """``frequency/TP · (1 − Π p')``; p': P, or `UNKNOWN_PROBABILITY` where P is 0.

    The product is computed as a power of ten, and is 0 for an empty present.
    """
    share = frequency / total_learns if total_learns > 0 else 0.0
    exponent = 0.0
    for symbol in present:
        exponent += math.log10(probability[symbol] or UNKNOWN_PROBABILITY)
    product = 10.0**exponent if present else 0.0
    return round12(share * (1.0 - product))


def itfdf_similarity(distance: float, *, frequency: int, total_frequency: int) -> float:
    """``1 − distance · frequency / Fsum``; 0 if Fsum is 0.

    Args:
        distance: `cosine_distance` of the state and the present.
        total_frequency: Fsum, the frequencies of all patterns that reach the threshold.
    """
    if not total_frequency:
        return 0.0
    return round12(1.0 - distance * frequency / total_frequency)


def cosine_distance(
    state: Mapping[str, int], present: Mapping[str, int], probability: SymbolProbabilities
) -> float:
    """``1 − cos`` of the two vectors of counts, weighted with P; 1.0 if one of them is all zero.

    Args:
        state: Occurrences by symbol, in order of first appearance; *present* likewise.
    """
    u = {symbol: probability[symbol] * count for symbol, count in state.items()}
    v = {symbol: probability[symbol] * count for symbol, count in present.items()}
    product = 0.0
    for symbol, weight in v.items():
        product += u.get(symbol, 0.0) * weight
    length = _norm(u.values()) * _norm(v.values())
    return 1.0 - product / length if length else 1.0


def potential(
    evidence_plus_confidence: float, snr_value: float, itfdf: float, block_count: int
) -> float:
    """``(evidence + confidence)·snr + itfdf + 1/blocks``; the last term is 0 without a block."""
    bonus = 1.0 / block_count if block_count else 0.0
    return round12(evidence_plus_confidence * snr_value + itfdf + bonus)


def _norm(weights: Iterable[float]) -> float:
    total = 0.0
    for weight in weights:
        total += weight * weight
    return math.sqrt(total)
