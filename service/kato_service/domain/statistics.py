"""Symbol statistics and totals of a knowledge base (processor.md §1)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Protocol

from kato_service.domain.pattern import Event, flatten

COUNTS_BYTES = 64
"""Size of a symbol's two counts, once they are too large for CPython's shared integers."""


class SymbolStatistics(Protocol):
    """Sums over learns plus corrections, as they are now: everything changes with the next learn.

    Symbols that were never counted have 0. Corrections may leave negative counts, which prediction
    metrics treat as 0.
    """

    @property
    def pattern_member_frequency(self) -> Mapping[str, int]:
        """By symbol, the number of learns of patterns that contain it."""

    @property
    def symbol_frequency(self) -> Mapping[str, int]:
        """By symbol, its occurrences over all learns."""

    @property
    def total_learns(self) -> int:
        """TP: the number of learns."""

    @property
    def total_symbols(self) -> int:
        """TS: occurrences of all symbols over all learns."""

    @property
    def total_distinct_symbols(self) -> int:
        """TSP: the sum over all learns of the number of distinct symbols in the pattern."""

    @property
    def distinct_symbols(self) -> int:
        """S: the number of symbols with a positive pattern member frequency."""


@dataclass(frozen=True, slots=True)
class Corrections:
    """What is added to statistics in addition to learns (negative: subtracted), because the sums of
    an imported knowledge base come from a history that is not in the log."""

    symbols: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By symbol, its pattern member frequency and its symbol frequency."""
    total_learns: int = 0
    total_symbols: int = 0
    total_distinct_symbols: int = 0

    def plus(self, more: "Corrections") -> "Corrections":
        """The sums of both."""
        symbols = dict(self.symbols)
        for symbol, (patterns, occurrences) in more.symbols.items():
            known = symbols.get(symbol, (0, 0))
            symbols[symbol] = (known[0] + patterns, known[1] + occurrences)
        return Corrections(
            symbols=symbols,
            total_learns=self.total_learns + more.total_learns,
            total_symbols=self.total_symbols + more.total_symbols,
            total_distinct_symbols=self.total_distinct_symbols + more.total_distinct_symbols,
        )


@dataclass(slots=True)
class SymbolCounts:
    """Symbol statistics in counters, for indexes that are written in Python."""

    pattern_member_frequency: Counter[str] = field(default_factory=Counter)
    symbol_frequency: Counter[str] = field(default_factory=Counter)
    total_learns: int = 0
    total_symbols: int = 0
    total_distinct_symbols: int = 0
    _positive: int = 0
    _strings_bytes: int = field(default=0, compare=False)
    """Size of the symbols' strings, each counted once."""

    @property
    def distinct_symbols(self) -> int:
        return self._positive

    @property
    def memory_bytes(self) -> int:
        """Estimate, in constant time."""
        symbols = self.symbol_frequency
        tables = getsizeof(self.pattern_member_frequency) + getsizeof(symbols)
        return tables + COUNTS_BYTES * len(symbols) + self._strings_bytes

    def add_learn(self, events: Iterable[Event], learns: int = 1) -> None:
        """Count *events* as learned that many times."""
        occurrences = Counter(flatten(events))
        for symbol, count in occurrences.items():
            self._add(symbol, learns, count * learns)
        self.total_learns += learns
        self.total_symbols += learns * occurrences.total()
        self.total_distinct_symbols += learns * len(occurrences)

    def correct(self, corrections: Corrections) -> None:
        for symbol, (patterns, occurrences) in corrections.symbols.items():
            self._add(symbol, patterns, occurrences)
        self.total_learns += corrections.total_learns
        self.total_symbols += corrections.total_symbols
        self.total_distinct_symbols += corrections.total_distinct_symbols

    def _add(self, symbol: str, patterns: int, occurrences: int) -> None:
        if symbol not in self.symbol_frequency:
            self._strings_bytes += getsizeof(symbol)
        before = self.pattern_member_frequency[symbol]
        self.pattern_member_frequency[symbol] = before + patterns
        self.symbol_frequency[symbol] += occurrences
        self._positive += (before + patterns > 0) - (before > 0)
