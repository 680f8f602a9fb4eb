"""One look-up for all who asked before it started."""

import asyncio
from collections.abc import Awaitable, Callable


class SharedLookup:
    """Who asks while one runs waits for the next: that one starts after the question."""

    def __init__(self, look_up: Callable[[], Awaitable[None]]) -> None:
        self._look_up = look_up
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def ask(self) -> None:
        """Returns when a look-up that started after this call ended; raises what it raised."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
            self._next.add_done_callback(_noted)
        await asyncio.shield(self._next)

    async def close(self) -> None:
        tasks = [task for task in (self._running, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        self._running, self._next = self._next, None
        await self._look_up()


def _noted(task: asyncio.Task[None]) -> None:
    """Takes the outcome of a look-up whose askers have all gone."""
    if not task.cancelled():
        task.exception()
