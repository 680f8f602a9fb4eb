"""The port to the materialised patterns of knowledge bases (knowledge.md §1 and §5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.model.index import StoredViews


@dataclass(frozen=True, slots=True)
class PatternView:
    """A pattern as some writer of views saw it, at ``pattern.revision``."""

    pattern: Pattern
    deleted: bool = False
    """A tombstone: its learns are part of the statistics."""


@dataclass(frozen=True, slots=True)
class StatisticsView:
    """What imports left beside patterns, at the last entry of theirs.

    It is written after the patterns that entries up to there touched, and read before them.
    """

    corrections: Corrections
    parts: Mapping[str, int]
    """By import how many of its parts are in."""
    revision: int


@dataclass(frozen=True, slots=True)
class ViewPage:
    """Some views of one knowledge base, in order of their patterns' names."""

    encoded: StoredViews
    decode: Callable[[bytes], PatternView]
    last: str
    """Name of the last pattern, '' without any."""
    more: bool
    """The read was cut at its limit."""

    @property
    def views(self) -> tuple[PatternView, ...]:
        """Decoded, one at a time: for where few are read."""
        return tuple(map(self.decode, self.encoded.documents()))


class PatternViews(Protocol):
    """Views of many knowledge bases in one store, beside their logs.

    What is acknowledged is durable, and seen by every read that starts afterwards.
    """

    async def page(self, kb: str, after: str, *, limit: int) -> ViewPage:
        """Up to *limit* views behind the pattern named *after* ('' before the first).

        Raises:
            StoreUnavailableError: The store did not answer, or changes who answers.
        """

    async def write(self, kb: str, views: Sequence[PatternView]) -> None:
        """Store each view unless the store has one of that pattern with the same revision or a
        greater one. They name different patterns. May be repeated, also by others at once.

        Raises:
            StoreUnavailableError: Some of them may be stored, or may still be.
        """

    async def statistics(self, kb: str) -> StatisticsView | None: ...

    async def write_statistics(self, kb: str, view: StatisticsView) -> None:
        """Unless the store has one of the same revision or a greater one; may be repeated."""

    async def discard(self, kb: str, cleared: int, *, limit: int) -> int:
        """Drop up to *limit* views with revisions up to *cleared*, and tell how many; with the last
        of them the statistics, if they are as old."""
