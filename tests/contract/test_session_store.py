"""One suite for every `SessionStore`: life, limits, locks, fencing and intents (sessions.md)."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs

from kato_service.connections.redis_client import RedisClient
from kato_service.connections.redis_pool import RedisConnectionPool, RedisOptions
from kato_service.errors import (
    OutcomeUnknownError,
    SessionLimitExceededError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from kato_service.knowledge.model.entries import Clear, Learn
from kato_service.sessions.memory import SWEEP_EVERY, MemorySessionStore
from kato_service.sessions.redis import encoding
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.state import Intent, Remembered, SessionState
from kato_service.sessions.store import (
    LEASE_S,
    NOTED,
    Fate,
    Limits,
    Lock,
    NewSession,
    Saved,
    SessionStore,
)

ENOUGH = Limits(100, 100)
NASTY = ("", "a,b", "]", "\x00", "née", "\U0001f600", '"', "\n")


@dataclass
class Kept:
    """A store, and a way to let its time pass."""

    store: SessionStore
    pass_time: Callable[[float], Awaitable[None]]

    async def create(self, **fields: Any) -> SessionState:
        return await self.store.create(new(**fields), ENOUGH)

    async def locked(self, session_id: str, owner: str = "me") -> Lock:
        lock = await self.store.lock(session_id, owner, rolling_forward=False)
        assert lock is not None
        return lock


def new(**fields: Any) -> NewSession:
    given = {
        "session_id": uuid4().hex,
        "incarnation": uuid4().hex,
        "user_id": None,
        "processor_id": "kb",
        "ttl_s": 60,
        "metadata": {},
        "overrides": {},
    }
    return NewSession(**{**given, **fields})


async def pass_time_in_full(seconds: float) -> None:
    if "IN_FULL" not in os.environ:
        pytest.skip("lets seconds pass: on a Redis Cluster with IN_FULL=1 only")
    await asyncio.sleep(seconds)


ON_A_CLUSTER = pytest.param("redis cluster", marks=pytest.mark.xdist_group("redis cluster"))


@pytest.fixture(params=["memory", "redis", ON_A_CLUSTER])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    if request.param == "memory":
        now = [1_700_000_000.0]

        async def pass_time(seconds: float) -> None:
            now[0] += seconds

        yield Kept(MemorySessionStore(lambda: now[0]), pass_time)
        return
    clustered = request.param == "redis cluster"
    url = request.getfixturevalue("redis_cluster").url if clustered else None
    url = url or request.getfixturevalue("redis_url")
    pool = RedisConnectionPool(RedisOptions(url=url, pool_size=8))
    let_pass = pass_time_in_full if clustered else asyncio.sleep
    yield Kept(RedisSessionStore(pool.client, uuid4().hex), let_pass)
    await pool.close()


def intent_for(lock: Lock, after: SessionState) -> Intent:
    entries = (
        Learn("t1", "n", (("a", "b"), ("c",)), {"joy": 0.5}, 5, {"k": ('"v"', "1")}),
        Clear("t2"),
    )
    return Intent(uuid4().hex, entries, since=7, state=after, created_at=lock.locked_at)


async def test_a_session_is_found_as_it_was_created(kept: Kept) -> None:
    created = await kept.create(
        user_id="Ada", metadata={"a": [1, {"b": None}]}, overrides={"persistence": 3}
    )
    assert created.user_id == "Ada"
    assert created.expires_at == pytest.approx(created.created_at + 60, abs=0.01)
    assert await kept.store.load(created.session_id) == created


async def test_a_state_survives_storing_in_every_detail(kept: Kept) -> None:
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
async def test_a_remembered_request_takes_96_bytes_at_most(
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
        pytest.param(3, slice(0, 2), id="shortened from behind"),
        pytest.param(0, slice(0, 2500), id="many at once"),
    ],
)
async def test_lists_are_stored_by_what_changed_in_them(
    kept: Kept, before: int, after: slice
) -> None:
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


async def test_a_session_ends_with_its_time_to_live(kept: Kept) -> None:
    short = await kept.create(ttl_s=1)
    longer = await kept.create(ttl_s=30)
    await kept.pass_time(1.1)
    assert await kept.store.load(short.session_id) is None
    assert await kept.store.exists(longer.session_id)
    assert await kept.store.count() == 1
    with pytest.raises(SessionNotFoundError):
        await kept.store.lock(short.session_id, "me", rolling_forward=False)


async def test_an_extended_session_lives_on(kept: Kept) -> None:
    session = await kept.create(ttl_s=1, user_id="Ada")
    extended = await kept.store.extend(session.session_id, 50)
    assert extended is not None
    assert extended.ttl_s == 50
    assert extended.expires_at == pytest.approx(session.created_at + 50, abs=0.5)
    await kept.pass_time(1.1)
    assert await kept.store.exists(session.session_id)
    assert await kept.store.count() == 1


async def test_a_save_leaves_the_expiry_alone(kept: Kept) -> None:
    session = await kept.create(ttl_s=40)
    lock = await kept.locked(session.session_id)
    extended = await kept.store.extend(session.session_id, 80)
    await kept.store.save(lock, replace(lock.state, time=1), None)
    state = await kept.store.load(session.session_id)
    assert state is not None
    assert extended is not None
    assert (state.expires_at, state.ttl_s, state.time) == (extended.expires_at, 80, 1)


async def test_a_session_without_expiry_stays_so(kept: Kept) -> None:
    session = await kept.create(ttl_s=None)
    extended = await kept.store.extend(session.session_id, 1)
    assert extended is not None
    assert (extended.ttl_s, extended.expires_at) == (None, None)


@pytest.mark.parametrize(
    ("limits", "user_id", "whose"),
    [
        pytest.param(Limits(2, 100), None, "instance", id="instance"),
        pytest.param(Limits(100, 2), "Ada", "user", id="user"),
    ],
)
async def test_a_limit_refuses_one_session_too_many(
    kept: Kept, limits: Limits, user_id: str | None, whose: str
) -> None:
    for _ in range(2):
        await kept.store.create(new(user_id=user_id, ttl_s=1), limits)
    with pytest.raises(SessionLimitExceededError, match=whose):
        await kept.store.create(new(user_id=user_id), limits)
    assert await kept.store.count() == 2
    await kept.pass_time(1.1)
    assert await kept.store.create(new(user_id=user_id), limits)


async def test_creates_at_once_never_exceed_a_limit(kept: Kept) -> None:
    creates = [kept.store.create(new(user_id="Ada"), Limits(100, 5)) for _ in range(30)]
    outcomes = await asyncio.gather(*creates, return_exceptions=True)
    assert sum(isinstance(one, SessionState) for one in outcomes) == 5
    assert sum(isinstance(one, SessionLimitExceededError) for one in outcomes) == 25


async def test_a_deleted_session_makes_room(kept: Kept) -> None:
    session = await kept.store.create(new(user_id="Ada"), Limits(1, 1))
    assert await kept.store.remove(await kept.locked(session.session_id))
    assert await kept.store.load(session.session_id) is None
    assert await kept.store.create(new(user_id="Ada"), Limits(1, 1))


async def test_pages_are_in_order_of_creation(kept: Kept) -> None:
    ids = [(await kept.create(user_id="Ada", ttl_s=90 - i)).session_id for i in range(7)]
    await kept.create(user_id="Bob")
    found: list[str] = []
    after = 0
    while page := await kept.store.page("Ada", after=after, limit=3):
        found += [one.state.session_id for one in page]
        after = page[-1].place
    assert found == ids
    everybody = await kept.store.page(None, after=0, limit=100)
    assert len(everybody) == 8


async def test_pages_tell_how_long_each_stm_is(kept: Kept) -> None:
    ids = [(await kept.create(metadata={"n": n})).session_id for n in range(3)]
    for events, session_id in enumerate(ids[:2], 1):
        lock = await kept.locked(session_id)
        await kept.store.save(lock, replace(lock.state, stm=(("a",),) * events), None)
    lock = await kept.locked(ids[2])
    after = replace(lock.state, stm=(("a",),) * 7, time=7)
    assert await kept.store.intend(lock, intent_for(lock, after))
    page = await kept.store.page(None, after=0, limit=10)
    assert [one.stm_length for one in page] == [1, 2, 7]
    assert [one.state.metadata for one in page] == [{"n": n} for n in range(3)]
    assert [one.state.time for one in page] == [0, 0, 7]


async def test_all_overdue_intents_are_listed(kept: Kept) -> None:
    pairs = []
    for _ in range(205):
        lock = await kept.locked((await kept.store.create(new(), Limits(500, None))).session_id)
        intent = intent_for(lock, lock.state)
        await kept.store.intend(lock, intent)
        pairs.append((lock.session_id, intent.intent_id))
    assert sorted(await kept.store.pending(older_than_s=-1)) == sorted(pairs)


async def test_a_default_session_keeps_its_id(kept: Kept) -> None:
    assert await kept.store.known_default("Ada") is None
    assert await kept.store.default_id("Ada", "one") == "one"
    assert await kept.store.known_default("Ada") == "one"
    assert await kept.store.default_id("Ada", "two") == "one"
    assert await kept.store.default_id("ADA", "three") == "three"
    assert await kept.store.default_id(None, "four") == "four"


async def test_creating_an_id_again_changes_nothing(kept: Kept) -> None:
    given = new(ttl_s=None)
    lock = await kept.locked((await kept.store.create(given, ENOUGH)).session_id)
    await kept.store.save(lock, replace(lock.state, time=5), None)
    again = await kept.store.create(replace(given, incarnation="other"), Limits(1, None))
    assert (again.time, again.incarnation) == (5, given.incarnation)


async def test_a_lock_excludes_others_until_it_is_saved(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    lock = await kept.locked(session_id)
    assert await kept.store.lock(session_id, "other", rolling_forward=False) is None
    await kept.store.save(lock, replace(lock.state, time=1), None)
    other = await kept.locked(session_id, "other")
    assert other.number > lock.number
    assert other.state.time == 1


async def test_the_owner_of_a_lock_gets_the_same_again(kept: Kept) -> None:
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


async def test_a_waiter_that_died_is_skipped_with_its_lease(kept: Kept) -> None:
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


async def test_of_more_lost_locks_than_are_noted_the_oldest_are_of_unknown_outcome(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kato_service.sessions.memory.LEASE_S", 0)
    monkeypatch.setattr("kato_service.sessions.redis.store._LEASE_MS", 0)
    session_id = (await kept.create()).session_id
    locks = [await kept.locked(session_id, f"owner{number}") for number in range(NOTED + 2)]
    after = [replace(lock.state, stm=((lock.owner,),)) for lock in locks]
    outcomes = [
        await kept.store.save(lock, state, None) for lock, state in zip(locks, after, strict=True)
    ]
    assert outcomes == [Saved.UNKNOWN, *[Saved.REFUSED] * NOTED, Saved.SAVED]
    assert await kept.store.load(session_id) == after[-1]


async def test_of_more_installed_intents_than_are_noted_the_latest_are_known(kept: Kept) -> None:
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
    await kept.pass_time(LEASE_S * 0.7)
    await kept.store.renew(lock)
    await kept.pass_time(LEASE_S * 0.7)
    assert await kept.store.lock(session_id, "thief", rolling_forward=False) is None


async def test_a_save_whose_answer_was_lost_is_answered_again(kept: Kept) -> None:
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
    # The one that died comes back: its intent is done, and its save stores nothing.
    assert await kept.store.save(dead, dead.state, intent.intent_id) is Saved.REFUSED


async def test_an_intent_of_a_lost_lock_is_not_stored(kept: Kept) -> None:
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
    session_id = (await kept.create(ttl_s=1)).session_id
    lock = await kept.locked(session_id)
    intent = intent_for(lock, replace(lock.state, time=3))
    await kept.store.intend(lock, intent)
    await kept.pass_time(LEASE_S + 0.1)
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


async def test_a_locked_session_outlives_its_expiry_for_its_holder(kept: Kept) -> None:
    session_id = (await kept.create(ttl_s=1)).session_id
    lock = await kept.locked(session_id)
    await kept.pass_time(1.2)
    assert await kept.store.load(session_id) is None
    assert await kept.store.save(lock, replace(lock.state, time=1), None) is Saved.SAVED


async def test_a_roll_forward_waits_for_who_holds_an_expired_session(kept: Kept) -> None:
    session_id = (await kept.create(ttl_s=1)).session_id
    lock = await kept.locked(session_id)
    await kept.pass_time(1.2)
    with pytest.raises(SessionNotFoundError):
        await kept.store.lock(session_id, "client", rolling_forward=False)
    # Not gone: its holder may still store an intent, which must not be forgotten before.
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


async def test_nobody_waits_for_requests_on_other_sessions(kept: Kept) -> None:
    one, two = (await kept.create()).session_id, (await kept.create()).session_id
    await kept.locked(one)
    assert await kept.locked(two)


async def test_a_full_redis_takes_no_larger_observation_but_a_clear(redis_server: Any) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_server.url, pool_size=2))
    store = RedisSessionStore(pool.client, uuid4().hex)
    session_id = (await store.create(new(), ENOUGH)).session_id
    await pool.client.config_set("maxmemory", "1")
    lock = await store.lock(session_id, "me", rolling_forward=False)
    assert lock is not None
    with pytest.raises(StoreUnavailableError, match="full"):
        await store.save(lock, replace(lock.state, percept={"metadata": "x" * 10_000}), None)
    counted = replace(lock.state, access_count=10, time=10**9)
    assert await store.save(lock, counted, None) is Saved.SAVED
    await pool.close()


async def test_a_session_that_redis_refuses_takes_no_place_of_the_limits(redis_url: str) -> None:
    instance = uuid4().hex
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, instance)
    wanted = new(user_id="Ada")
    await pool.client.set(f"kato:{instance}:{{{wanted.session_id}}}", "of another type")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="another PROCESSOR_ID"):
            await store.create(replace(wanted, incarnation=uuid4().hex), Limits(1, 1))
    assert await store.count() == 0
    assert await store.create(new(user_id="Ada"), Limits(1, 1))
    await pool.close()


async def test_a_list_goes_on_behind_sessions_that_are_not_there(redis_url: str) -> None:
    instance = uuid4().hex
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, instance)
    ids = [(await store.create(new(), ENOUGH)).session_id for _ in range(6)]
    await pool.client.hset(f"kato:{instance}:{{{ids[0]}}}", "head", "nobody can read this")
    await pool.client.delete(f"kato:{instance}:{{{ids[1]}}}")  # as a create that a kill cut off
    for limit, listed in ((1, ids[2:3]), (2, ids[2:4]), (3, ids[2:5]), (4, ids[2:]), (9, ids[2:])):
        with capture_logs() as lines:
            page = await store.page(None, after=0, limit=limit)
        assert [one.state.session_id for one in page] == listed
        assert lines
        assert ids[0] not in str(lines)  # the id is the right to use the session
    with pytest.raises(StoreUnavailableError, match="cannot be read: delete its keys"):
        await store.load(ids[0])
    await pool.close()


@dataclass
class Restricted:
    """A store whose Redis user may lose a command, and a client that may everything."""

    store: RedisSessionStore
    admin: RedisClient
    user: str

    async def permit(self, *rules: str) -> None:
        await self.admin.execute_command("ACL", "SETUSER", self.user, *rules)


@pytest.fixture
async def restricted(redis_url: str) -> AsyncIterator[Restricted]:
    instance = uuid4().hex
    admin = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    url = redis_url.replace("redis://", f"redis://{instance}:secret@")
    pool = RedisConnectionPool(RedisOptions(url=url, pool_size=2))
    given = Restricted(RedisSessionStore(pool.client, instance), admin.client, instance)
    await given.permit("on", ">secret", "~*", "+@all")
    yield given
    await admin.client.execute_command("ACL", "DELUSER", instance)
    await pool.close()
    await admin.close()


async def test_a_place_that_could_not_be_given_back_is_given_back_later(
    restricted: Restricted,
) -> None:
    store, wanted = restricted.store, new()
    key = f"kato:{restricted.user}:{{{wanted.session_id}}}"
    await restricted.admin.set(key, "of another type")
    await restricted.permit("-zrem")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="another PROCESSOR_ID"):
            await store.create(replace(wanted, incarnation=uuid4().hex), ENOUGH)
    assert await store.pending(older_than_s=5) == ()
    assert await store.count() == 2
    await restricted.permit("+zrem")
    assert await store.pending(older_than_s=5) == ()
    assert await store.count() == 0


async def test_an_extension_that_the_index_did_not_take_is_noted_later(
    restricted: Restricted,
) -> None:
    store = restricted.store
    session_id = (await store.create(new(ttl_s=1), ENOUGH)).session_id
    await store.create(new(ttl_s=1), ENOUGH)  # ends after the first would have
    await restricted.permit("-zadd")
    assert await store.extend(session_id, 60) is not None
    await restricted.permit("+zadd")
    await store.pending(older_than_s=5)
    async with asyncio.timeout(10):
        while await store.count() > 1:
            await asyncio.sleep(0.05)
    listed = await store.page(None, after=0, limit=9)
    assert [one.state.session_id for one in listed] == [session_id]


async def test_sessions_that_ended_leave_the_memory_before_the_limit_is_reached() -> None:
    now = [1_700_000_000.0]
    store = MemorySessionStore(lambda: now[0])
    for _ in range(5 * SWEEP_EVERY):
        await store.create(new(ttl_s=1), Limits(10**6, None))
        now[0] += 1
    assert len(store._kept) <= SWEEP_EVERY + 1


async def test_a_refusal_after_a_lost_answer_is_an_unknown_outcome(redis_url: str) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, uuid4().hex)
    session_id = (await store.create(new(), ENOUGH)).session_id
    lock = await store.lock(session_id, "me", rolling_forward=False)
    assert lock is not None
    answers = iter((RedisTimeoutError(), OutOfMemoryError()))

    async def lost_then_refused(*_command: Any) -> None:
        raise next(answers, OutOfMemoryError())

    pool.client.call = lost_then_refused  # type: ignore[method-assign]  # as Redis would answer
    with pytest.raises(OutcomeUnknownError):
        await store.save(lock, replace(lock.state, stm=(("a",),)), None)
    await pool.close()


async def test_no_key_of_an_ended_session_stays_in_redis(redis_url: str) -> None:
    instance = uuid4().hex
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    async with Redis.from_url(redis_url) as client:
        store = RedisSessionStore(pool.client, instance)
        session = await store.create(new(user_id="Ada", ttl_s=1), ENOUGH)
        lock = await store.lock(session.session_id, "me", rolling_forward=False)
        assert lock is not None
        state = replace(lock.state, stm=(("a",),), pending_emotives=({"joy": 1.0},))
        await store.save(lock, state, None)
        await asyncio.sleep(1.2)
        await store.create(new(), ENOUGH)
        keys = [key.decode() for key in await client.keys(f"kato:{instance}:*")]
    await pool.close()
    assert not [key for key in keys if session.session_id in key or "user:" in key]


async def test_a_default_session_made_by_many_at_once_is_listed_as_the_one_that_lives(
    kept: Kept,
) -> None:
    session_id = uuid4().hex
    made = await asyncio.gather(*(kept.create(session_id=session_id, ttl_s=None) for _ in range(8)))
    assert {each.incarnation for each in made} == {made[0].incarnation}
    (listed,) = await kept.store.page(None, after=0, limit=9)
    assert listed.state.incarnation == made[0].incarnation
    assert await kept.store.count() == 1


async def test_a_default_session_that_is_not_made_takes_one_place_at_most(redis_url: str) -> None:
    """It never expires, so what a create leaves that failed halfway would count for ever."""
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, uuid4().hex)
    await store.create(new(ttl_s=None), ENOUGH)
    call, session_id = pool.client.call, uuid4().hex

    async def refused_for_the_session(*command: Any) -> Any:
        if any(session_id in str(key) for key in command[3 : 3 + int(command[2])]):
            raise OutOfMemoryError
        return await call(*command)

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
    """A replica that takes over may not have heard of it: it answered that all was saved."""
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


async def test_what_is_not_ours_in_redis_is_unavailable_and_said(redis_url: str) -> None:
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


async def test_a_password_that_redis_asks_for_is_said(redis_server: Any) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_server.url, pool_size=2))
    await pool.client.config_set("requirepass", "secret")
    stranger = RedisConnectionPool(RedisOptions(url=redis_server.url, pool_size=2))
    with pytest.raises(StoreUnavailableError, match="REDIS_URL"):
        await RedisSessionStore(stranger.client, uuid4().hex).load("x")
    with pytest.raises(StoreUnavailableError, match="REDIS_URL"):
        await stranger.check()
    await pool.close()
    await stranger.close()


async def test_a_session_and_its_place_go_in_one_step(redis_url: str) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_url, pool_size=2))
    store = RedisSessionStore(pool.client, uuid4().hex)
    session = await store.create(new(user_id="Ada"), ENOUGH)
    lock = await store.lock(session.session_id, "me", rolling_forward=False)
    assert lock is not None
    calls, call = [], pool.client.call

    async def counted(*command: Any) -> Any:
        calls.append(command[0])
        return await call(*command)

    pool.client.call = counted  # type: ignore[method-assign]
    assert await store.remove(lock)
    assert set(calls) <= {"EVALSHA", "EVAL"}
    assert calls.count("EVALSHA") == 1
    assert await store.count() == 0
    assert await store.page("Ada", after=0, limit=9) == ()
    await pool.close()
