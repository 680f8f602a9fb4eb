"""Sessions made on ``/sessions``: every request extends them, until they end for good."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from session_replicas import Pair, Replica
from session_stores import SHORT_S, Kept, intent_for

from kato_service.domain.deadline import Deadline
from kato_service.errors import SessionNotFoundError
from kato_service.sessions.state import Change, SessionState
from kato_service.sessions.store import Saved

TTL_S = 3


async def created(replica: Replica, *, later: bool = True) -> str:
    state = await replica.sessions.create(
        user_id="Ada", ttl_s=TTL_S, metadata={}, overrides={}, later=later
    )
    assert state.later is later
    return state.session_id


class Counting:
    """A store that counts the calls that extend a session."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.extended = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def extend(self, session_id: str, ttl_s: int | None) -> Any:
        self.extended += 1
        return await self._store.extend(session_id, ttl_s)


async def test_a_session_stays_one_of_later_clients_through_saves_and_intents(kept: Kept) -> None:
    lock = await kept.locked((await kept.create(later=True, user_id="Ada")).session_id)
    assert await kept.store.save(lock, replace(lock.state, time=1), None) is Saved.SAVED
    saved = await kept.store.load(lock.session_id)
    assert saved is not None
    assert (saved.later, saved.time) == (True, 1)
    lock = await kept.locked(lock.session_id)
    assert await kept.store.intend(lock, intent_for(lock, replace(lock.state, time=2)))
    shown = await kept.store.load(lock.session_id)
    assert shown is not None
    assert (shown.later, shown.time) == (True, 2)
    (listed,) = await kept.store.page("Ada", after=0, limit=10)
    assert listed.state.later


async def test_a_list_shows_whether_a_session_is_one_of_later_clients(kept: Kept) -> None:
    for later in (True, False):
        await kept.create(later=later, user_id="Ada")
    listed = await kept.store.page("Ada", after=0, limit=10)
    assert [one.state.later for one in listed] == [True, False]


async def test_a_session_lives_while_any_replica_uses_it(replicas: Pair) -> None:
    one, two = replicas
    session_id = await created(one)
    for replica in (two, one, two, one):
        await asyncio.sleep(TTL_S / 3)
        await replica.observe(session_id, "a")
    for replica in (two, one, two, one):
        await asyncio.sleep(TTL_S / 3)
        assert len(await replica.stm(session_id)) == 4
    assert [await replica.sessions.count() for replica in replicas] == [1, 1]
    await asyncio.sleep(TTL_S + 0.1)
    assert [await replica.sessions.count() for replica in replicas] == [0, 0]


async def test_each_request_moves_the_expiry(replicas: Pair) -> None:
    one, two = replicas
    session_id = await created(one)
    seen = []
    for replica in (one, two, one):
        await asyncio.sleep(0.01)
        seen.append((await replica.sessions.load(session_id)).expires_at)
        await asyncio.sleep(0.01)
        await replica.observe(session_id, "a")
        state = await replica.store.load(session_id)
        seen.append(state.expires_at)
    assert seen == sorted(set(seen))


async def test_asking_whether_a_session_exists_does_not_extend_it(replicas: Pair) -> None:
    one, two = replicas
    session_id = await created(one)
    before = await one.store.load(session_id)
    assert await two.sessions.exists(session_id)
    assert await one.store.load(session_id) == before


async def test_an_expired_session_does_not_come_back(kept: Kept) -> None:
    session_id = (await kept.create(ttl_s=SHORT_S, later=True)).session_id
    await kept.pass_time(SHORT_S + 0.1)
    assert await kept.store.extend(session_id, None) is None
    assert not await kept.store.exists(session_id)
    assert await kept.store.count() == 0


async def test_a_session_that_expires_while_a_request_works_on_it_stays_expired(
    replicas: Pair,
) -> None:
    one, two = replicas
    session_id = await created(one)

    async def slow(state: SessionState) -> Change[None]:
        await asyncio.sleep(TTL_S + 0.2)
        return Change(replace(state, time=1), lambda _applied: None)

    # The lock outlives the session, so the change is stored; nobody finds it afterwards.
    await one.sessions.change(session_id, slow, deadline=Deadline.after(30))
    for replica in (one, two):
        assert not await replica.sessions.exists(session_id)
        with pytest.raises(SessionNotFoundError):
            await replica.observe(session_id, "a")


async def test_extending_a_session_explicitly_sets_how_far_it_slides(replicas: Pair) -> None:
    one, two = replicas
    session_id = await created(one)
    await one.sessions.extend(session_id, 600)
    await two.observe(session_id, "a")
    state = await one.store.load(session_id)
    assert state.ttl_s == 600
    assert state.expires_at - state.last_accessed_at == pytest.approx(600, abs=5)


async def test_other_sessions_are_never_extended(replicas: Pair) -> None:
    one, _ = replicas
    session_id = await created(one, later=False)
    before = await one.store.load(session_id)
    one.store.store = counting = Counting(one.store.store)  # type: ignore[assignment]
    await one.observe(session_id, "a")
    assert await one.stm(session_id) == ["a"]
    assert counting.extended == 0
    after = await one.store.load(session_id)
    assert after.expires_at == before.expires_at
