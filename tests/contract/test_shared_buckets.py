"""Token buckets in Redis decide as those of one process do, for all replicas together."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from kato_service.access.rate_limits import LocalBuckets, Rate
from kato_service.access.shared_buckets import PATIENCE_S, PAUSE_S, RedisBuckets
from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_client import RedisClient, RedisOptions
from support.servers import RunningServer

NewBuckets = Callable[..., RedisBuckets]


@pytest.fixture
async def new_buckets() -> AsyncIterator[NewBuckets]:
    clients: list[RedisClient] = []

    def make(url: str, instance: str = "buckets") -> RedisBuckets:
        clients.append(RedisClient(RedisOptions(url, socket_timeout_s=5)))
        return RedisBuckets(clients[-1], instance, Circuit("redis"))

    yield make
    for client in clients:
        await client.close()


async def test_replicas_take_from_the_same_bucket(redis_url: str, new_buckets: NewBuckets) -> None:
    one, other = new_buckets(redis_url), new_buckets(redis_url)
    bucket, rate = uuid4().hex, Rate(per_s=0.01, burst=10)
    taken = await asyncio.gather(*(each.take(bucket, rate) for each in (one, other) * 10))
    assert [decision.allowed for decision in taken if decision].count(True) == 10
    assert None not in taken


@pytest.mark.parametrize(("per_s", "burst"), [(0.5, 3), (3.0, 1), (1000.0, 2000), (0.001, 5)])
async def test_a_bucket_in_redis_decides_as_one_in_a_process(
    redis_url: str, new_buckets: NewBuckets, per_s: float, burst: int
) -> None:
    shared, local, bucket = new_buckets(redis_url), LocalBuckets(), uuid4().hex
    rate = Rate(per_s, burst)
    for _ in range(min(burst, 10) + 1):
        in_redis, here = await shared.take(bucket, rate), local.take(bucket, rate)
        assert in_redis is not None
        assert in_redis.allowed == here.allowed
        assert in_redis.wait_s == pytest.approx(here.wait_s, abs=0.3)
        assert in_redis.full_in_s == pytest.approx(here.full_in_s, abs=0.3)


async def test_a_token_is_there_after_the_time_that_was_told(
    redis_url: str, new_buckets: NewBuckets
) -> None:
    shared, bucket, rate = new_buckets(redis_url), uuid4().hex, Rate(per_s=4.0, burst=1)
    first = await shared.take(bucket, rate)
    second = await shared.take(bucket, rate)
    assert first is not None
    assert second is not None
    assert (first.allowed, second.allowed) == (True, False)
    await asyncio.sleep(second.wait_s)
    third = await shared.take(bucket, rate)
    assert third is not None
    assert third.allowed


async def test_a_bucket_that_is_full_again_leaves_nothing_behind(
    redis_url: str, new_buckets: NewBuckets
) -> None:
    instance, secret = uuid4().hex, "203.0.113.9"
    shared = new_buckets(redis_url, instance)
    await shared.take(secret, Rate(per_s=20.0, burst=2))
    (key,) = await shared._client.call("KEYS", f"kato:{instance}:*")
    assert secret.encode() not in key
    await asyncio.sleep(0.2)
    assert await shared._client.call("KEYS", f"kato:{instance}:*") == []


async def test_a_clock_that_was_set_back_locks_nobody_out(
    redis_url: str, new_buckets: NewBuckets
) -> None:
    instance, rate = uuid4().hex, Rate(per_s=1.0, burst=1)
    shared = new_buckets(redis_url, instance)
    await shared.take("a", rate)
    (key,) = await shared._client.call("KEYS", f"kato:{instance}:*")
    await shared._client.call("SET", key, int((time.time() + 3600) * 1e6), "PX", 60_000)
    decision = await shared.take("a", rate)
    assert decision is not None
    assert decision.allowed


async def test_a_frozen_redis_holds_nobody_up(
    redis_server: RunningServer, new_buckets: NewBuckets
) -> None:
    shared, rate = new_buckets(redis_server.url), Rate(per_s=100.0, burst=100)
    assert await shared.take("a", rate) is not None
    redis_server.freeze()
    began = time.monotonic()
    assert await asyncio.gather(*(shared.take("a", rate) for _ in range(20))) == [None] * 20
    for _ in range(100):
        assert await shared.take("a", rate) is None
    assert time.monotonic() - began < PATIENCE_S + 0.5
    redis_server.thaw()
    await asyncio.sleep(PAUSE_S)
    assert await shared.take("a", rate) is not None


async def test_a_redis_that_was_restarted_learns_the_script_again(
    redis_server: RunningServer, new_buckets: NewBuckets
) -> None:
    shared, rate = new_buckets(redis_server.url), Rate(per_s=100.0, burst=100)
    assert await shared.take("a", rate) is not None
    redis_server.kill9()
    assert await shared.take("a", rate) is None
    redis_server.start()
    await asyncio.sleep(PAUSE_S)
    assert await shared.take("a", rate) is not None


async def test_an_open_circuit_is_not_asked(redis_url: str) -> None:
    client = RedisClient(RedisOptions(redis_url))
    circuit = Circuit("redis", opens_after=1)
    circuit.failed(0.0)
    assert await RedisBuckets(client, "buckets", circuit).take("a", Rate(1.0, 1)) is None
    await client.close()
