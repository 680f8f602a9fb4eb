"""Keeps the views of all knowledge bases near their logs: one task per process."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from kato_service.errors import StoreUnavailableError

log = structlog.get_logger()

DELAY_S = 5.0
"""Seconds after which the views show an entry, if nothing goes wrong."""
SOON_ENTRIES = 1000
"""Entries that are not left to wait for that."""
LONGEST_PAUSE_S = 60.0


class Materialiser:
    """Told of every knowledge base whose log runs ahead of its views; one after the other."""

    def __init__(
        self,
        write: Callable[[str], Awaitable[int | None]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*write* brings the views of a knowledge base up to date, and tells how many there were;
        None: it is to be tried again."""
        self.written = 0
        """Views since the start of this process."""
        self.failures = 0
        self._write = write
        self._clock = clock
        self._due: dict[str, float] = {}
        self._pauses: dict[str, float] = {}
        """Of those that failed at their last turn."""
        self._changed = asyncio.Event()

    def lagging(self, kb: str, entries: int) -> None:
        """The log of *kb* is that many entries ahead."""
        is_urgent = entries >= SOON_ENTRIES and kb not in self._pauses
        due = self._clock() + (0.0 if is_urgent else DELAY_S)
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
            del self._due[kb]
            await self._write_one(kb)

    async def _write_one(self, kb: str) -> None:
        try:
            count = await self._write(kb)
        except StoreUnavailableError as error:
            self._put_off(kb, error)
            return
        self._pauses.pop(kb, None)
        if count is None:
            self._due[kb] = self._clock() + DELAY_S
        else:
            self.written += count

    def _put_off(self, kb: str, error: StoreUnavailableError) -> None:
        pause_s = self._pauses.get(kb, DELAY_S)
        if kb not in self._pauses:
            log.warning("views not written yet", processor_id=kb, reason=error.message)
        self.failures += 1
        self._pauses[kb] = min(LONGEST_PAUSE_S, 2 * pause_s)
        self._due[kb] = self._clock() + pause_s
