"""Token buckets of one process."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from kato_service.access.rate_limits import Decision, LocalBuckets, Rate, RateLimits


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_full_bucket_holds_a_burst_and_then_one_token_each_period() -> None:
    clock = Clock()
    buckets, rate = LocalBuckets(clock=clock), Rate(per_s=2.0, burst=3)
    assert [buckets.take("a", rate).remaining for _ in range(3)] == [2, 1, 0]
    refused = buckets.take("a", rate)
    assert not refused.allowed
    assert (refused.wait_s, refused.retry_after_s, refused.remaining) == (0.5, 1, 0)
    assert refused.full_in_whole_s == 2
    clock.now += 0.5
    assert buckets.take("a", rate).allowed
    assert not buckets.take("a", rate).allowed
    clock.now += 60
    assert [buckets.take("a", rate).allowed for _ in range(4)] == [True, True, True, False]


def test_buckets_are_apart() -> None:
    buckets, rate = LocalBuckets(clock=Clock()), Rate(per_s=1.0, burst=1)
    assert buckets.take("a", rate).allowed
    assert buckets.take("b", rate).allowed
    assert not buckets.take("a", rate).allowed


def test_refused_requests_cost_nothing() -> None:
    clock = Clock()
    buckets, rate = LocalBuckets(clock=clock), Rate(per_s=1.0, burst=1)
    buckets.take("a", rate)
    for _ in range(1000):
        assert not buckets.take("a", rate).allowed
    clock.now += 1
    assert buckets.take("a", rate).allowed


def test_the_number_of_buckets_is_bounded_and_the_one_used_least_recently_goes() -> None:
    buckets, rate = LocalBuckets(limit=10, clock=Clock()), Rate(per_s=0.001, burst=1)
    for number in range(10):
        buckets.take(str(number), rate)
    buckets.take("new", rate)
    assert len(buckets) == 10
    assert not buckets.take("1", rate).allowed
    assert buckets.take("0", rate).allowed


@given(
    per_s=st.floats(0.01, 1000),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 20), min_size=1, max_size=60),
)
def test_retry_after_is_true_and_no_more_than_the_rate_passes(
    per_s: float, burst: int, pauses: list[float]
) -> None:
    clock = Clock()
    buckets, rate = LocalBuckets(clock=clock), Rate(per_s, burst)
    began = clock.now
    for taken, pause in enumerate(pauses, 1):
        clock.now += pause
        decision = buckets.take("a", rate)
        if not decision.allowed:
            clock.now += decision.retry_after_s
            decision = buckets.take("a", rate)
            assert decision.allowed
        assert taken <= burst + (clock.now - began) * per_s + 1e-6
        assert 0 <= decision.remaining < burst


class Away:
    """Shared buckets whose store does not answer."""

    async def take(self, bucket: str, rate: Rate) -> Decision | None:
        return None


async def test_without_the_shared_store_each_process_limits_by_itself() -> None:
    limits = RateLimits(Rate(per_s=0.001, burst=2), Away())
    taken = await asyncio.gather(*(limits.take("a") for _ in range(5)))
    assert [decision.allowed for decision in taken] == [True, True, False, False, False]
