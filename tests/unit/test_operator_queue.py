"""Dirty keys: who is handed out when."""

import asyncio

import pytest

from kato_operator.manifests import Key
from kato_operator.queue import DirtyKeys

A = Key("default", "a")
B = Key("default", "b")


class StandingClock:
    """Moves only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def keys(clock: StandingClock) -> DirtyKeys:
    return DirtyKeys(clock=clock, jitter=lambda: 1.0)


def test_a_key_added_twice_is_handed_out_once(keys: DirtyKeys) -> None:
    keys.add(A)
    keys.add(A)
    assert [keys.take(), keys.take()] == [A, None]


def test_the_key_that_waited_longest_comes_first(keys: DirtyKeys) -> None:
    keys.add(B)
    keys.add(A)
    keys.add(B)
    assert [keys.take(), keys.take()] == [B, A]


def test_a_key_is_never_handed_out_while_a_worker_has_it(keys: DirtyKeys) -> None:
    keys.add(A)
    keys.take()
    keys.add(A)
    assert keys.take() is None
    keys.done(A)
    assert keys.take() == A


def test_a_finished_key_stays_away(keys: DirtyKeys) -> None:
    keys.add(A)
    keys.take()
    keys.done(A)
    assert keys.take() is None


def test_a_delayed_key_comes_when_its_time_has_come(keys: DirtyKeys, clock: StandingClock) -> None:
    keys.add_after(A, 5)
    clock.now += 4.9
    assert keys.take() is None
    clock.now += 0.2
    assert keys.take() == A


def test_the_earlier_of_two_delays_counts_and_only_it(
    keys: DirtyKeys, clock: StandingClock
) -> None:
    keys.add_after(A, 60)
    keys.add_after(A, 5)
    keys.add_after(A, 30)
    clock.now += 5
    assert keys.take() == A
    keys.done(A)
    clock.now += 100
    assert keys.take() is None


def test_a_change_does_not_wait_for_the_delay(keys: DirtyKeys) -> None:
    keys.add_after(A, 60)
    keys.add(A)
    assert keys.take() == A


def test_failures_double_the_delay_up_to_five_minutes(
    keys: DirtyKeys, clock: StandingClock
) -> None:
    delays = []
    for _ in range(11):
        delays.append(keys.retry(A))
        clock.now += 301
        keys.take()
        keys.done(A)
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_success_forgets_the_failures(keys: DirtyKeys) -> None:
    keys.retry(A)
    keys.retry(A)
    keys.succeeded(A)
    assert keys.retry(A) == 1


def test_the_servers_wish_wins_over_a_shorter_delay(keys: DirtyKeys) -> None:
    assert keys.retry(A, at_least_s=20) == 20


def test_jitter_takes_at_most_half_of_the_delay(clock: StandingClock) -> None:
    assert DirtyKeys(clock=clock, jitter=lambda: 0.0).retry(A) == 0.5


def test_waiting_time_counts_from_the_first_time_a_key_was_added(
    keys: DirtyKeys, clock: StandingClock
) -> None:
    keys.add(A)
    clock.now += 7
    keys.add(A)
    assert (keys.oldest_wait_s, keys.depth) == (7, 1)


async def test_a_waiting_worker_gets_a_key_as_soon_as_it_is_added() -> None:
    keys = DirtyKeys(clock=asyncio.get_running_loop().time)
    worker = asyncio.create_task(keys.get())
    await asyncio.sleep(0)
    keys.add(A)
    assert await asyncio.wait_for(worker, 1) == A


async def test_a_waiting_worker_gets_a_delayed_key() -> None:
    keys = DirtyKeys(clock=asyncio.get_running_loop().time)
    keys.add_after(A, 0.05)
    assert await asyncio.wait_for(keys.get(), 2) == A


async def test_two_workers_wake_for_two_keys() -> None:
    keys = DirtyKeys(clock=asyncio.get_running_loop().time)
    workers = [asyncio.create_task(keys.get()) for _ in range(2)]
    await asyncio.sleep(0)
    keys.add(A)
    keys.add(B)
    assert set(await asyncio.wait_for(asyncio.gather(*workers), 1)) == {A, B}
