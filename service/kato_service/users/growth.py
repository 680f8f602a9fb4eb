"""How a knowledge base grew, as far back as its log has entries (http-api.md §6)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from kato_service.domain.deadline import Deadline, within
from kato_service.knowledge.bases import KnowledgeBases

_DAY_S = 86_400
LENGTHS_S = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600),
    *(count * _DAY_S for count in (1, 2, 5, 10, 30, 100, 365)),
)
"""Seconds that an interval may have; beyond the last one, a multiple of it."""
_SLOW = "the knowledge log did not answer before the deadline"


@dataclass(frozen=True, slots=True)
class Interval:
    began_at: datetime
    """It ends where the next one begins; the last one ends now."""
    first_learned: int
    """Patterns that are there now and were first learned, or imported, in it."""
    changes: int
    """Entries of the log: learns, edits, deletions, parts of imports, clears."""


@dataclass(frozen=True, slots=True)
class Growth:
    revision: int
    """Of the log, which the figures are of."""
    patterns: int
    earlier: int
    """Patterns that were first learned before the oldest entry that the log has."""
    oldest: datetime | None
    """When that entry went in; None: the log has none."""
    interval_s: int
    intervals: Sequence[Interval] = ()
    """Oldest first. Their patterns and the earlier ones are all patterns."""


class PatternGrowth:
    def __init__(self, knowledge: KnowledgeBases, wall: Callable[[], float] = time.time) -> None:
        self._knowledge = knowledge
        self._wall = wall

    async def read(self, kb: str, *, most: int, deadline: Deadline) -> Growth:
        """Growth in up to *most* intervals, all of one length.

        Raises:
            StoreUnavailableError: The log did not answer.
            DeadlineExceededError: It did not answer before *deadline*.
        """
        async with within(deadline, _SLOW):
            reach = await self._knowledge.reach(kb)
            now = datetime.fromtimestamp(self._wall(), UTC)
            length, times = intervals_of(reach.oldest or now, now, most)
            ends = await self._knowledge.revisions_at(kb, times[1:], reach)
            # Read again: what was trimmed meanwhile has no known time any more.
            reach = await self._knowledge.reach(kb)
        async with self._knowledge.get(kb).reading(deadline=deadline) as reading:
            tops = (0, *ends, reading.revision)
            bounds = [min(max(each, reach.trimmed), reading.revision) for each in tops]
            counts = await asyncio.to_thread(reading.index.counts_until, bounds)
            patterns, revision = len(reading.patterns), reading.revision
        intervals = tuple(
            Interval(began_at, later - earlier, end - begin)
            for began_at, (begin, end), (earlier, later) in zip(
                times, pairwise(bounds), pairwise(counts), strict=True
            )
            if end > reach.trimmed
        )
        return Growth(revision, patterns, counts[0], reach.oldest, length, intervals)


def intervals_of(oldest: datetime, now: datetime, most: int) -> tuple[int, list[datetime]]:
    """The length of intervals in seconds, and when each begins: multiples of the length since the
    epoch, from the last one before *oldest* to the last one before *now*, at most *most*."""
    end = now.timestamp()
    begin = min(oldest.timestamp(), end)
    longest = LENGTHS_S[-1]
    beyond = longest * (int((end - begin) / longest / (most - 1)) + 1)
    fitting = (each for each in LENGTHS_S if end // each - begin // each < most)
    length = next(fitting, beyond)
    places = range(int(begin // length), int(end // length) + 1)
    return length, [datetime.fromtimestamp(place * length, UTC) for place in places]
