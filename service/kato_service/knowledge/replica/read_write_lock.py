"""Readers share, one change excludes them all; everyone enters in order of arrival."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ReadWriteLock:
    def __init__(self) -> None:
        self._readers = 0
        self._changing = False
        self._queue: deque[tuple[asyncio.Future[None], bool]] = deque()
        """Who waits, and whether to change."""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Nothing changes meanwhile. Not to be entered twice by one task: a change that waits
        in between keeps the second one out."""
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
                return
            self._queue.popleft()
            self._admit(change=change)
            place.set_result(None)
