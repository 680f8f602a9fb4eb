"""Keeps the views of all knowledge bases close to their logs: one task per process."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits

log = structlog.get_logger()

LONGEST_PAUSE_S = 60.0
"""Seconds between attempts at most, while a store does not answer."""


class Materialiser:
    """Writes the views of every knowledge base that was scheduled, one base after the other."""

    def __init__(
        self,
        write: Callable[[str], Awaitable[int | None]],
        limits: KnowledgeLimits = DEFAULT_LIMITS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*write* brings the views of a knowledge base up to date and gives how many it wrote;
        None: try again later."""
        self.written = 0
        """Views since the start of this process."""
        self.failures = 0
        """Attempts that a store did not answer."""
        self._write = write
        self._delay_s = limits.view_delay_s
        self._soon_entries = limits.view_soon_entries
        self._clock = clock
        self._due: dict[str, float] = {}
        """When each scheduled knowledge base is written."""
        self._pauses: dict[str, float] = {}
        """Seconds until the next attempt, of knowledge bases whose last attempt failed."""
        self._changed = asyncio.Event()

    def schedule(self, kb: str, lag: int) -> None:
        """Write the views of *kb* soon: its log is *lag* entries ahead of them."""
        # While a store is away, a long lag must not bring attempts forward: the back-off decides.
        is_urgent = lag >= self._soon_entries and kb not in self._pauses
        due = self._clock() + (0.0 if is_urgent else self._delay_s)
        if due < self._due.get(kb, due + 1):
            self._due[kb] = due
            self._changed.set()

    async def run(self) -> None:
        """Write what is due, until cancelled."""
        while True:
            await self.write_due()
            self._changed.clear()
            wait_s = min(self._due.values(), default=float("inf")) - self._clock()
            try:
                async with asyncio.timeout(None if wait_s == float("inf") else max(0.0, wait_s)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def write_due(self) -> None:
        now = self._clock()
        for kb in [kb for kb, due in self._due.items() if due <= now]:
            # Removed before the write: what is appended during it schedules the base again.
            del self._due[kb]
            await self._write_one(kb)

    async def _write_one(self, kb: str) -> None:
        try:
            count = await self._write(kb)
        except StoreUnavailableError as error:
            self._back_off(kb, error)
            return
        self._pauses.pop(kb, None)
        if count is None:
            self._due[kb] = self._clock() + self._delay_s
        else:
            self.written += count

    def _back_off(self, kb: str, error: StoreUnavailableError) -> None:
        pause_s = self._pauses.get(kb, self._delay_s)
        if kb not in self._pauses:
            log.warning("views not written yet", processor_id=kb, reason=error.message)
        self.failures += 1
        self._pauses[kb] = min(LONGEST_PAUSE_S, 2 * pause_s)
        self._due[kb] = self._clock() + pause_s
