"""Threads for long computations, above all matching, so that nothing else ever waits for one."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore
from typing import TypeVar

from kato_service.domain.deadline import Deadline
from kato_service.errors import DeadlineExceededError, OverloadedError

T = TypeVar("T")
SPARE_THREADS = 2
"""Threads beyond one per core, so that a long computation leaves room for short ones."""
WAITING_PER_THREAD = 256
"""Computations that may wait for each thread; more would only miss their deadlines."""


class MatchingThreads:
    """A bounded thread pool; what finds no place in its queue is refused at once."""

    def __init__(
        self, threads: int | None = None, *, waiting_per_thread: int = WAITING_PER_THREAD
    ) -> None:
        """*threads*: by default one per core and `SPARE_THREADS` more."""
        count = threads or (os.cpu_count() or 1) + SPARE_THREADS
        self.capacity = count * (1 + waiting_per_thread)
        """Computations that may run or wait at once."""
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="matching")
        self._places = Semaphore(self.capacity)

    async def run(self, compute: Callable[[], T], deadline: Deadline) -> T:
        """What *compute* returns; the thread may finish it after this call gave up.

        Raises:
            DeadlineExceededError: Not done before *deadline*, or *compute* raised TimeoutError.
            OverloadedError: Too many computations wait for a thread.
        """
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                return await asyncio.wrap_future(self._submitted(compute))
        except TimeoutError as exc:
            raise _too_late() from exc

    async def run_to_its_end(self, compute: Callable[[], T]) -> T:
        """What *compute* returns, for one that reads what must not change under it.

        A cancelled call waits for the thread too, and is cancelled only then: its caller holds a
        lock that protects what *compute* reads.

        Raises:
            DeadlineExceededError: *compute* raised TimeoutError.
            OverloadedError: Too many computations wait for a thread.
        """
        work = asyncio.wrap_future(self._submitted(compute))
        cancelled: asyncio.CancelledError | None = None
        while not work.done():
            try:
                await asyncio.wait((work,))
            except asyncio.CancelledError as exc:
                cancelled = exc
        if cancelled is not None:
            raise cancelled
        try:
            return work.result()
        except TimeoutError as exc:
            raise _too_late() from exc

    def close(self) -> None:
        """Start nothing more; computations that run are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _submitted(self, compute: Callable[[], T]) -> Future[T]:
        if not self._places.acquire(blocking=False):
            raise OverloadedError("matching", "too many predictions wait for a thread; retry later")
        work = self._threads.submit(compute)
        work.add_done_callback(lambda _: self._places.release())
        return work


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError(
        "matching did not finish before the deadline; predict from a shorter short-term memory"
    )
