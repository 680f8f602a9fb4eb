"""The cache of children and its informers: late reports must not restore deleted objects."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from kato_operator import names
from kato_operator.backoff import Backoff
from kato_operator.cluster.cache import Cache, Informer
from kato_operator.cluster.kube import Kube, Listing, WatchEvent
from kato_operator.errors import ExpiredError, MissingError, TransientError
from kato_operator.kinds import CHILDREN, POD
from kato_operator.manifests import Key

KEY = Key("default", "prod")


def config(version: int) -> dict[str, Any]:
    labels = {names.MANAGED_BY_LABEL: names.MANAGED_BY, names.INSTANCE_LABEL: KEY.name}
    place = {"namespace": KEY.namespace, "name": "prod-config"}
    return {
        "kind": "ConfigMap",
        "metadata": {**place, "labels": labels, "resourceVersion": str(version)},
    }


@pytest.fixture
def cache() -> Cache:
    return Cache(changed=lambda _: None)


def test_a_list_that_arrives_after_the_deletion_restores_nothing(cache: Cache) -> None:
    cache.put(config(5))
    cache.remove(config(9))
    cache.replace("ConfigMap", Listing((config(5),), "7"))
    assert cache.of_instance(KEY) == ()


def test_an_answer_that_arrives_after_the_deletion_restores_nothing(cache: Cache) -> None:
    cache.put(config(5))
    cache.remove(config(9))
    cache.put(config(8))
    assert cache.of_instance(KEY) == ()


def test_a_namesake_created_after_the_deletion_is_kept(cache: Cache) -> None:
    cache.remove(config(9))
    cache.put(config(10))
    assert cache.of_instance(KEY) == (config(10),)


def test_a_list_clears_the_record_of_earlier_deletions(cache: Cache) -> None:
    cache.remove(config(9))
    cache.replace("ConfigMap", Listing((), "9"))
    assert cache._gone == {"ConfigMap": {}}


class Hasty:
    """An API server whose watches all end at once, with *error* if there is one."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.watches = 0

    async def list(self, *_: object, **__: str) -> Listing:
        return Listing((), "1")

    async def watch(self, *_: object, **__: str) -> AsyncIterator[WatchEvent]:
        self.watches += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return
        yield


@pytest.mark.parametrize(
    "error",
    [pytest.param(None, id="ended"), pytest.param(ExpiredError("too old"), id="expired")],
)
async def test_watches_that_end_at_once_are_not_restarted_in_a_hot_loop(
    cache: Cache, error: Exception | None
) -> None:
    server = Hasty(error)
    informer = Informer(cast(Kube, server), POD, cache, namespace="")
    running = asyncio.create_task(informer.run())
    async with asyncio.timeout(60):
        while not server.watches:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    running.cancel()
    assert server.watches == 1


class Failing:
    """An API server that answers no list; it notes when it was asked."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []
        self.was_asked_thrice = asyncio.Event()

    async def list(self, *_: object, **__: str) -> Listing:
        self.asked_at.append(asyncio.get_running_loop().time())
        if len(self.asked_at) == 3:
            self.was_asked_thrice.set()
        raise TransientError("the API server cannot be reached")


async def test_lists_that_fail_are_repeated_after_a_growing_delay(cache: Cache) -> None:
    server = Failing()
    reconnects = Backoff(first_s=0.05, longest_s=1.0, jitter=lambda: 1.0)
    informer = Informer(cast(Kube, server), POD, cache, namespace="", reconnects=reconnects)
    running = asyncio.create_task(informer.run())
    await asyncio.wait_for(server.was_asked_thrice.wait(), 10)
    running.cancel()
    first, second, third = server.asked_at[:3]
    assert second - first >= 0.05
    assert third - second >= 0.1


class Coming:
    """An API server that serves a kind only while *is_served*."""

    def __init__(self) -> None:
        self.is_served = False

    async def list(self, *_: object, **__: str) -> Listing:
        if not self.is_served:
            raise MissingError("the server could not find the requested resource", status=404)
        return Listing((), "1")

    async def watch(self, *_: object, **__: str) -> AsyncIterator[WatchEvent]:
        while self.is_served:
            await asyncio.sleep(0)
        raise MissingError("the server could not find the requested resource", status=404)
        yield


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_kind_that_comes_is_reported_once_and_one_that_goes_leaves_the_cache() -> None:
    appeared: list[None] = []
    changed: list[Key] = []
    cache = Cache(changed=changed.append, appeared=lambda: appeared.append(None))
    server, kind = Coming(), CHILDREN["ServiceMonitor"]
    informer = Informer(cast(Kube, server), kind, cache, namespace="", unserved_s=0)
    task = asyncio.create_task(informer.run())
    await asyncio.wait_for(informer.synced.wait(), 5)
    assert (informer.is_served, len(appeared)) == (False, 0)
    for round_number in (1, 2):
        server.is_served = True
        await turns()
        assert (informer.is_served, len(appeared)) == (True, round_number)
        cache.put({**config(9 + round_number), "kind": "ServiceMonitor"})
        changed.clear()
        server.is_served = False
        await turns()
        assert (informer.is_served, cache.of_instance(KEY), changed) == (False, (), [KEY])
    task.cancel()


async def test_a_kind_of_kubernetes_that_seems_missing_is_an_outage_and_loses_no_object() -> None:
    cache, server = Cache(changed=lambda _: None), Coming()
    never = Backoff(first_s=0, longest_s=0)
    informer = Informer(
        cast(Kube, server), CHILDREN["ConfigMap"], cache, namespace="", reconnects=never
    )
    cache.put(config(5))
    task = asyncio.create_task(informer.run())
    await turns()
    assert (informer.is_served, informer.synced.is_set()) == (True, False)
    assert cache.of_instance(KEY) == (config(5),)
    task.cancel()
