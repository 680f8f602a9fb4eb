"""What a prediction or a query sees of a knowledge base while it holds it still."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import SymbolStatistics
from kato_service.errors import InvalidInputError
from kato_service.knowledge.index import PatternIndex


@dataclass(slots=True)
class LearnedOrder:
    """Names of patterns by the revision of their first learn; gone ones stay as holes."""

    firsts: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    holes: int = 0

    def append(self, name: str, first: int) -> None:
        self.firsts.append(first)
        self.names.append(name)

    def drop(self, alive: Mapping[str, Pattern]) -> None:
        """Note that one of them went; *alive* are those that are left."""
        self.holes += 1
        if self.holes > len(alive) + 64:
            self._compact(alive)

    def after(self, first: int, alive: Mapping[str, Pattern]) -> Iterator[Pattern]:
        """The patterns first learned behind revision *first*, in that order."""
        for position in range(bisect_right(self.firsts, first), len(self.firsts)):
            pattern = alive.get(self.names[position])
            if pattern is not None and pattern.first == self.firsts[position]:
                yield pattern

    def _compact(self, alive: Mapping[str, Pattern]) -> None:
        kept = list(self.after(-1, alive))
        self.firsts = [pattern.first for pattern in kept]
        self.names = [pattern.name for pattern in kept]
        self.holes = 0


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
    order: LearnedOrder = field(repr=False)
    tombstones: Mapping[str, Pattern] = field(repr=False)

    def page(self, *, after: str | None, limit: int) -> tuple[Pattern, ...]:
        """Up to *limit* patterns in first-learned order, behind the one named *after*.

        Raises:
            InvalidInputError: No pattern of that name was learned since the last clear.
        """
        return tuple(islice(self.order.after(self._position(after), self.patterns), limit))

    def _position(self, after: str | None) -> int:
        if after is None:
            return 0
        known = self.patterns.get(after) or self.tombstones.get(after)
        if known is None:
            raise InvalidInputError(f"the list cannot go on behind {after!r}: no such pattern")
        return known.first
