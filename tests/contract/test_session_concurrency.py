"""Concurrent requests: on one session, on many sessions, and of many users."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from session_replicas import AB, Crashing, Pair, Replica, opened, with_stm

from kato_service.connections.redis_client import RedisOptions
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.domain.deadline import Deadline
from kato_service.errors import (
    DeadlineExceededError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.session_manager import SessionLimits


async def test_every_acknowledged_observation_of_many_clients_is_stored_once(
    replicas: Pair,
) -> None:
    session_id = await replicas[0].create()

    async def client(number: int) -> list[str]:
        symbols = [f"{number}-{turn}" for turn in range(20)]
        for symbol in symbols:
            await replicas[number % 2].observe(session_id, symbol)
        return symbols

    sent = await asyncio.gather(*map(client, range(10)))
    kept = await replicas[1].stm(session_id)
    assert Counter(kept) == Counter(symbol for symbols in sent for symbol in symbols)
    for symbols in sent:
        assert [symbol for symbol in kept if symbol in symbols] == symbols


async def test_concurrent_repeats_of_one_request_count_once(replicas: Pair) -> None:
    session_id = await replicas[0].create()
    answers = await asyncio.gather(
        *(replicas[i % 2].observe(session_id, "a", unique_id="same") for i in range(12))
    )
    assert await replicas[0].stm(session_id) == ["a"]
    assert sum(answer.repeated for answer in answers) == 11
    assert {answer.stm_length for answer in answers} == {1}


async def test_a_learn_on_one_replica_is_visible_on_the_other_at_once(replicas: Pair) -> None:
    session_id = await with_stm(replicas[0])
    learned = await replicas[0].learn(session_id)
    assert (learned.pattern_name, learned.frequency) == (AB, 1)
    assert await replicas[1].frequency() == 1
    assert await replicas[1].stm(session_id) == []


async def test_a_request_on_a_busy_session_fails_at_its_deadline(replicas: Pair) -> None:
    one, two = replicas
    session_id = await with_stm(one)
    lock = await one.store.store.lock(session_id, "holder", rolling_forward=False)
    assert lock is not None
    with pytest.raises(DeadlineExceededError):
        await two.learn(session_id, timeout_s=0.2)
    assert await two.stm(session_id) == ["a", "b"]


async def test_requests_take_the_promised_number_of_round_trips(
    redis_url: str, tmp_path: Path
) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_url))
    store = RedisSessionStore(pool.client, uuid4().hex)
    replica = Replica(Crashing(store), await opened(tmp_path))
    session_id = await with_stm(replica)
    # Run each script once, so that Redis has it.
    await replica.learn(session_id)
    await replica.sessions.load(session_id)
    await replica.sessions.page(user_id=None, limit=100, cursor=None)
    await replica.sessions.close()
    call, calls, asked = pool.client.call, pool.client.calls, 0

    async def counted_call(*command: Any, **options: Any) -> Any:
        nonlocal asked
        # Taking an intent off the index happens in the background.
        asked += command[0] != "ZREM"
        return await call(*command, **options)

    async def counted_calls(commands: Any) -> Any:
        nonlocal asked
        asked += 1
        return await calls(commands)

    async def trips(request: Awaitable[Any]) -> int:
        nonlocal asked
        asked = 0
        await request
        return asked

    pool.client.call = counted_call  # type: ignore[method-assign]  # passes every call on
    pool.client.calls = counted_calls  # type: ignore[method-assign]  # as above
    assert await trips(replica.observe(session_id, "a")) == 2
    assert await trips(replica.observe(session_id, "b")) == 2
    assert await trips(replica.learn(session_id)) == 3
    await replica.sessions.close()
    assert await trips(replica.sessions.load(session_id)) == 1
    assert await trips(replica.sessions.page(user_id=None, limit=100, cursor=None)) == 2
    await replica.knowledge.close()
    await pool.close()


async def test_without_the_log_a_learn_changes_nothing(replicas: Pair, tmp_path: Path) -> None:
    one, two = replicas
    session_id = await with_stm(one)
    unusable = tmp_path / "unusable"
    (unusable / "log.sqlite").mkdir(parents=True)
    log = SqliteKnowledgeLog(unusable / "log.sqlite")
    cut_off = Replica(one.store, KnowledgeBases(log, PatternSearcher().new_index))
    with pytest.raises(StoreUnavailableError):
        await cut_off.learn(session_id)
    assert await one.stm(session_id) == ["a", "b"]
    assert (await two.learn(session_id)).frequency == 1
    await cut_off.knowledge.close()


async def test_a_change_that_started_happens_although_its_request_is_cancelled(
    replicas: Pair,
) -> None:
    one, two = replicas
    session_id = await with_stm(one)
    learning = asyncio.create_task(one.learn(session_id))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    learning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await learning
    await one.sessions.close()
    assert await two.frequency() == 1
    assert await two.stm(session_id) == []


async def test_a_deleted_session_is_gone_everywhere(replicas: Pair) -> None:
    one, two = replicas
    session_id = await with_stm(one)
    await one.sessions.delete(session_id, deadline=Deadline.after(5))
    with pytest.raises(SessionNotFoundError):
        await two.stm(session_id)
    with pytest.raises(SessionNotFoundError):
        await two.sessions.delete(session_id, deadline=Deadline.after(5))


async def test_concurrent_deletes_and_observations_end_cleanly(replicas: Pair) -> None:
    one, two = replicas
    for _ in range(10):
        session_id = await one.create()
        outcomes = await asyncio.gather(
            *(one.observe(session_id, str(i)) for i in range(5)),
            two.sessions.delete(session_id, deadline=Deadline.after(5)),
            *(two.observe(session_id, str(i)) for i in range(5)),
            return_exceptions=True,
        )
        failures = [one for one in outcomes if isinstance(one, Exception)]
        assert all(isinstance(failure, SessionNotFoundError) for failure in failures), failures
        assert not await one.sessions.exists(session_id)


async def test_a_session_that_extends_itself_lives_while_it_is_used(replicas: Pair) -> None:
    one, _ = replicas
    sliding = Replica(one.store, one.knowledge, SessionLimits(default_ttl_s=3, auto_extend=True))
    session_id = await sliding.create()
    for _ in range(4):
        await asyncio.sleep(0.9)
        await sliding.observe(session_id, "a")
    assert len(await sliding.stm(session_id)) == 4
    await asyncio.sleep(3.1)
    assert not await sliding.sessions.exists(session_id)


async def test_default_sessions_are_the_same_on_every_replica(replicas: Pair) -> None:
    one, two = replicas
    ids = await asyncio.gather(*(replica.sessions.default_id("Ada") for replica in (one, two) * 5))
    assert len(set(ids)) == 1
    assert await one.sessions.default_id(None) not in ids
    await one.sessions.delete(ids[0], deadline=Deadline.after(5))
    assert await two.sessions.default_id("Ada") == ids[0]
    assert await two.stm(ids[0]) == []


async def test_a_default_session_counts_once_however_often_it_is_created(replicas: Pair) -> None:
    one, two = replicas
    for _ in range(3):
        ids = await asyncio.gather(
            *(replica.sessions.default_id("Ada") for replica in (one, two) * 4)
        )
        assert await one.sessions.count() == 1
        listed, _ = await two.sessions.page(user_id=None, limit=10, cursor=None)
        assert [one.state.session_id for one in listed] == [ids[0]]
        await two.sessions.delete(ids[0], deadline=Deadline.after(5))
        assert await one.sessions.count() == 0


NASTY = [
    *("acme-1", "acme_1", "acme.1", "ACME_1", "a/b", ".", "$", "{x}", "*", " ", "~", ":"),
    *("\U0001f600", "é", "e\u0301", "x" * 256),
]


async def test_users_share_nothing_whatever_their_names(replicas: Pair) -> None:
    one, two = replicas
    sessions = [await one.create(user_id) for user_id in NASTY]
    states = [await one.sessions.load(session_id) for session_id in sessions]
    assert len({state.processor_id for state in states}) == len(NASTY)
    for number, session_id in enumerate(sessions):
        for symbol in ("a", "b")[: 1 + number % 2]:
            await one.observe(session_id, symbol)
        if number % 2:
            await two.learn(session_id)
    known = [await two.frequency(state.processor_id) for state in states]
    assert known == [number % 2 for number in range(len(NASTY))]


@pytest.mark.parametrize(
    "session_id", ["", "a/b", "{x}", "x}:stm", "*", "\U0001f600", "x" * 65, "a b", "%00", "é"]
)
async def test_an_impossible_id_is_an_unknown_session(replicas: Pair, session_id: str) -> None:
    with pytest.raises(SessionNotFoundError):
        await replicas[0].sessions.load(session_id)
    assert not await replicas[0].sessions.exists(session_id)


async def test_twenty_sessions_of_one_user_lose_nothing(replicas: Pair) -> None:
    one, two = replicas
    sessions = [await one.create("Ada") for _ in range(20)]

    async def converse(session_id: str) -> None:
        for number in range(5):
            replica = replicas[number % 2]
            await replica.observe(session_id, f"{session_id}-{number}")

    await asyncio.gather(*map(converse, sessions))
    for session_id in sessions:
        assert await two.stm(session_id) == [f"{session_id}-{number}" for number in range(5)]


async def test_concurrent_learns_on_many_sessions_are_counted_exactly(replicas: Pair) -> None:
    sessions = [await with_stm(replicas[i % 2]) for i in range(12)]
    answers = await asyncio.gather(
        *(
            replicas[i % 2].learn(session, secrets.token_hex(4))
            for i, session in enumerate(sessions)
        )
    )
    frequencies = [answer.frequency or 0 for answer in answers]
    assert sorted(frequencies) == list(range(1, 13))
    assert await replicas[0].frequency() == await replicas[1].frequency() == 12
