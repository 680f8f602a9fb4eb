"""Threads of their own for what computes long: nothing else ever waits behind it."""

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
"""Beyond one a core, so that a long computation leaves room for short ones."""


WAITING_PER_THREAD = 256


class MatchingThreads:
    def __init__(self) -> None:
        count = (os.cpu_count() or 1) + SPARE_THREADS
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="matching")
        self._places = Semaphore(count * (1 + WAITING_PER_THREAD))

    async def run(self, compute: Callable[[], T], deadline: Deadline) -> T:
        """What *compute* gives; it may go on in its thread when this gave up.

        Raises:
            DeadlineExceededError: Not done before *deadline*, or *compute* raised TimeoutError.
            OverloadedError: Too much waits for a thread.
        """
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                return await asyncio.wrap_future(self._submitted(compute))
        except TimeoutError as exc:
            raise _too_late() from exc

    async def run_to_its_end(self, compute: Callable[[], T]) -> T:
        """The same for what reads things that must not change: a cancelled wait goes on too."""
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
        """Nothing new runs; what runs is waited for by nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _submitted(self, compute: Callable[[], T]) -> Future[T]:
        if not self._places.acquire(blocking=False):
            raise OverloadedError("matching", "too many predictions wait: repeat later")
        work = self._threads.submit(compute)
        work.add_done_callback(lambda _: self._places.release())
        return work


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError("matching was not done in time: predict from fewer symbols")
