"""One look-up for all who asked before it started."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class SingleFlight:
    """Who asks while one runs waits for the next: that one starts after the question."""

    def __init__(
        self,
        look_up: Callable[[], Awaitable[None]],
        *,
        ended: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*ended* is told whenever a look-up is over, however it ended."""
        self.fresh_at = clock()
        """When the last look-up that succeeded started."""
        self._look_up = look_up
        self._told = ended
        self._clock = clock
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return any(not task.done() for task in self._tasks())

    async def ask(self) -> None:
        """Returns when a look-up that started after this call ended; raises what it raised."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
            self._next.add_done_callback(self._ended)
        await asyncio.shield(self._next)

    async def close(self) -> None:
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        self._running, self._next = self._next, None
        started = self._clock()
        await self._look_up()
        self.fresh_at = started

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._running, self._next) if task is not None]

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Takes the outcome of a look-up whose askers have all gone."""
        if not task.cancelled():
            task.exception()
        self._told()
