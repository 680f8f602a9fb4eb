"""Trims a log: drops old entries that the views show and nobody looks up (knowledge.md §5)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.log import Head, KnowledgeLog


async def _never() -> bool:
    return False


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class TrimPlan:
    """When a log may be trimmed."""

    is_safe: Callable[[], Awaitable[bool]] = _never
    """Whether no change of a session has been pending for longer than a minute. Whoever completes
    such a change looks its entries up in the log, so they must still be in it."""
    now: Callable[[], datetime] = _utc_now


NO_TRIM = TrimPlan()


class LogTrimmer:
    def __init__(
        self, log: KnowledgeLog, plan: TrimPlan, limits: KnowledgeLimits = DEFAULT_LIMITS
    ) -> None:
        self._log = log
        self._plan = plan
        self._limits = limits
        self._owner = uuid4().hex

    async def trim(self, kb: str) -> int:
        """Drop a batch of old entries before the checkpoint; gives how many.

        Raises:
            StoreUnavailableError: A store did not answer. Entries that are marked as trimmed may
                still be stored; the next call drops them.
        """
        head = await self._log.head(kb)
        if head is None or head.checkpoint <= 1:
            return 0
        # Most logs have nothing to drop, and are looked at again and again: that writes nothing.
        if head.trimmed == 0 and await self._old(kb, head) == 0:
            return 0
        if not await self._log.claim(kb, self._owner, lease_s=self._limits.lease_s):
            return 0
        try:
            return await self._trimmed(kb)
        finally:
            await self._log.release(kb, self._owner)

    async def _trimmed(self, kb: str) -> int:
        head = await self._log.head(kb)
        if head is None or not await self._plan.is_safe():
            return 0
        old = await self._old(kb, head)
        # The mark comes first: a reader that finds entries missing can tell that they were trimmed.
        if old > head.trimmed:
            await self._log.raise_head(kb, Head(head.incarnation, trimmed=old))
        # Read again: the store ignores a mark for another incarnation, and only what it has
        # accepted may be dropped.
        marked = await self._log.head(kb)
        if marked is None or marked.trimmed == 0:
            return 0
        return await self._log.delete_until(kb, marked.trimmed, limit=self._limits.trim_entries)

    async def _old(self, kb: str, head: Head) -> int:
        """The last revision that can be marked as trimmed now; `head.trimmed` if there is none."""
        until = self._plan.now() - timedelta(seconds=self._limits.retention_s)
        batch = self._limits.trim_entries
        return await self._log.old(kb, head.trimmed, head.checkpoint, until, limit=batch)
