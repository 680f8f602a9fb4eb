"""The suite for every `SessionStore`: a session is stored completely, until it expires."""

from dataclasses import replace
from uuid import uuid4

import pytest
from session_stores import ENOUGH, SHORT_S, Kept, new

from kato_service.errors import SessionLimitExceededError, SessionNotFoundError
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.redis import encoding
from kato_service.sessions.state import Remembered
from kato_service.sessions.store import LEASE_S, Fate, Limits, NewSession, Saved

NO_USER = Limits(100, None)
"""Limits of default sessions, which count for no user."""
NASTY = ("", "a,b", "]", "\x00", "née", "\U0001f600", '"', "\n")


async def test_a_session_is_loaded_as_it_was_created(kept: Kept) -> None:
    created = await kept.create(
        user_id="Ada",
        metadata={"a": [1, {"b": None}]},
        overrides={"persistence": 3},
        configured={"stm_mode": "CLEAR", "persistence": 4},
    )
    assert created.chosen == {"stm_mode": "CLEAR", "persistence": 3}
    assert created.user_id == "Ada"
    assert created.expires_at == pytest.approx(created.created_at + 60, abs=0.01)
    assert await kept.store.load(created.session_id) == created


async def test_a_state_is_loaded_as_it_was_saved(kept: Kept) -> None:
    lock = await kept.locked((await kept.create()).session_id)
    full = replace(
        lock.state,
        last_accessed_at=lock.locked_at + 1,
        access_count=3,
        time=9,
        stm=(NASTY, ("x", "x")),
        stm_seq=4,
        pending_emotives=({"joy.$": 1e-300}, {"é": -0.5}),
        learned_emotives={"calm": 1.5},
        pending_metadata={"k": ('{"a":1}', '"x"')},
        percept={"strings": ["a"], "vectors": [[0.1]], "emotives": {}, "metadata": {}},
        symbols=NASTY,
        remembered=(Remembered("00ff", "learn", 1, 2, "learned", "n", 3, 0, True, True),),
    )
    assert await kept.store.save(lock, full, None) is Saved.SAVED
    assert await kept.store.load(full.session_id) == full


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Remembered("0" * 16, "observe", 10**9, 1000, "", "a" * 40), id="observe"),
        pytest.param(
            Remembered(
                "0" * 16, "observe-sequence", 10**9, 1000, "", "a" * 40, None, 1000, partial=True
            ),
            id="observe-sequence",
        ),
        pytest.param(
            Remembered("0" * 16, "learn", 10**9, 0, "learned", "a" * 40, 10**9), id="learn"
        ),
        pytest.param(
            Remembered("0" * 16, "learn", 10**9, 0, "insufficient_data"), id="learn of nothing"
        ),
    ],
)
async def test_a_remembered_request_takes_at_most_96_bytes(
    kept: Kept, request_: Remembered
) -> None:
    lock = await kept.locked((await kept.create()).session_id)
    after = replace(lock.state, remembered=(request_,))
    (_, _, change) = encoding.list_changes(lock.state, after)
    assert len(change.added[0]) <= 96
    await kept.store.save(lock, after, None)
    assert await kept.store.load(after.session_id) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(3, slice(0, 3), id="unchanged"),
        pytest.param(3, slice(0, 5), id="appended"),
        pytest.param(3, slice(1, 5), id="appended, the first dropped"),
        pytest.param(3, slice(2, 3), id="the last kept"),
        pytest.param(3, slice(0, 0), id="emptied"),
        pytest.param(3, slice(3, 5), id="others"),
        pytest.param(3, slice(0, 2), id="the last dropped"),
        pytest.param(0, slice(0, 2500), id="many at once"),
    ],
)
async def test_the_change_of_a_list_is_stored(kept: Kept, before: int, after: slice) -> None:
    events = tuple((f"s{number}",) for number in range(2500))
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    await kept.store.save(lock, replace(lock.state, stm=events[:before]), None)
    lock = await kept.locked(session_id, "again")
    known = lock.state.stm + events[len(lock.state.stm) :]
    await kept.store.save(lock, replace(lock.state, stm=known[after]), None)
    state = await kept.store.load(session_id)
    assert state is not None
    assert state.stm == events[after]


async def test_an_unknown_session_is_unknown_to_every_call(kept: Kept) -> None:
    assert await kept.store.load("nobody") is None
    assert await kept.store.exists("nobody") is False
    assert await kept.store.extend("nobody", 5) is None
    assert await kept.store.fate("nobody", "i") is Fate.ABSENT
    with pytest.raises(SessionNotFoundError):
        await kept.store.lock("nobody", "me", rolling_forward=True)


async def test_a_session_expires_after_its_time_to_live(kept: Kept) -> None:
    short = await kept.create(ttl_s=SHORT_S)
    longer = await kept.create(ttl_s=60)
    await kept.pass_time(SHORT_S + 0.1)
    assert await kept.store.load(short.session_id) is None
    assert await kept.store.exists(longer.session_id)
    assert await kept.store.count() == 1
    with pytest.raises(SessionNotFoundError):
        await kept.store.lock(short.session_id, "me", rolling_forward=False)


async def test_an_extended_session_outlives_its_first_expiry(kept: Kept) -> None:
    session = await kept.create(ttl_s=SHORT_S, user_id="Ada")
    extended = await kept.store.extend(session.session_id, 50)
    later = await kept.create(ttl_s=SHORT_S)
    assert extended is not None
    assert extended.ttl_s == 50
    assert extended.expires_at is not None
    assert session.created_at + 50 <= extended.expires_at <= later.created_at + 50
    await kept.pass_time(SHORT_S + 0.1)
    assert await kept.store.exists(session.session_id)
    assert await kept.store.count() == 1


async def test_a_save_does_not_change_the_expiry(kept: Kept) -> None:
    session = await kept.create(ttl_s=40)
    lock = await kept.locked(session.session_id)
    extended = await kept.store.extend(session.session_id, 80)
    await kept.store.save(lock, replace(lock.state, time=1), None)
    state = await kept.store.load(session.session_id)
    assert state is not None
    assert extended is not None
    assert (state.expires_at, state.ttl_s, state.time) == (extended.expires_at, 80, 1)


async def test_an_extend_does_not_change_a_session_that_never_expires(kept: Kept) -> None:
    session = await kept.create(ttl_s=None)
    extended = await kept.store.extend(session.session_id, 1)
    assert extended is not None
    assert (extended.ttl_s, extended.expires_at) == (None, None)


async def test_a_default_session_keeps_its_id(kept: Kept) -> None:
    users = ("Ada", "ADA", None, "")
    ids = [await kept.store.default_id(user_id) for user_id in users]
    assert len(set(ids)) == len(users)
    for _ in range(2):
        assert [await kept.store.default_id(user_id) for user_id in users] == ids
        assert await kept.store.known_default("Ada") is None
        await kept.store.create(default("Ada", ids[0]), NO_USER)
        assert await kept.store.known_default("Ada") == ids[0]
        assert await kept.store.known_default("ADA") is None
        assert await kept.store.remove(await kept.locked(ids[0]))


async def test_replicas_derive_the_same_ids_for_default_sessions(kept: Kept) -> None:
    if isinstance(kept.store, MemorySessionStore):
        pytest.skip("no process shares its memory")
    other = kept.new_store(LEASE_S)
    assert await kept.store.default_id("Ada") == await other.default_id("Ada")


async def test_a_user_has_one_default_session_whatever_id_is_proposed(kept: Kept) -> None:
    first = await kept.store.create(default("Ada", "one"), NO_USER)
    second = await kept.store.create(default("Ada", "two"), NO_USER)
    assert (second.session_id, second.incarnation) == ("one", first.incarnation)
    assert not await kept.store.exists("two")
    assert await kept.store.count() == 1
    other = await kept.store.create(default("Bob", "three"), NO_USER)
    assert other.session_id == "three"


async def test_a_refused_default_session_leaves_no_id(kept: Kept) -> None:
    await kept.create()
    for number in range(3):
        with pytest.raises(SessionLimitExceededError):
            await kept.store.create(default(f"user {number}", uuid4().hex), Limits(1, None))
        assert await kept.store.known_default(f"user {number}") is None


def default(user_id: str | None, session_id: str) -> NewSession:
    return new(user_id=user_id, session_id=session_id, ttl_s=None, is_default=True)


async def test_a_create_of_an_existing_id_changes_nothing(kept: Kept) -> None:
    given = new(ttl_s=None)
    lock = await kept.locked((await kept.store.create(given, ENOUGH)).session_id)
    await kept.store.save(lock, replace(lock.state, time=5), None)
    again = await kept.store.create(replace(given, incarnation="other"), Limits(1, None))
    assert (again.time, again.incarnation) == (5, given.incarnation)
