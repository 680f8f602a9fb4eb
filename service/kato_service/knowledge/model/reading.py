"""What a prediction or a query sees of a knowledge base while it holds it still."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import SymbolStatistics
from kato_service.knowledge.model.index import PatternIndex

PAGE_SYMBOLS = 100_000
PAGE_CHARS = 8 * 2**20
"""Of a page, with the last pattern of it beyond."""


@dataclass(frozen=True, slots=True)
class PatternPage:
    patterns: tuple[Pattern, ...]
    more: bool
    """Whether others follow."""


@dataclass(frozen=True, slots=True)
class KnowledgeReading:
    """A knowledge base at one revision; nothing changes it while it is held."""

    index: PatternIndex
    statistics: SymbolStatistics
    patterns: Mapping[str, Pattern]
    """By bare name, those alive only."""
    revision: int
    cleared: int
    """Revision of the last clear, 0 before."""
    stale: bool
    """The store could not be asked: entries of others may be missing."""
    tombstones: Mapping[str, Pattern] = field(repr=False)
    imports: Mapping[str, int] = field(default_factory=dict)
    """Parts that are in, by the source of an import."""

    def page(self, *, after: int, limit: int) -> PatternPage:
        """Up to *limit* patterns in first-learned order, behind revision *after*; fewer where they
        are large."""
        patterns: list[Pattern] = []
        symbols = chars = 0
        for pattern in self.index.after(after):
            if len(patterns) == limit or symbols > PAGE_SYMBOLS or chars > PAGE_CHARS:
                return PatternPage(tuple(patterns), more=True)
            patterns.append(pattern)
            symbols += pattern.symbol_count
            chars += sum(len(symbol) for event in pattern.events for symbol in event)
        return PatternPage(tuple(patterns), more=False)
