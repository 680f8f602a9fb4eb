"""How many sessions live, counted in the background, so that whoever asks need not ask a store."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

from kato_service.errors import StoreUnavailableError

TIMEOUT_S = 5.0
"""Seconds that counting may take."""
PAUSE_S = 0.25
"""Seconds at least between two counts, however often sessions change."""
RETRY_S = 1.0
"""Seconds until the next count while the store does not answer."""
SHARE = 20
"""A count is followed by a pause of so many times what it took: many embedded sessions are counted
less often."""


class SessionCount:
    def __init__(
        self,
        count: Callable[[], Awaitable[int]],
        usable: Callable[[], bool],
        *,
        interval_s: float,
    ) -> None:
        """A count that begins with 0.

        Args:
            count: Asks the store.
            usable: Whether the store can be asked at all.
            interval_s: Seconds between two counts while this process changes nothing: sessions
                expire, and other replicas change them.
        """
        self.latest = 0
        """The last count; 0 until the store answered for the first time."""
        self.is_current = False
        """Whether the store answered the last time it was asked."""
        self._count = count
        self._usable = usable
        self._interval_s = interval_s
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """This process created or deleted a session: count soon."""
        self._changed.set()

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            self._changed.clear()
            began = perf_counter()
            await self.look()
            took_s = perf_counter() - began
            await asyncio.sleep(max(PAUSE_S, SHARE * took_s))
            wait_s = self._interval_s if self.is_current else RETRY_S
            try:
                async with asyncio.timeout(max(0.0, wait_s - PAUSE_S)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Count once."""
        if not self._usable():
            self.is_current = False
            return
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self.latest = await self._count()
            self.is_current = True
        except (StoreUnavailableError, TimeoutError):
            self.is_current = False
