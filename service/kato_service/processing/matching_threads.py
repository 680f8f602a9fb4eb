"""Threads for long computations, above all matching, which users share fairly.

Nothing else ever waits for such a computation, and no user waits long for those of another.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from typing import Any, Generic, TypeVar

from kato_service.domain.deadline import Deadline
from kato_service.errors import DeadlineExceededError, MatchingBudgetError
from kato_service.processing.cores import usable_cores
from kato_service.processing.fair_queue import SLICE_S, WAITING_PER_USER, FairQueue, Turn
from kato_service.search.pace import Pace

T = TypeVar("T")
THREADS = 64
"""Computations that may have begun; beyond the processors all are held up, which costs little."""


class MatchingThreads:
    def __init__(
        self,
        budget_s: float = inf,
        *,
        processors: int | None = None,
        waiting: int = WAITING_PER_USER,
    ) -> None:
        """*budget_s*: seconds that one computation may run.

        *processors*: computations that run at once; by default as many as this process may use.
        *waiting*: computations of one user that may wait to begin.
        """
        processors = processors or usable_cores()
        self.capacity = processors + waiting
        """Computations of one user that may run or wait at once."""
        self._budget_s = budget_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="matching")
        self._queue = FairQueue(processors=processors, threads=THREADS, waiting=waiting)
        self._work: dict[_Work[Any], Turn] = {}
        self._rotation: asyncio.TimerHandle | None = None

    def require_place(self, user: str) -> None:
        """Refuse early what `run` would refuse: preparing a computation takes its time, too.

        Raises:
            OverloadedError: Too many computations of *user* wait.
        """
        self._queue.require_place(user)

    async def run(self, user: str, compute: Callable[[Pace], T], deadline: Deadline) -> T:
        """What *compute* returns. If this call is given up, it ends at its next look at its pace.

        Raises:
            MatchingBudgetError: It took longer than its budget.
            DeadlineExceededError: *deadline* passed first.
            OverloadedError: Too many computations of *user* wait.
        """
        work = self._joined(user, compute)
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                return await work.outcome
        except TimeoutError as exc:
            raise _too_late() from exc
        finally:
            self._give_up(work)

    async def run_to_its_end(
        self, user: str, compute: Callable[[Pace], T], deadline: Deadline
    ) -> T:
        """What *compute* returns, for one that reads what must not change under it.

        However this call ends, it waits for the thread first: its caller holds a lock that protects
        what *compute* reads.

        Raises:
            MatchingBudgetError, DeadlineExceededError, OverloadedError: As for `run`.
        """
        work = self._joined(user, compute)
        try:
            await asyncio.wait((work.outcome,), timeout=deadline.remaining_s())
        finally:
            self._give_up(work)
            await _ended(work.outcome)
        if work.outcome.cancelled():
            raise _too_late()
        return work.outcome.result()

    def close(self) -> None:
        """Start nothing more; computations that run are told to end, but not waited for."""
        for work in tuple(self._work):
            self._give_up(work)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _joined(self, user: str, compute: Callable[[Pace], T]) -> "_Work[T]":
        work = _Work(compute, self._budget_s)
        self._work[work] = self._queue.join(user, lambda: self._start(work), work.pace)
        if self._rotation is None:
            self._rotate()
        return work

    def _start(self, work: "_Work[Any]") -> None:
        work.has_begun = True
        thread = self._threads.submit(work.run)
        thread.add_done_callback(lambda thread: work.tell(self._ended, thread))

    def _ended(self, work: "_Work[Any]", thread: "Future[Any]") -> None:
        self._queue.leave(self._work.pop(work))
        work.end(thread)

    def _give_up(self, work: "_Work[Any]") -> None:
        """Nobody needs its outcome any longer, if there is none yet."""
        if work not in self._work:
            return
        work.give_up()
        if not work.has_begun:
            self._queue.leave(self._work.pop(work))

    def _rotate(self) -> None:
        self._rotation = None
        if self._queue.is_contended:
            self._queue.rotate()
            self._rotation = asyncio.get_running_loop().call_later(SLICE_S, self._rotate)


class _Work(Generic[T]):
    """A computation and its outcome."""

    def __init__(self, compute: Callable[[Pace], T], budget_s: float) -> None:
        self.pace = Pace(budget_s)
        self.has_begun = False
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[T] = self._loop.create_future()
        """Cancelled if the computation was given up."""
        self._compute = compute
        self._budget_s = budget_s
        self._is_given_up = False

    def run(self) -> T:
        """In a thread."""
        self.pace.begin()
        return self._compute(self.pace)

    def tell(self, whom: "Callable[[_Work[T], Future[T]], None]", thread: Future[T]) -> None:
        """Pass *thread*, which has ended, to *whom* on the event loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(whom, self, thread)

    def give_up(self) -> None:
        self._is_given_up = True
        if self.has_begun:
            self.pace.stop()
        else:
            self.outcome.cancel()

    def end(self, thread: Future[T]) -> None:
        """Settle the outcome when its thread has ended."""
        if self._is_given_up or thread.cancelled():
            self.outcome.cancel()
        elif self.outcome.done():
            return
        elif isinstance(thread.exception(), TimeoutError):
            self.outcome.set_exception(_used_up(self._budget_s))
        elif error := thread.exception():
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(thread.result())


async def _ended(outcome: asyncio.Future[Any]) -> None:
    """Wait for *outcome* even if this call is cancelled; then it is cancelled only afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not outcome.done():
        try:
            await asyncio.wait((outcome,))
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is not None:
        raise cancelled


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError(
        "matching did not finish before the deadline, because others were served too; retry"
    )


def _used_up(budget_s: float) -> MatchingBudgetError:
    return MatchingBudgetError(
        f"matching took longer than the {budget_s:g} seconds of MATCHING_BUDGET_S, and would again;"
        " predict from fewer symbols, raise recall_threshold, lower max_predictions,"
        " or learn shorter patterns"
    )
