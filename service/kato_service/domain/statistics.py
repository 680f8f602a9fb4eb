"""Symbol statistics and totals of a knowledge base (processor.md §1)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from kato_service.domain.pattern import Event, flatten


@dataclass(slots=True)
class SymbolStatistics:
    """Sums over learns; only a knowledge base's fold changes them."""

    pattern_member_frequency: Counter[str] = field(default_factory=Counter)
    symbol_frequency: Counter[str] = field(default_factory=Counter)
    total_learns: int = 0
    """TP"""
    total_symbols: int = 0
    """TS"""
    total_distinct_symbols: int = 0
    """TSP: over learns, the number of distinct symbols"""

    @property
    def distinct_symbols(self) -> int:
        """S"""
        return len(self.pattern_member_frequency)

    def add_learn(self, events: Iterable[Event], times: int = 1) -> None:
        """Count one learn of *events*, or as many at once."""
        if times < 1:
            return
        symbols = Counter(flatten(events))
        self.total_learns += times
        self.total_symbols += times * symbols.total()
        self.total_distinct_symbols += times * len(symbols)
        for symbol, count in symbols.items():
            self.pattern_member_frequency[symbol] += times
            self.symbol_frequency[symbol] += times * count
