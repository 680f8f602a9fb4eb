"""The suite for every `SessionStore`: intents are shown, installed once and rolled forward."""

from dataclasses import replace

import pytest
from session_stores import SHORT_S, Kept, intent_for, new

from kato_service.errors import SessionNotFoundError
from kato_service.sessions.store import LEASE_S, Fate, Limits, Saved


async def test_all_overdue_intents_are_listed(kept: Kept) -> None:
    pairs = []
    for _ in range(205):
        lock = await kept.locked((await kept.store.create(new(), Limits(500, None))).session_id)
        intent = intent_for(lock, lock.state)
        await kept.store.intend(lock, intent)
        pairs.append((lock.session_id, intent.intent_id))
    assert sorted(await kept.store.pending(older_than_s=-1)) == sorted(pairs)


async def test_an_intent_shows_its_session_until_it_is_installed(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    after = replace(lock.state, time=3, stm=(("x",),), symbols=("x",))
    intent = intent_for(lock, after)
    assert await kept.store.intend(lock, intent)
    assert await kept.store.load(session_id) == after
    assert await kept.store.fate(session_id, intent.intent_id) is Fate.PENDING
    await kept.store.release(session_id, "me")
    found = await kept.locked(session_id, "other")
    assert found.intent == intent
    assert found.state == lock.state


async def test_a_save_completes_its_intent(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    after = replace(lock.state, time=3)
    intent = intent_for(lock, after)
    await kept.store.intend(lock, intent)
    assert await kept.store.save(lock, after, intent.intent_id) is Saved.SAVED
    assert await kept.store.fate(session_id, intent.intent_id) is Fate.INSTALLED
    assert (await kept.locked(session_id, "other")).intent is None


async def test_a_roll_forward_installs_once_and_keeps_the_lock(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    dead = await kept.locked(session_id)
    intent = intent_for(dead, replace(dead.state, time=3, stm=(("y",),)))
    await kept.store.intend(dead, intent)
    await kept.pass_time(LEASE_S + 0.1)
    lock = await kept.locked(session_id, "other")
    assert await kept.store.install(lock, intent.intent_id, intent.state) is Fate.INSTALLED
    assert await kept.store.install(lock, intent.intent_id, intent.state) is Fate.INSTALLED
    assert await kept.store.lock(session_id, "third", rolling_forward=False) is None
    current = replace(lock, state=intent.state, intent=None)
    assert await kept.store.save(current, replace(intent.state, time=4), None) is Saved.SAVED
    state = await kept.store.load(session_id)
    assert state is not None
    assert (state.time, state.stm) == (4, (("y",),))
    # The dead holder comes back: its intent is installed, and its save stores nothing.
    assert await kept.store.save(dead, dead.state, intent.intent_id) is Saved.REFUSED


async def test_an_intent_under_a_lost_lock_is_not_stored(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lost = await kept.locked(session_id)
    await kept.pass_time(LEASE_S + 0.1)
    await kept.locked(session_id, "thief")
    intent = intent_for(lost, lost.state)
    assert await kept.store.intend(lost, intent) is False
    assert await kept.store.fate(session_id, intent.intent_id) is Fate.ABSENT


async def test_an_intent_after_its_save_is_not_stored_again(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    intent = intent_for(lock, lock.state)
    await kept.store.intend(lock, intent)
    await kept.store.save(lock, intent.state, intent.intent_id)
    assert await kept.store.intend(lock, intent) is True
    assert await kept.store.fate(session_id, intent.intent_id) is Fate.INSTALLED


async def test_a_session_with_an_intent_outlives_its_expiry_until_installed(kept: Kept) -> None:
    session_id = (await kept.create(ttl_s=SHORT_S)).session_id
    lock = await kept.locked(session_id)
    intent = intent_for(lock, replace(lock.state, time=3))
    await kept.store.intend(lock, intent)
    await kept.pass_time(max(LEASE_S, SHORT_S) + 0.1)
    assert await kept.store.load(session_id) is None
    with pytest.raises(SessionNotFoundError):
        await kept.store.lock(session_id, "client", rolling_forward=False)
    rolling = await kept.store.lock(session_id, "sweeper", rolling_forward=True)
    assert rolling is not None
    assert rolling.intent == intent
    assert await kept.store.install(rolling, intent.intent_id, intent.state) is Fate.INSTALLED
    await kept.store.release(session_id, "sweeper")
    with pytest.raises(SessionNotFoundError):
        await kept.store.lock(session_id, "sweeper", rolling_forward=True)


async def test_a_roll_forward_waits_for_the_holder_of_an_expired_session(kept: Kept) -> None:
    session_id = (await kept.create(ttl_s=SHORT_S)).session_id
    lock = await kept.locked(session_id)
    await kept.pass_time_holding(lock, SHORT_S + 0.1)
    with pytest.raises(SessionNotFoundError):
        await kept.store.lock(session_id, "client", rolling_forward=False)
    # Busy, not gone: its holder may still store an intent, which must not be forgotten before.
    assert await kept.store.lock(session_id, "sweep", rolling_forward=True) is None
    assert await kept.store.intend(lock, intent_for(lock, lock.state))
    await kept.store.release(session_id, "me")
    rolling = await kept.store.lock(session_id, "sweep", rolling_forward=True)
    assert rolling is not None
    assert rolling.intent is not None


async def test_overdue_intents_are_listed_until_they_are_forgotten(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    intent = intent_for(lock, lock.state)
    await kept.store.intend(lock, intent)
    pair = (session_id, intent.intent_id)
    assert await kept.store.pending(older_than_s=100) == ()
    await kept.pass_time(1.1)
    assert await kept.store.pending(older_than_s=1.0) == (pair,)
    await kept.store.forget(*pair)
    assert await kept.store.pending(older_than_s=1.0) == ()
