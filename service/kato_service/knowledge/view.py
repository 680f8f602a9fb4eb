"""What a prediction or a query sees of a knowledge base while it holds it still."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import SymbolStatistics
from kato_service.errors import InvalidInputError
from kato_service.knowledge.index import PatternIndex


@dataclass(frozen=True, slots=True)
class KnowledgeView:
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

    def page(self, *, after: str | None, limit: int) -> tuple[Pattern, ...]:
        """Up to *limit* patterns in first-learned order, behind the one named *after*.

        Raises:
            InvalidInputError: No pattern of that name was learned since the last clear.
        """
        return tuple(islice(self.index.after(self._position(after)), limit))

    def _position(self, after: str | None) -> int:
        if after is None:
            return 0
        known = self.patterns.get(after) or self.tombstones.get(after)
        if known is None:
            raise InvalidInputError(f"the list cannot go on behind {after!r}: no such pattern")
        return known.first
