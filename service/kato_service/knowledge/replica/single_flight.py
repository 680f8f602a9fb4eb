"""Single flight: one look-up answers everybody who asked before it started."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class SingleFlight:
    """Callers that ask while a look-up is running wait for the next one, which starts after they
    asked: joining the running one might miss what was acknowledged in between."""

    def __init__(
        self,
        look_up: Callable[[], Awaitable[None]],
        *,
        on_done: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*on_done* is called whenever a look-up is over, however it ended."""
        self.fresh_at = clock()
        """When the last look-up that succeeded was started."""
        self._look_up = look_up
        self._on_done = on_done
        self._clock = clock
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return any(not task.done() for task in self._tasks())

    async def ask(self) -> None:
        """Return when a look-up that started after this call has ended; raise what it raised."""
        # A caller that is cancelled must not cancel what others wait for.
        await asyncio.shield(self.begin())

    def begin(self) -> asyncio.Task[None]:
        """The look-up that starts next; what it raises needs nobody to wait for it."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
            self._next.add_done_callback(self._ended)
        return self._next

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
        # Without this, asyncio warns of an exception that nobody retrieved if all callers are gone.
        if not task.cancelled():
            task.exception()
        self._on_done()
