"""Sessions in Redis: refusals, foreign data, failovers, lost answers and round trips."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from session_stores import ENOUGH, SHORT_S, new
from structlog.testing import capture_logs

from kato_service.connections.redis_client import RedisClient, RedisOptions
from kato_service.connections.redis_errors import OutOfMemoryError, UnansweredError
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.store import Limits, Saved


async def test_a_full_redis_refuses_a_larger_session_and_accepts_counters(
    redis_server: Any,
) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_server.url, pool_size=2))
    store = RedisSessionStore(pool.client, uuid4().hex)
    session_id = (await store.create(new(), ENOUGH)).session_id
    await pool.client.call("CONFIG", "SET", "maxmemory", "1")
    lock = await store.lock(session_id, "me", rolling_forward=False)
    assert lock is not None
    with pytest.raises(StoreUnavailableError, match="redis is full and changed nothing"):
        await store.save(lock, replace(lock.state, percept={"metadata": "x" * 10_000}), None)
    counted = replace(lock.state, access_count=10, time=10**9)
    assert await store.save(lock, counted, None) is Saved.SAVED
    await pool.close()


async def test_a_session_that_redis_refuses_does_not_count_for_the_limits(redis_url: str) -> None:
    instance = uuid4().hex
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, instance)
    wanted = new(user_id="Ada")
    await pool.client.call("SET", f"kato:{instance}:{{{wanted.session_id}}}", "of another type")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="another PROCESSOR_ID"):
            await store.create(replace(wanted, incarnation=uuid4().hex), Limits(1, 1))
    assert await store.count() == 0
    assert await store.create(new(user_id="Ada"), Limits(1, 1))
    await pool.close()


async def test_a_list_continues_after_sessions_that_cannot_be_shown(redis_url: str) -> None:
    instance = uuid4().hex
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, instance)
    ids = [(await store.create(new(), ENOUGH)).session_id for _ in range(6)]
    await pool.client.call("HSET", f"kato:{instance}:{{{ids[0]}}}", "head", "nobody can read this")
    # As after a create that a kill interrupted.
    await pool.client.call("DEL", f"kato:{instance}:{{{ids[1]}}}")
    for limit, listed in ((1, ids[2:3]), (2, ids[2:4]), (3, ids[2:5]), (4, ids[2:]), (9, ids[2:])):
        with capture_logs() as lines:
            page = await store.page(None, after=0, limit=limit)
        assert [one.state.session_id for one in page] == listed
        assert lines
        assert ids[0] not in str(lines)  # the id is the right to use the session
    with pytest.raises(
        StoreUnavailableError, match="cannot be read by this version; delete its keys"
    ):
        await store.load(ids[0])
    await pool.close()


@dataclass
class Restricted:
    """A store whose Redis user can lose commands, and a client with all permissions."""

    store: RedisSessionStore
    admin: RedisClient
    user: str

    async def permit(self, *rules: str) -> None:
        await self.admin.call("ACL", "SETUSER", self.user, *rules)


@pytest.fixture
async def restricted(redis_url: str) -> AsyncIterator[Restricted]:
    instance = uuid4().hex
    admin = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    url = redis_url.replace("redis://", f"redis://{instance}:secret@")
    pool = RedisConnectionPool(RedisOptions(url=url, pool_size=2))
    given = Restricted(RedisSessionStore(pool.client, instance), admin.client, instance)
    await given.permit("on", ">secret", "~*", "+@all")
    yield given
    await admin.client.call("ACL", "DELUSER", instance)
    await pool.close()
    await admin.close()


async def test_a_place_that_redis_did_not_release_is_released_later(
    restricted: Restricted,
) -> None:
    store, wanted = restricted.store, new()
    key = f"kato:{restricted.user}:{{{wanted.session_id}}}"
    await restricted.admin.call("SET", key, "of another type")
    await restricted.permit("-zrem")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="another PROCESSOR_ID"):
            await store.create(replace(wanted, incarnation=uuid4().hex), ENOUGH)
    assert await store.pending(older_than_s=5) == ()
    assert await store.count() == 2
    await restricted.permit("+zrem")
    assert await store.pending(older_than_s=5) == ()
    assert await store.count() == 0


async def test_an_extension_that_the_index_refused_is_written_later(
    restricted: Restricted,
) -> None:
    store = restricted.store
    session_id = (await store.create(new(ttl_s=SHORT_S), ENOUGH)).session_id
    await store.create(new(ttl_s=SHORT_S), ENOUGH)  # ends after the first would have
    await restricted.permit("-zadd")
    assert await store.extend(session_id, 60) is not None
    await restricted.permit("+zadd")
    await store.pending(older_than_s=5)
    async with asyncio.timeout(60):
        while await store.count() > 1:
            await asyncio.sleep(0.05)
    listed = await store.page(None, after=0, limit=9)
    assert [one.state.session_id for one in listed] == [session_id]


async def test_a_refusal_after_a_lost_answer_leaves_an_unknown_outcome(redis_url: str) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, uuid4().hex)
    session_id = (await store.create(new(), ENOUGH)).session_id
    lock = await store.lock(session_id, "me", rolling_forward=False)
    assert lock is not None
    answers = iter((UnansweredError(), OutOfMemoryError("OOM")))

    async def lost_then_refused(*_command: Any, **_options: Any) -> None:
        raise next(answers, OutOfMemoryError("OOM"))

    pool.client.call = lost_then_refused  # type: ignore[method-assign]  # answers like Redis
    with pytest.raises(OutcomeUnknownError):
        await store.save(lock, replace(lock.state, stm=(("a",),)), None)
    await pool.close()


async def test_no_key_of_an_ended_session_stays_in_redis(redis_url: str) -> None:
    instance = uuid4().hex
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    async with Redis.from_url(redis_url) as client:
        store = RedisSessionStore(pool.client, instance)
        session = await store.create(new(user_id="Ada", ttl_s=SHORT_S), ENOUGH)
        lock = await store.lock(session.session_id, "me", rolling_forward=False)
        assert lock is not None
        state = replace(lock.state, stm=(("a",),), pending_emotives=({"joy": 1.0},))
        await store.save(lock, state, None)
        await asyncio.sleep(SHORT_S + 0.2)
        await store.create(new(), ENOUGH)
        keys = [key.decode() for key in await client.keys(f"kato:{instance}:*")]
    await pool.close()
    assert not [key for key in keys if session.session_id in key or "user:" in key]


async def test_a_default_session_that_cannot_be_created_takes_one_place_at_most(
    redis_url: str,
) -> None:
    """It never expires, so every place that a failed create left would count for ever."""
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, uuid4().hex)
    await store.create(new(ttl_s=None), ENOUGH)
    call, session_id = pool.client.call, uuid4().hex

    async def refused_for_the_session(*command: Any, **options: Any) -> Any:
        if any(session_id in str(key) for key in command[3 : 3 + int(command[2])]):
            raise OutOfMemoryError("OOM")
        return await call(*command, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool.client, "call", refused_for_the_session)
        for _ in range(3):
            with pytest.raises(StoreUnavailableError):
                await store.create(new(session_id=session_id, ttl_s=None), ENOUGH)
    made = await store.create(new(session_id=session_id, ttl_s=None), ENOUGH)
    assert await store.count() == 2
    assert made in [listed.state for listed in await store.page(None, after=0, limit=9)]
    await pool.close()


async def test_a_lock_that_a_failover_lost_saves_nothing(redis_url: str) -> None:
    """The replica that takes over may lack the lock: a save must not be "saved" unstored."""
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, uuid4().hex)
    session_id = (await store.create(new(), ENOUGH)).session_id
    async with Redis.from_url(redis_url) as client:
        key = store._keys(session_id)[0]
        replicated = await client.dump(key)
        lost = await store.lock(session_id, "lost", rolling_forward=False)
        assert lost is not None
        await client.restore(key, 0, replicated, replace=True)
    after = replace(lost.state, stm=(("a",),))
    assert await store.save(lost, after, None) is Saved.REFUSED
    other = await store.lock(session_id, "other", rolling_forward=False)
    assert other is not None
    assert other.number == lost.number
    assert await store.save(lost, after, None) is Saved.REFUSED
    assert await store.save(other, replace(other.state, stm=(("b",),)), None) is Saved.SAVED
    found = await store.load(session_id)
    assert found is not None
    assert found.stm == (("b",),)
    await pool.close()


async def test_foreign_data_in_redis_is_reported_with_what_to_do(redis_url: str) -> None:
    instance = uuid4().hex
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    async with Redis.from_url(redis_url) as client:
        store = RedisSessionStore(pool.client, instance)
        session_id = (await store.create(new(), ENOUGH)).session_id
        key = f"kato:{instance}:{{{session_id}}}"
        await client.rpush(f"{key}:stm", "no JSON")
        for ask in (store.load(session_id), store.lock(session_id, "me", rolling_forward=False)):
            with pytest.raises(StoreUnavailableError, match="delete its keys"):
                await ask
        await client.set(f"{key}:stm", "of another kind")
        with pytest.raises(StoreUnavailableError, match="another PROCESSOR_ID"):
            await store.load(session_id)
    await pool.close()


async def test_a_missing_password_is_reported_with_the_variable_to_correct(
    redis_server: Any,
) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_server.url, pool_size=2))
    await pool.client.call("CONFIG", "SET", "requirepass", "secret")
    stranger = RedisConnectionPool(RedisOptions(url=redis_server.url, pool_size=2))
    with pytest.raises(StoreUnavailableError, match="REDIS_URL"):
        await RedisSessionStore(stranger.client, uuid4().hex).load("x")
    with pytest.raises(StoreUnavailableError, match="REDIS_URL"):
        await stranger.check()
    await pool.close()
    await stranger.close()


async def test_a_session_is_deleted_with_its_places_in_one_step(redis_url: str) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, uuid4().hex)
    session = await store.create(new(user_id="Ada"), ENOUGH)
    lock = await store.lock(session.session_id, "me", rolling_forward=False)
    assert lock is not None
    calls, call = [], pool.client.call

    async def counted(*command: Any, **options: Any) -> Any:
        calls.append(command[0])
        return await call(*command, **options)

    pool.client.call = counted  # type: ignore[method-assign]
    assert await store.remove(lock)
    assert set(calls) <= {"EVALSHA", "EVAL"}
    assert calls.count("EVALSHA") == 1
    assert await store.count() == 0
    assert await store.page("Ada", after=0, limit=9) == ()
    await pool.close()
