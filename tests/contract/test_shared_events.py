"""Events reach those who follow on other replicas, through one Redis or a cluster."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest
from session_stores import ON_A_CLUSTER

from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_client import RedisClient, RedisOptions
from kato_service.monitoring.feed import MAX_WAITING, Event, EventFeed, Follower
from kato_service.monitoring.shared_events import BEFORE_S, MAX_KEPT, RedisEvents


class Replica:
    def __init__(self, client: RedisClient, instance: str) -> None:
        self.now = 100.0
        self.feed = EventFeed()
        self.events = RedisEvents(client, instance, Circuit("redis"), self.feed, lambda: self.now)
        self.feed.elsewhere = self.events

    def happened(self, *numbers: int) -> None:
        for number in numbers:
            self.events.publish(Event("session.created", "kb", f"s{number}", more={"user_id": "a"}))


@pytest.fixture(params=["redis", ON_A_CLUSTER])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[RedisClient]:
    clustered = request.param == "redis cluster"
    url = request.getfixturevalue("redis_cluster").url if clustered else None
    options = RedisOptions(url or request.getfixturevalue("redis_url"), socket_timeout_s=30)
    client = RedisClient(options)
    yield client
    await client.close()


@pytest.fixture
def new_replica(client: RedisClient) -> Callable[[], Replica]:
    instance = uuid4().hex
    return lambda: Replica(client, instance)


async def received(follower: Follower, count: int) -> list[str]:
    async with asyncio.timeout(60):
        return [(await follower.next()).session_id for _ in range(count)]


def everything(_event: Event) -> bool:
    return True


async def test_events_of_all_replicas_arrive_once_and_in_order(
    new_replica: Callable[[], Replica],
) -> None:
    one, two, three = (new_replica() for _ in range(3))
    with one.feed.follower(everything) as here, two.feed.follower(everything) as there:
        for replica in (one, two, three):
            await replica.events.look()
        one.happened(1, 2)
        three.happened(3, 4)
        for replica in (three, one, two, one):
            await replica.events.look()
        assert await received(here, 2) == ["s3", "s4"]
        assert sorted(await received(there, 4)) == ["s1", "s2", "s3", "s4"]
        for replica in (one, two, three):
            await replica.events.look()
        two.feed.deliver(Event("session.created", "kb", "last"))
        assert await received(there, 1) == ["last"]


async def test_nothing_is_written_while_nobody_follows(
    new_replica: Callable[[], Replica], client: RedisClient
) -> None:
    one = new_replica()
    one.happened(1)
    await one.events.look()
    assert not await client.call("EXISTS", one.events.stream)
    one.now += BEFORE_S + 1
    await one.events.look()
    with new_replica().feed.follower(everything):
        await one.events.look()
    assert not await client.call("EXISTS", one.events.stream)


async def test_what_happened_just_before_a_replica_knew_of_a_follower_is_sent_late(
    new_replica: Callable[[], Replica],
) -> None:
    one, two = new_replica(), new_replica()
    one.happened(1)
    one.now += BEFORE_S + 1
    one.happened(2)
    await one.events.look()
    with two.feed.follower(everything) as follower:
        await two.events.look()
        one.happened(3)
        await one.events.look()
        await two.events.look()
        assert await received(follower, 2) == ["s2", "s3"]


async def test_events_of_before_are_not_shown_to_a_follower_that_came_later(
    new_replica: Callable[[], Replica],
) -> None:
    one, two = new_replica(), new_replica()
    with two.feed.follower(everything):
        await two.events.look()
        one.happened(1)
        await one.events.look()
    await two.events.look()
    with two.feed.follower(everything) as later:
        await two.events.look()
        one.happened(2)
        await one.events.look()
        await two.events.look()
        assert await received(later, 1) == ["s2"]


async def test_a_flood_is_bounded_everywhere(new_replica: Callable[[], Replica]) -> None:
    one, two = new_replica(), new_replica()
    with two.feed.follower(everything) as follower:
        await two.events.look()
        one.happened(*range(3 * MAX_KEPT))
        await one.events.look()
        await two.events.look()
        assert follower.missed
        waiting = (MAX_KEPT - follower.missed) % MAX_WAITING or MAX_WAITING
        assert (await received(follower, waiting))[-1] == f"s{3 * MAX_KEPT - 1}"


async def test_events_of_two_instances_are_apart(
    client: RedisClient, new_replica: Callable[[], Replica]
) -> None:
    one, other = new_replica(), Replica(client, uuid4().hex)
    with one.feed.follower(everything) as follower:
        await one.events.look()
        other.happened(1)
        await other.events.look()
        await one.events.look()
        one.feed.deliver(Event("session.created", "kb", "mine"))
        assert await received(follower, 1) == ["mine"]
