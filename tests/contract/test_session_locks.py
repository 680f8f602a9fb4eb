"""The suite for every `SessionStore`: locks, their order, leases and fencing tokens."""

from dataclasses import replace

from session_stores import SHORT_S, Kept, intent_for

from kato_service.sessions.store import LEASE_S, NOTED, Fate, Saved


async def test_a_lock_excludes_others_until_it_is_saved(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    assert await kept.store.lock(session_id, "other", rolling_forward=False) is None
    await kept.store.save(lock, replace(lock.state, time=1), None)
    other = await kept.locked(session_id, "other")
    assert other.number > lock.number
    assert other.state.time == 1


async def test_the_owner_of_a_lock_gets_the_same_lock_again(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    again = await kept.locked(session_id)
    assert replace(again, locked_at=0.0) == replace(lock, locked_at=0.0)


async def test_a_released_lock_is_free(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    await kept.locked(session_id)
    await kept.store.release(session_id, "me")
    assert await kept.locked(session_id, "other")


async def test_waiters_are_served_in_order(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    await kept.locked(session_id, "holder")
    for owner in ("first", "second"):
        assert await kept.store.lock(session_id, owner, rolling_forward=False) is None
    await kept.store.release(session_id, "holder")
    assert await kept.store.lock(session_id, "second", rolling_forward=False) is None
    assert await kept.locked(session_id, "first")


async def test_a_waiter_that_gave_up_is_skipped(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    await kept.locked(session_id, "holder")
    for owner in ("first", "second"):
        await kept.store.lock(session_id, owner, rolling_forward=False)
    await kept.store.release(session_id, "first")
    await kept.store.release(session_id, "holder")
    assert await kept.locked(session_id, "second")


async def test_a_waiter_that_died_is_skipped_when_its_lease_ends(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    await kept.locked(session_id, "holder")
    await kept.store.lock(session_id, "dead", rolling_forward=False)
    await kept.store.release(session_id, "holder")
    assert await kept.store.lock(session_id, "alive", rolling_forward=False) is None
    await kept.pass_time(LEASE_S + 0.1)
    assert await kept.locked(session_id, "alive")


async def test_a_lost_lock_saves_nothing(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lost = await kept.locked(session_id)
    await kept.pass_time(LEASE_S + 0.1)
    thief = await kept.locked(session_id, "thief")
    assert await kept.store.save(lost, replace(lost.state, time=7), None) is Saved.REFUSED
    await kept.store.save(thief, replace(thief.state, time=1), None)
    assert await kept.store.save(lost, replace(lost.state, time=7), None) is Saved.REFUSED
    state = await kept.store.load(session_id)
    assert state is not None
    assert state.time == 1


async def test_the_outcome_is_unknown_for_lost_locks_older_than_those_that_are_kept(
    kept: Kept,
) -> None:
    kept.store = kept.new_store(0.0)
    session_id = (await kept.create()).session_id
    locks = [await kept.locked(session_id, f"owner{number}") for number in range(NOTED + 2)]
    after = [replace(lock.state, stm=((lock.owner,),)) for lock in locks]
    outcomes = [
        await kept.store.save(lock, state, None) for lock, state in zip(locks, after, strict=True)
    ]
    assert outcomes == [Saved.UNKNOWN, *[Saved.REFUSED] * NOTED, Saved.SAVED]
    assert await kept.store.load(session_id) == after[-1]


async def test_the_latest_installed_intents_are_kept(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    ids = []
    for number in range(NOTED + 1):
        lock = await kept.locked(session_id)
        intent = intent_for(lock, replace(lock.state, time=number))
        assert await kept.store.intend(lock, intent)
        ids.append(intent.intent_id)
        await kept.store.save(lock, intent.state, intent.intent_id)
    fates = [await kept.store.fate(session_id, intent_id) for intent_id in ids]
    assert fates == [Fate.ABSENT, *[Fate.INSTALLED] * NOTED]


async def test_a_renewed_lock_is_not_taken_over(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    await kept.pass_time_holding(lock, LEASE_S * 1.5)
    assert await kept.store.lock(session_id, "thief", rolling_forward=False) is None


async def test_a_save_whose_answer_was_lost_can_be_repeated(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    await kept.store.save(lock, replace(lock.state, time=1), None)
    assert await kept.store.save(lock, replace(lock.state, time=1), None) is Saved.SAVED
    later = await kept.locked(session_id, "later")
    await kept.store.save(later, replace(later.state, time=2), None)
    assert await kept.store.save(lock, replace(lock.state, time=1), None) is Saved.SAVED
    state = await kept.store.load(session_id)
    assert state is not None
    assert state.time == 2


async def test_a_save_after_a_delete_finds_nothing(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lost = await kept.locked(session_id)
    await kept.store.release(session_id, "me")
    assert await kept.store.remove(await kept.locked(session_id, "other"))
    assert await kept.store.save(lost, lost.state, None) is Saved.GONE
    assert await kept.store.load(session_id) is None


async def test_a_lost_lock_deletes_nothing(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lost = await kept.locked(session_id)
    await kept.pass_time(LEASE_S + 0.1)
    await kept.locked(session_id, "thief")
    assert await kept.store.remove(lost) is False
    assert await kept.store.exists(session_id)


async def test_the_holder_of_a_lock_can_save_after_the_session_expired(kept: Kept) -> None:
    session_id = (await kept.create(ttl_s=SHORT_S)).session_id
    lock = await kept.locked(session_id)
    await kept.pass_time_holding(lock, SHORT_S + 0.1)
    assert await kept.store.load(session_id) is None
    assert await kept.store.save(lock, replace(lock.state, time=1), None) is Saved.SAVED


async def test_locks_of_different_sessions_do_not_wait_for_each_other(kept: Kept) -> None:
    one, two = (await kept.create()).session_id, (await kept.create()).session_id
    await kept.locked(one)
    assert await kept.locked(two)
