"""The port to the materialised patterns of knowledge bases (knowledge.md §1 and §5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.model.index import StoredViews


@dataclass(frozen=True, slots=True)
class PatternView:
    """The materialised view of one pattern, as of ``pattern.revision``."""

    pattern: Pattern
    deleted: bool = False
    """A tombstone, kept because its learns are part of the statistics."""


@dataclass(frozen=True, slots=True)
class StatisticsView:
    """What imports left in addition to patterns, as of their last entry.

    It is written after all patterns that entries up to ``revision`` changed, and read before them,
    so a load never finds statistics whose patterns are missing.
    """

    corrections: Corrections
    parts: Mapping[str, int]
    """By source, the number of parts of that import that are in; see `ImportProgress`."""
    revision: int


@dataclass(frozen=True, slots=True)
class ViewPage:
    """Some views of one knowledge base, in order of their patterns' names."""

    encoded: StoredViews
    decode: Callable[[bytes], PatternView]
    last: str
    """The name of the last pattern; '' without any."""
    more: bool
    """The read reached its limit: there may be more views."""

    @property
    def views(self) -> tuple[PatternView, ...]:
        """All views, decoded one at a time: for callers that read few."""
        return tuple(map(self.decode, self.encoded.documents()))


class PatternViews(Protocol):
    """The views of many knowledge bases, in the same store as their logs.

    What is acknowledged is durable, and seen by every read that starts afterwards.
    """

    async def page(self, kb: str, after: str, *, limit: int) -> ViewPage:
        """Up to *limit* views after the pattern named *after* (which is '' for the first page).

        Raises:
            StoreUnavailableError: The store did not answer, or is changing its primary.
        """

    async def write(self, kb: str, views: Sequence[PatternView]) -> None:
        """Store each view, unless the store has one of that pattern with the same or a greater
        revision. They name different patterns. May be repeated, also by several processes at once.

        Raises:
            StoreUnavailableError: Some of them may be stored, or may still be.
        """

    async def statistics(self, kb: str) -> StatisticsView | None:
        """None if there was never an import, or a clear dropped what it left."""

    async def write_statistics(self, kb: str, view: StatisticsView) -> None:
        """Store it, unless the store has one of the same or a greater revision. May be repeated."""

    async def discard(self, kb: str, cleared: int, *, limit: int) -> int:
        """Drop up to *limit* views of revisions up to *cleared*; gives how many it dropped. With
        the last of them go the statistics, if they are older than *cleared*."""
