"""Finds patterns by a filter, a slice at a time, so that nobody waits for it (http-api.md §6)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Pattern
from kato_service.findings import Place
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.pattern_filter import PatternFilter, Revisions
from kato_service.knowledge.model.reading import PAGE_CHARS, PAGE_SYMBOLS

SLICE_S = 0.02
"""Seconds of a slice: learns wait so long at most, and then get their turn."""
LONGEST_S = 2.0
"""Seconds after which a page ends, with whatever was found."""


@dataclass(frozen=True, slots=True)
class Times:
    """Bounds in time, each with its place in the request; None: there is none."""

    first_after: datetime | None = None
    first_before: datetime | None = None
    after: datetime | None = None
    before: datetime | None = None
    place: Callable[[str], Place] = lambda name: ("query", name)


@dataclass(slots=True)
class FoundPatterns:
    patterns: list[Pattern] = field(default_factory=list)
    reached: int | None = None
    """Where to continue; None: there are no more."""
    revision: int = 0
    """Of the log, as of which the last slice was looked at."""

    def is_full(self, limit: int) -> bool:
        symbols = sum(one.symbol_count for one in self.patterns)
        chars = sum(len(each) for one in self.patterns for event in one.events for each in event)
        return len(self.patterns) >= limit or symbols > PAGE_SYMBOLS or chars > PAGE_CHARS


class PatternSearch:
    def __init__(
        self, knowledge: KnowledgeBases, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._knowledge = knowledge
        self._clock = clock

    async def bounded(self, kb: str, wanted: PatternFilter, times: Times) -> PatternFilter:
        """The filter with *times* as bounds of revisions.

        Raises:
            InvalidInputError: The log does not go back so far.
        """
        first = await self._between(kb, times, "first_learned_after", "first_learned_before")
        changed = await self._between(kb, times, "learned_after", "learned_before")
        return replace(wanted, first=first, changed=changed)

    async def page(
        self,
        kb: str,
        wanted: PatternFilter,
        *,
        limit: int,
        place: int | None,
        newest_first: bool,
        deadline: Deadline,
    ) -> FoundPatterns:
        """Up to *limit* patterns that fit, each judged when it was looked at.

        Args:
            place: ``reached`` of the page before; None: from the beginning.
        """
        found = FoundPatterns(reached=place)
        ends_at = self._clock() + LONGEST_S
        while True:
            narrowed = _from(wanted, found.reached, newest_first=newest_first)
            async with self._knowledge.get(kb).reading(deadline=deadline) as knowledge:
                found.revision = knowledge.revision
                missing = limit - len(found.patterns)
                some, found.reached = await asyncio.to_thread(
                    self._slice, knowledge.index, narrowed, missing, newest_first
                )
            found.patterns += some
            over = self._clock() > ends_at or found.is_full(limit)
            if found.reached is None or over:
                return found

    def _slice(
        self, index: PatternIndex, wanted: PatternFilter, limit: int, newest_first: bool
    ) -> tuple[Sequence[Pattern], int | None]:
        found: list[Pattern] = []
        ends_at = self._clock() + SLICE_S
        while True:
            some, reached = index.select(
                wanted, limit=limit - len(found), newest_first=newest_first
            )
            found += some
            if reached is None or len(found) >= limit or self._clock() > ends_at:
                return found, reached
            wanted = _from(wanted, reached, newest_first=newest_first)

    async def _between(self, kb: str, times: Times, after: str, before: str) -> Revisions:
        is_first = after.startswith("first")
        earliest = times.first_after if is_first else times.after
        latest = times.first_before if is_first else times.before
        found = Revisions()
        if earliest is not None:
            revision = await self._knowledge.revision_at(kb, earliest, times.place(after))
            found = replace(found, after=revision)
        if latest is not None:
            revision = await self._knowledge.revision_at(kb, latest, times.place(before))
            found = replace(found, before=revision + 1)
        return found


def _from(wanted: PatternFilter, reached: int | None, *, newest_first: bool) -> PatternFilter:
    """The filter without what was looked at."""
    if reached is None:
        return wanted
    if newest_first:
        return replace(
            wanted, first=replace(wanted.first, before=min(reached, wanted.first.before))
        )
    return replace(wanted, first=replace(wanted.first, after=max(reached, wanted.first.after)))
