"""The work queue: which key is handed out when, and how long a failed one waits."""

import asyncio
from dataclasses import replace

import pytest

from kato_operator.backoff import Backoff
from kato_operator.manifests import Key
from kato_operator.queue import RETRIES, WorkQueue

A = Key("default", "a")
B = Key("default", "b")


class StandingClock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def queue(clock: StandingClock) -> WorkQueue:
    return WorkQueue(clock=clock, backoff=backoff(jitter=1.0))


def backoff(jitter: float) -> Backoff:
    """The back-off that the operator uses, with a jitter that is always the same."""
    return replace(RETRIES, jitter=lambda: jitter)


def test_a_key_added_twice_is_handed_out_once(queue: WorkQueue) -> None:
    queue.add(A)
    queue.add(A)
    assert [queue.take(), queue.take()] == [A, None]


def test_the_key_that_waited_longest_comes_first(queue: WorkQueue) -> None:
    queue.add(B)
    queue.add(A)
    queue.add(B)
    assert [queue.take(), queue.take()] == [B, A]


def test_a_key_is_never_handed_out_while_a_worker_has_it(queue: WorkQueue) -> None:
    queue.add(A)
    queue.take()
    queue.add(A)
    assert queue.take() is None
    queue.done(A)
    assert queue.take() == A


def test_a_finished_key_is_not_handed_out_again(queue: WorkQueue) -> None:
    queue.add(A)
    queue.take()
    queue.done(A)
    assert queue.take() is None


def test_a_delayed_key_is_handed_out_after_its_delay(
    queue: WorkQueue, clock: StandingClock
) -> None:
    queue.add_after(A, 5)
    clock.now += 4.9
    assert queue.take() is None
    clock.now += 0.2
    assert queue.take() == A


def test_only_the_earliest_of_several_delays_counts(queue: WorkQueue, clock: StandingClock) -> None:
    queue.add_after(A, 60)
    queue.add_after(A, 5)
    queue.add_after(A, 30)
    clock.now += 5
    assert queue.take() == A
    queue.done(A)
    clock.now += 100
    assert queue.take() is None


def test_a_change_does_not_wait_for_the_delay(queue: WorkQueue) -> None:
    queue.add_after(A, 60)
    queue.add(A)
    assert queue.take() == A


def test_failures_double_the_delay_up_to_five_minutes(
    queue: WorkQueue, clock: StandingClock
) -> None:
    delays = []
    for _ in range(11):
        delays.append(queue.retry(A))
        clock.now += 301
        queue.take()
        queue.done(A)
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_success_forgets_the_failures(queue: WorkQueue) -> None:
    queue.retry(A)
    queue.retry(A)
    queue.succeeded(A)
    assert queue.retry(A) == 1


def test_the_delay_starts_over_after_a_pass_that_did_a_part_of_its_work(queue: WorkQueue) -> None:
    for _ in range(5):
        queue.retry(A)
    assert queue.retry(A, has_progressed=True) == 1.0
    assert queue.retry(A) == 2.0


def test_the_delay_that_the_server_asks_for_wins_over_a_shorter_one(queue: WorkQueue) -> None:
    assert queue.retry(A, at_least_s=20) == 20


def test_jitter_takes_at_most_half_of_the_delay(clock: StandingClock) -> None:
    assert WorkQueue(clock=clock, backoff=backoff(jitter=0.0)).retry(A) == 0.5


def test_waiting_time_counts_from_the_first_time_a_key_was_added(
    queue: WorkQueue, clock: StandingClock
) -> None:
    queue.add(A)
    clock.now += 7
    queue.add(A)
    assert (queue.oldest_wait_s, queue.depth) == (7, 1)


async def test_a_waiting_worker_gets_a_key_as_soon_as_it_is_added() -> None:
    queue = WorkQueue(clock=asyncio.get_running_loop().time)
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(A)
    assert await asyncio.wait_for(worker, 60) == A


async def test_a_waiting_worker_gets_a_delayed_key() -> None:
    queue = WorkQueue(clock=asyncio.get_running_loop().time)
    queue.add_after(A, 0.05)
    assert await asyncio.wait_for(queue.get(), 60) == A


async def test_two_workers_wake_for_two_keys() -> None:
    queue = WorkQueue(clock=asyncio.get_running_loop().time)
    workers = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add(A)
    queue.add(B)
    assert set(await asyncio.wait_for(asyncio.gather(*workers), 60)) == {A, B}
