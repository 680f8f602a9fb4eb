"""Computations in threads end when nobody waits for them, and within their budget."""

import asyncio
import threading
import time

import pytest

from kato_service.domain.deadline import Deadline
from kato_service.errors import DeadlineExceededError, MatchingBudgetError
from kato_service.processing.matching_threads import MatchingThreads
from kato_service.search.pace import Pace


class Spinning:
    """Looks at its pace until that ends it."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()

    def __call__(self, pace: Pace) -> None:
        self.began.set()
        try:
            while True:
                pace.look()
                time.sleep(0.001)
        finally:
            self.ended.set()


@pytest.fixture(params=["run", "run_to_its_end"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_used_up_budget_is_no_reason_to_repeat(how: str) -> None:
    threads, work = MatchingThreads(budget_s=0.05), Spinning()
    with pytest.raises(MatchingBudgetError, match=r"fewer symbols.*recall_threshold") as refused:
        await getattr(threads, how)("a", work, Deadline.after(30))
    assert (refused.value.status_code, refused.value.retryable) == (504, False)
    assert work.ended.is_set()


async def test_a_deadline_ends_the_work_too_and_may_be_repeated(how: str) -> None:
    threads, work = MatchingThreads(), Spinning()
    with pytest.raises(DeadlineExceededError, match="retry") as refused:
        await getattr(threads, how)("a", work, Deadline.after(0.05))
    assert refused.value.retryable
    assert await asyncio.to_thread(work.ended.wait, 10)


async def test_a_request_that_is_cancelled_ends_its_work(how: str) -> None:
    threads, work = MatchingThreads(), Spinning()
    request = asyncio.create_task(getattr(threads, how)("a", work, Deadline.after(30)))
    await asyncio.to_thread(work.began.wait, 10)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert await asyncio.to_thread(work.ended.wait, 10)


async def test_what_reads_things_that_must_not_change_has_ended_when_it_is_given_up() -> None:
    threads, work = MatchingThreads(), Spinning()
    with pytest.raises(DeadlineExceededError):
        await threads.run_to_its_end("a", work, Deadline.after(0.05))
    assert work.ended.is_set()


async def test_what_waits_for_its_turn_is_given_up_at_its_deadline(how: str) -> None:
    threads, work, never = MatchingThreads(processors=1), Spinning(), Spinning()
    running = asyncio.create_task(threads.run("a", work, Deadline.after(30)))
    await asyncio.to_thread(work.began.wait, 10)
    with pytest.raises(DeadlineExceededError):
        await getattr(threads, how)("a", never, Deadline.after(0.05))
    assert not never.began.is_set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await threads.run("a", lambda _pace: "next", Deadline.after(30)) == "next"


async def test_a_short_question_is_answered_while_long_ones_of_others_are_held_up() -> None:
    threads = MatchingThreads(processors=1)
    long = [Spinning() for _ in range(20)]
    requests = [
        asyncio.create_task(threads.run(f"user {number % 4}", work, Deadline.after(30)))
        for number, work in enumerate(long)
    ]
    await asyncio.to_thread(long[0].began.wait, 10)
    for _ in range(50):
        assert await threads.run("polite", lambda _pace: "short", Deadline.after(10)) == "short"
    assert not any(request.done() for request in requests)
    threads.close()
    await asyncio.gather(*requests, return_exceptions=True)
    for work in long:
        assert not work.began.is_set() or work.ended.wait(10)


async def test_an_error_of_the_work_is_that_of_its_request(how: str) -> None:
    def fails(_pace: Pace) -> None:
        raise MemoryError

    threads = MatchingThreads()
    with pytest.raises(MemoryError):
        await getattr(threads, how)("a", fails, Deadline.after(30))
