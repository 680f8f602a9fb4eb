"""Drops what views show and nobody asks the log for any more (knowledge.md §5, Trim)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from kato_service.knowledge.model.log import Head, KnowledgeLog

RETENTION_S = 172_800.0
"""Seconds that entries stay at least; appends that take half of it are abandoned."""
BATCH = 1000
"""Entries that are looked at, and dropped, at once."""
LEASE_S = 30.0


async def _never() -> bool:
    return False


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class TrimPlan:
    retention_s: float = RETENTION_S
    is_safe: Callable[[], Awaitable[bool]] = _never
    """Whether no change of a session is pending for longer than a minute. Whoever completes one
    looks its entries up in the log, so they must still be there."""
    now: Callable[[], datetime] = _utc_now


class LogTrimmer:
    def __init__(self, log: KnowledgeLog, plan: TrimPlan) -> None:
        self._log = log
        self._plan = plan
        self._owner = uuid4().hex

    async def trim(self, kb: str) -> int:
        """Drop a batch of old entries below the checkpoint; tells how many.

        Raises:
            StoreUnavailableError: A store did not answer; what is marked as trimmed may still be
                there, and is dropped by the next call.
        """
        head = await self._log.head(kb)
        if head is None or head.checkpoint <= 1:
            return 0
        if not await self._log.claim(kb, self._owner, lease_s=LEASE_S):
            return 0
        try:
            return await self._trimmed(kb)
        finally:
            await self._log.release(kb, self._owner)

    async def _trimmed(self, kb: str) -> int:
        head = await self._log.head(kb)
        if head is None or not await self._plan.is_safe():
            return 0
        until = self._plan.now() - timedelta(seconds=self._plan.retention_s)
        old = await self._log.old(kb, head.trimmed, head.checkpoint, until, limit=BATCH)
        if old > head.trimmed:
            await self._log.raise_head(kb, Head(head.incarnation, trimmed=old))
        raised = await self._log.head(kb)
        if raised is None or raised.trimmed == 0:
            return 0
        return await self._log.delete_until(kb, raised.trimmed, limit=BATCH)
