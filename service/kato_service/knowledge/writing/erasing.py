"""Removes an erased knowledge base from its store: views, entries, the head (knowledge.md §10).

The clear that erases it is in the log by then, so nobody sees any of it. Every step may be
repeated, and done by several processes at once; each leaves something that every reader
understands.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from kato_service.backoff import Backoff
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.log import Figures, Head, KnowledgeLog

GAP = 20_000
"""Revisions that are left out after an erased log: what was on its way to it when it ended cannot
come in after the end of another log of the same name."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
_BUSY = "another process writes the views of this knowledge base; the erasure is completed later"


@dataclass(slots=True)
class Removed:
    """Documents that were removed."""

    entries: int = 0
    views: int = 0
    """Of patterns, deleted ones included, and of statistics."""
    is_gone: bool = False
    """Nothing of the knowledge base is left; False: it is in use again, by what came later."""


class LogEraser:
    def __init__(self, log: KnowledgeLog, limits: KnowledgeLimits = DEFAULT_LIMITS) -> None:
        self._log = log
        self._limits = limits
        self._owner = uuid4().hex

    async def remove(
        self, kb: str, incarnation: str, revision: int, on_progress: Callable[[], Awaitable[None]]
    ) -> Removed:
        """Remove everything up to the clear at *revision* of the log of that incarnation.

        Args:
            incarnation: '' if there was no log; what a dead one left is removed all the same.
            on_progress: Awaited after every batch.

        Raises:
            StoreUnavailableError: Some of it may be left: repeat.
        """
        removed = Removed()
        head = await self._log.head(kb)
        if head is not None and head.incarnation == incarnation and revision:
            await self._empty(kb, incarnation, revision, removed, on_progress)
            await self._log.erasures.raise_floor(revision + GAP)
            await self._log.remove_head(kb, Head(incarnation, checkpoint=revision))
        await self._sweep(kb, removed, on_progress)
        return removed

    async def _empty(
        self,
        kb: str,
        incarnation: str,
        revision: int,
        removed: Removed,
        on_progress: Callable[[], Awaitable[None]],
    ) -> None:
        """Hide what is older than the clear from whoever loads the log, then drop it."""
        figures = Figures(revision, datetime.now(UTC), patterns=0, symbols=0, learns=0)
        empty = Head(
            incarnation,
            checkpoint=revision,
            cleared=revision,
            trimmed=revision - 1,
            erased=revision,
            figures=figures,
        )
        await self._log.raise_head(kb, empty)
        await self._claim(kb)
        try:
            await self._drop(kb, (revision - 1, revision), removed, on_progress)
        finally:
            await self._log.release(kb, self._owner)

    async def _sweep(
        self, kb: str, removed: Removed, on_progress: Callable[[], Awaitable[None]]
    ) -> None:
        """Drop what is left without a head, or from before the one that is there now."""
        # In this order: a log that is created after the floor was read begins after it.
        floor = await self._log.erasures.floor()
        head = await self._log.head(kb)
        removed.is_gone = head is None
        until = floor if head is None else min(floor, head.trimmed)
        if head is None:
            removed.entries += await self._log.sweep(kb, until, limit=self._limits.trim_entries)
        await self._drop(kb, (until, until), removed, on_progress)

    async def _drop(
        self,
        kb: str,
        until: tuple[int, int],
        removed: Removed,
        on_progress: Callable[[], Awaitable[None]],
    ) -> None:
        """Drop entries up to the first, and views up to the second of two revisions."""
        batch = self._limits.trim_entries
        while count := await self._log.delete_until(kb, until[0], limit=batch):
            removed.entries += count
            await on_progress()
        while count := await self._log.views.discard(kb, until[1], limit=batch):
            removed.views += count
            await on_progress()

    async def _claim(self, kb: str) -> None:
        """Take the lease of who writes views, so that none are written behind the erasure."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, give_up_after_s=2 * self._limits.lease_s)
        lease_s = self._limits.lease_s
        while not await self._log.claim(kb, self._owner, lease_s=lease_s):
            if backoff.is_over:
                raise StoreUnavailableError(_BUSY)
            await backoff.pause()
