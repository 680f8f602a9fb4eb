"""Sessions on a Redis Cluster whose nodes die and whose slots move.

What holds on every store is tested on a cluster too, in the suite of the session stores.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from kato_service.connections.redis_client import RedisOptions
from kato_service.connections.redis_cluster import key_slot
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.state import Remembered, SessionState
from kato_service.sessions.store import Limits, NewSession, Saved

pytestmark = pytest.mark.xdist_group("redis cluster")

FIRST, LAST = range(16384 // 3), range(2 * 16384 // 3, 16384)
"""Slots of the first and of the last master."""


@pytest.fixture
async def store(redis_cluster: Any) -> AsyncIterator[RedisSessionStore]:
    pool = RedisConnectionPool(RedisOptions(url=redis_cluster.url, pool_size=8))
    yield RedisSessionStore(pool.client, in_slots(LAST))
    await pool.close()


def in_slots(slots: range) -> str:
    """An id whose keys are in *slots*."""
    while key_slot(found := uuid4().hex) not in slots:
        pass
    return found


async def created(store: RedisSessionStore, slots: range) -> str:
    return await created_as(store, in_slots(slots))


async def created_as(store: RedisSessionStore, session_id: str) -> str:
    given = NewSession(session_id, uuid4().hex, None, "kb", 60, {}, {})
    return (await store.create(given, Limits(100, None))).session_id


async def created_alone(store: RedisSessionStore, cluster: Any, asked: Any) -> str:
    """A session on the first master whose slot has no keys of other tests: only those of the
    session are moved, and a master gives no slot away that still has keys."""
    while True:
        session_id = in_slots(FIRST)
        slot = key_slot(session_id)
        if asked(cluster.masters[0], "CLUSTER", "COUNTKEYSINSLOT", slot) == b"0":
            return await created_as(store, session_id)


async def observed(store: RedisSessionStore, session_id: str, symbol: str) -> None:
    lock = await store.lock(session_id, uuid4().hex, rolling_forward=False)
    assert lock is not None
    after = replace(lock.state, stm=(*lock.state.stm, (symbol,)))
    assert await store.save(lock, after, None) is Saved.SAVED


async def stm(store: RedisSessionStore, session_id: str) -> list[str]:
    state = await store.load(session_id)
    assert isinstance(state, SessionState)
    return [symbol for event in state.stm for symbol in event]


async def test_a_session_is_found_while_its_slot_moves(
    redis_cluster: Any, asked: Any, store: RedisSessionStore
) -> None:
    session_id = await created_alone(store, redis_cluster, asked)
    lock = await store.lock(session_id, "me", rolling_forward=False)
    assert lock is not None
    # All of its keys exist: a script with some keys missing waits until the slot has moved.
    full = replace(
        lock.state,
        stm=(("before",),),
        pending_emotives=({"joy": 1.0},),
        remembered=(Remembered("00ff", "observe", 1, 1),),
    )
    await store.save(lock, full, None)
    with moving_slot(redis_cluster, asked, session_id) as target:
        for key in store._keys(session_id):
            asked(redis_cluster.masters[0], "MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
        await observed(store, session_id, "asked for")
    await observed(store, session_id, "moved")
    assert await stm(store, session_id) == ["before", "asked for", "moved"]


async def test_a_request_waits_while_the_keys_of_its_session_are_on_two_nodes(
    redis_cluster: Any, asked: Any, store: RedisSessionStore
) -> None:
    session_id = await created_alone(store, redis_cluster, asked)
    await observed(store, session_id, "before")
    with moving_slot(redis_cluster, asked, session_id) as target:
        key = store._keys(session_id)[0]
        asked(redis_cluster.masters[0], "MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
        request = asyncio.create_task(observed(store, session_id, "after"))
        done, _ = await asyncio.wait([request], timeout=0.3)
        assert not done
        key = store._keys(session_id)[1]
        asked(redis_cluster.masters[0], "MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
    async with asyncio.timeout(60):
        await request
    assert await stm(store, session_id) == ["before", "after"]


@contextmanager
def moving_slot(cluster: Any, asked: Any, session_id: str) -> Iterator[Any]:
    """The slot of a session moves from the first master to the one that is returned."""
    source, other, target = cluster.masters
    slot = key_slot(session_id)
    source_id, target_id = (asked(one, "CLUSTER", "MYID") for one in (source, target))
    asked(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    asked(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    yield target
    for node in (target, source, other):
        asked(node, "CLUSTER", "SETSLOT", slot, "NODE", target_id)


async def test_requests_share_one_connection_to_each_node(redis_cluster: Any, asked: Any) -> None:
    name = uuid4().hex
    options = RedisOptions(f"{redis_cluster.url}?client_name={name}", pool_size=8)
    pool = RedisConnectionPool(options)
    keys = [uuid4().hex for _ in range(60)]
    await asyncio.gather(*(pool.client.call("SET", key, key) for key in keys))
    found = await asyncio.gather(*(pool.client.call("GET", key) for key in keys))
    assert found == [key.encode() for key in keys]
    mine = [str(asked(node, "CLIENT", "LIST")).count(name) for node in redis_cluster.masters]
    # The node of the URL was asked for the others first, over a connection of its own.
    assert mine == [1, 1, 2]
    usage = pool.usage()
    assert (usage.in_use, usage.idle, usage.max) == (0, 4, 32)
    await pool.close()


async def test_nodes_that_lost_the_scripts_get_them_again(
    redis_cluster: Any, asked: Any, store: RedisSessionStore
) -> None:
    sessions = [await created(store, slots) for slots in (FIRST, LAST)]
    for node in redis_cluster.masters:
        asked(node, "SCRIPT", "FLUSH")
    for session_id in sessions:
        await observed(store, session_id, "a")
    listed = await store.page(None, after=0, limit=10)
    assert [(one.state.session_id, one.stm_length) for one in listed] == [
        (session_id, 1) for session_id in sessions
    ]


async def replicated(information: Callable[[], bytes]) -> None:
    """Wait until the replica has confirmed everything that the master wrote.

    WAIT would cover only the writes of its own connection.
    """
    async with asyncio.timeout(60):
        while True:
            found = information()
            confirmed = re.search(rb"slave0:.*offset=(\d+)", found)
            written = re.search(rb"master_repl_offset:(\d+)", found)
            if confirmed and written and confirmed[1] == written[1]:
                return
            await asyncio.sleep(0.05)


async def test_a_master_that_dies_is_replaced_within_a_request(
    redis_cluster: Any, asked: Any, store: RedisSessionStore
) -> None:
    orphan, other = await created(store, FIRST), await created(store, LAST)
    await observed(store, orphan, "before")
    await replicated(lambda: asked(redis_cluster.masters[0], "INFO", "replication"))
    redis_cluster.masters[0].kill9()
    request = asyncio.create_task(observed(store, orphan, "after"))
    # Sessions on the other masters do not wait for the failover.
    async with asyncio.timeout(5):
        await observed(store, other, "meanwhile")
    async with asyncio.timeout(60):
        await request
    assert await stm(store, orphan) == ["before", "after"]
    assert await store.count() == 2
    redis_cluster.masters[0].start()
