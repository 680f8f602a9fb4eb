"""A read-write lock: readers share it, a change excludes all others, first come first served."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ReadWriteLock:
    """Fair: readers that arrive after a waiting change wait behind it, so neither side starves."""

    def __init__(self) -> None:
        self._readers = 0
        self._changing = False
        self._queue: deque[tuple[asyncio.Future[None], bool]] = deque()
        """Those that wait, in order of arrival, and whether each of them wants to change."""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Nothing changes meanwhile. A task must not enter twice: a change that arrives in between
        would wait for the first and block the second one."""
        await self._enter(change=False)
        try:
            yield
        finally:
            self._leave(change=False)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Nobody reads meanwhile."""
        await self._enter(change=True)
        try:
            yield
        finally:
            self._leave(change=True)

    async def _enter(self, *, change: bool) -> None:
        if not self._queue and self._is_free(change=change):
            self._admit(change=change)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((place, change))
        try:
            await place
        except asyncio.CancelledError:
            # Cancelled while it waited: those behind it may be free to go. Cancelled after it was
            # admitted: it holds the lock and has to leave.
            if place.cancelled():
                self._queue.remove((place, change))
                self._admit_waiting()
            else:
                self._leave(change=change)
            raise

    def _is_free(self, *, change: bool) -> bool:
        return not self._changing and not (change and self._readers)

    def _admit(self, *, change: bool) -> None:
        self._changing = change
        self._readers += not change

    def _leave(self, *, change: bool) -> None:
        self._changing = False
        self._readers -= not change
        self._admit_waiting()

    def _admit_waiting(self) -> None:
        while self._queue and self._is_free(change=self._queue[0][1]):
            place, change = self._queue[0]
            if place.cancelled():
                return  # it takes itself out of the queue, and calls this again
            self._queue.popleft()
            self._admit(change=change)
            place.set_result(None)
