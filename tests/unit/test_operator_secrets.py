"""Secrets that specs refer to: each is read once per version, whatever overtakes what."""

import asyncio
from typing import Any, cast

import pytest

from kato_operator.cluster.kube import Kube, Listing
from kato_operator.cluster.secrets import ReferredSecrets
from kato_operator.manifests import Key

KEY, OTHER = Key("default", "prod"), Key("default", "other")


class Server:
    """An API server with Secrets in one namespace; a test may stop it before it answers."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.version = 0
        self.reads = 0
        self.answers = asyncio.Event()
        self.answers.set()

    def write(self, name: str, value: str) -> dict[str, Any]:
        self.version += 1
        meta = {"namespace": "default", "name": name, "resourceVersion": str(self.version)}
        self.secrets[name] = {"metadata": meta, "data": {"url": value}}
        return {"metadata": meta}

    def delete(self, name: str) -> dict[str, Any]:
        self.version += 1
        meta = self.secrets.pop(name)["metadata"]
        return {"metadata": {**meta, "resourceVersion": str(self.version)}}

    def listing(self) -> Listing:
        items = tuple({"metadata": item["metadata"]} for item in self.secrets.values())
        return Listing(items, str(self.version))

    async def get(self, _: object, namespace: str, name: str) -> dict[str, Any] | None:
        assert namespace == "default"
        self.reads += 1
        found = self.secrets.get(name)
        await self.answers.wait()
        return found


class World:
    def __init__(self) -> None:
        self.server = Server()
        self.is_current = True
        self.changed: list[Key] = []
        self.secrets = ReferredSecrets(
            cast(Kube, self.server),
            changed=self.changed.append,
            is_current=lambda: self.is_current,
        )

    async def value(self, key: Key = KEY, name: str = "stores") -> str | None:
        found = await self.secrets.read(key, name)
        return None if found is None else found["url"]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_secret_is_read_once_until_a_report_says_that_it_changed(world: World) -> None:
    world.server.write("stores", "one")
    assert [await world.value() for _ in range(3)] == ["one"] * 3
    assert world.server.reads == 1
    world.secrets.put(world.server.write("stores", "two"))
    assert world.changed == [KEY]
    assert [await world.value() for _ in range(2)] == ["two"] * 2
    assert world.server.reads == 2


async def test_every_instance_that_refers_to_a_secret_gets_a_pass(world: World) -> None:
    world.server.write("stores", "one")
    for key in (KEY, OTHER):
        await world.value(key)
    world.secrets.put(world.server.write("stores", "two"))
    assert set(world.changed) == {KEY, OTHER}


async def test_a_secret_to_which_nobody_refers_causes_nothing(world: World) -> None:
    world.secrets.put(world.server.write("unrelated", "one"))
    world.secrets.replace("Secret", world.server.listing())
    assert (world.changed, world.server.reads, world.secrets._held) == ([], 0, {})


async def test_a_secret_that_is_deleted_and_made_again_is_noticed_both_times(world: World) -> None:
    world.server.write("stores", "one")
    await world.value()
    world.secrets.remove(world.server.delete("stores"))
    assert await world.value() is None
    assert await world.value() is None
    world.secrets.put(world.server.write("stores", "two"))
    assert await world.value() == "two"
    assert (world.changed, world.server.reads) == ([KEY, KEY], 3)


async def test_a_report_that_overtakes_the_answer_counts(world: World) -> None:
    world.server.write("stores", "one")
    world.server.answers.clear()
    reading = asyncio.create_task(world.value())
    await asyncio.sleep(0)
    world.secrets.put(world.server.write("stores", "two"))
    world.server.answers.set()
    assert await reading == "one"
    assert world.changed == [KEY]
    assert await world.value() == "two"


async def test_a_report_of_what_was_read_already_causes_no_pass(world: World) -> None:
    late = world.server.write("stores", "one")
    newest = world.server.write("stores", "two")
    await world.value()
    world.secrets.put(late)
    world.secrets.put(newest)
    assert await world.value() == "two"
    assert (world.changed, world.server.reads) == ([], 1)


@pytest.mark.parametrize("change", ["edited", "deleted", "created"])
async def test_a_list_tells_what_happened_while_nobody_watched(world: World, change: str) -> None:
    if change != "created":
        world.server.write("stores", "one")
    await world.value()
    if change == "deleted":
        world.server.delete("stores")
    else:
        world.server.write("stores", "two")
    world.secrets.replace("Secret", world.server.listing())
    assert world.changed == [KEY]
    assert await world.value() == (None if change == "deleted" else "two")


async def test_a_list_without_news_causes_nothing(world: World) -> None:
    world.server.write("stores", "one")
    await world.value()
    await world.value(name="absent")
    for _ in range(2):
        world.secrets.replace("Secret", world.server.listing())
    await world.value()
    assert (world.changed, world.server.reads) == ([], 2)


async def test_without_a_watch_every_use_is_a_request(world: World) -> None:
    world.server.write("stores", "one")
    await world.value()
    world.is_current = False
    world.server.write("stores", "two")
    assert await world.value() == "two"


async def test_values_are_dropped_with_the_last_reference(world: World) -> None:
    world.server.write("stores", "one")
    await world.value(KEY)
    await world.value(OTHER)
    world.secrets.keep(KEY, ())
    assert world.secrets._held
    world.secrets.keep(OTHER, ["another"])
    assert (world.secrets._held, world.secrets._users) == ({}, {})
    world.secrets.put(world.server.write("stores", "two"))
    assert world.changed == []


@pytest.mark.parametrize("change", ["edit", "deletion"])
async def test_what_one_instance_read_while_nothing_was_watched_reaches_the_others(
    world: World, change: str
) -> None:
    world.server.write("stores", "one")
    assert (await world.value(), await world.value(OTHER)) == ("one", "one")
    world.is_current = False
    if change == "edit":
        world.server.write("stores", "two")
    else:
        world.server.delete("stores")
    new = "two" if change == "edit" else None
    assert await world.value(OTHER) == new
    world.secrets.replace("Secret", world.server.listing())
    world.is_current = True
    assert set(world.changed) >= {KEY}
    assert await world.value() == new


async def test_an_older_answer_never_replaces_a_newer_one(world: World) -> None:
    world.server.write("stores", "one")
    world.server.answers.clear()
    late = asyncio.create_task(world.value())
    await asyncio.sleep(0)  # it has got its answer, which is still on its way
    report = world.server.write("stores", "two")
    world.secrets.put(report)
    world.server.answers.set()
    assert await world.value(OTHER) == "two"
    await late
    assert await world.value() == "two"
    assert KEY in world.changed
