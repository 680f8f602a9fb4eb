"""What a prediction or a query sees of a knowledge base, which does not change meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections, SymbolStatistics
from kato_service.knowledge.model.index import PatternIndex, PatternsCopy

PAGE_SYMBOLS = 100_000
"""Symbols after which a page ends, so that an answer takes bounded memory and time."""
PAGE_CHARS = 8 * 2**20
"""Characters of symbols after which a page ends."""


@dataclass(frozen=True, slots=True)
class PatternPage:
    patterns: tuple[Pattern, ...]
    more: bool
    """Whether there are patterns after these."""


@dataclass(frozen=True, slots=True)
class KnowledgeCopy:
    """A knowledge base as it was at one revision, whatever changes it now."""

    patterns: PatternsCopy
    tombstones: tuple[Pattern, ...] = field(repr=False)
    """Deleted patterns."""
    corrections: Corrections = field(repr=False)
    """What imports have added to the statistics in addition to learns."""
    revision: int
    cleared: int
    """The revision of the last clear; 0: there was none."""


@dataclass(frozen=True, slots=True)
class KnowledgeReading:
    """A knowledge base at one revision; nothing changes it while it is held."""

    index: PatternIndex
    statistics: SymbolStatistics
    patterns: Mapping[str, Pattern]
    """Living patterns, by bare name."""
    revision: int
    cleared: int
    """The revision of the last clear; 0: there was none."""
    stale: bool
    """The store did not answer: entries of other replicas may be missing."""
    tombstones: Mapping[str, Pattern] = field(repr=False)
    """Deleted patterns, by bare name."""
    imports: Mapping[str, int] = field(default_factory=dict)
    """By the source of an import, the number of its parts that are in; 0: it replaces everything,
    and only its clear is in."""
    corrections: Corrections = field(default_factory=Corrections, repr=False)
    """See `KnowledgeCopy`."""

    def copied(self) -> KnowledgeCopy:
        """A copy to read after this is released; takes milliseconds, and shares what it can."""
        return KnowledgeCopy(
            patterns=self.index.copied(),
            tombstones=tuple(self.tombstones.values()),
            corrections=self.corrections,
            revision=self.revision,
            cleared=self.cleared,
        )

    def page(self, *, after: int, limit: int) -> PatternPage:
        """Up to *limit* patterns first learned after revision *after*, in that order; fewer if
        they are large."""
        patterns: list[Pattern] = []
        symbols = chars = 0
        for pattern in self.index.after(after):
            if len(patterns) == limit or symbols > PAGE_SYMBOLS or chars > PAGE_CHARS:
                return PatternPage(tuple(patterns), more=True)
            patterns.append(pattern)
            symbols += pattern.symbol_count
            chars += sum(len(symbol) for event in pattern.events for symbol in event)
        return PatternPage(tuple(patterns), more=False)
