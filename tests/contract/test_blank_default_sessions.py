"""Default sessions: reads create none, and blank ones take no place from others."""

from dataclasses import replace

import pytest
from session_replicas import Pair, Replica
from session_stores import Kept, new

from kato_service.domain.deadline import Deadline
from kato_service.domain.shares import Holder
from kato_service.errors import SessionLimitExceededError
from kato_service.processing.results import ClearResult
from kato_service.sessions.blank_defaults import PAUSE_S, BlankDefaults
from kato_service.sessions.session_manager import SessionLimits, SessionManager
from kato_service.sessions.state import Change, SessionState, is_blank
from kato_service.sessions.store import Limits


def limited(replica: Replica, most: int) -> SessionManager:
    limits = SessionLimits(max_sessions=most, max_sessions_per_user=most)
    return SessionManager(
        replica.store,  # type: ignore[arg-type]  # passes every call on
        replica.knowledge,
        limits,
        replica.configurations,
    )


async def test_reading_a_missing_default_session_stores_nothing(replicas: Pair) -> None:
    one, two = replicas
    for user_id in ("Ada", None):
        state = await one.sessions.default(user_id)
        assert is_blank(state)
        assert (state.session_id, state.user_id) == ("", user_id)
        assert await two.store.known_default(user_id) is None
    assert await one.sessions.count() == 0


async def test_reading_a_default_session_shows_it_on_every_replica(replicas: Pair) -> None:
    one, two = replicas
    session_id = await one.sessions.default_id("Ada")
    await one.observe(session_id, "a")
    state = await two.sessions.default("Ada")
    assert (state.session_id, state.stm) == (session_id, (("a",),))
    await two.sessions.delete(session_id, deadline=Deadline.after(5))
    assert is_blank(await one.sessions.default("Ada"))
    assert await one.sessions.count() == 0


async def test_blank_default_sessions_make_room_for_new_sessions(replicas: Pair) -> None:
    one, two = replicas
    few = limited(one, 3)
    used = await few.default_id("used")
    await one.observe(used, "a")
    blank = [await few.default_id(user_id) for user_id in ("blank", None)]
    created = await few.create(user_id=None, metadata={}, overrides={})
    assert [await two.sessions.exists(each) for each in (used, *blank)] == [True, False, False]
    assert await two.sessions.exists(created.session_id)
    # The id stays, so the session comes back under it.
    assert await few.default_id("blank") == blank[0]


async def test_a_default_session_that_was_cleared_makes_room(replicas: Pair) -> None:
    one, _ = replicas
    few = limited(one, 1)
    session_id = await few.default_id("Ada")
    await one.observe(session_id, "a")
    with pytest.raises(SessionLimitExceededError):
        await few.create(user_id=None, metadata={}, overrides={})

    async def clear(state: SessionState) -> Change[ClearResult]:
        return await one.processor.clear_all(state, unique_id=None)

    await few.change(session_id, clear, deadline=Deadline.after(5))
    few = limited(one, 1)  # without the pause after the search that found nothing
    assert await few.create(user_id=None, metadata={}, overrides={})


@pytest.mark.parametrize(
    "held",
    [
        {"overrides": {"recall_threshold": 0.5}},
        {"time": 1},
        {"percept": {"strings": ["a"]}},
        {"pending_emotives": ({"joy": 1.0},)},
    ],
    ids=["genes", "time", "percept", "emotives"],
)
async def test_a_default_session_that_holds_anything_stays(
    kept: Kept, held: dict[str, object]
) -> None:
    session = await kept.create(ttl_s=None)
    lock = await kept.locked(session.session_id)
    await kept.store.save(lock, replace(lock.state, **held), None)  # type: ignore[arg-type]
    assert not await BlankDefaults(kept.store).dropped()
    assert await kept.store.exists(session.session_id)


async def test_a_blank_default_session_in_use_stays(kept: Kept) -> None:
    session = await kept.create(ttl_s=None)
    lock = await kept.locked(session.session_id)
    assert not await BlankDefaults(kept.store).dropped()
    assert await kept.store.save(lock, replace(lock.state, time=1), None) == "saved"


async def test_a_blank_session_that_expires_stays(kept: Kept) -> None:
    session = await kept.create()
    assert not await BlankDefaults(kept.store).dropped()
    assert await kept.store.exists(session.session_id)


async def test_a_search_that_found_nothing_is_not_repeated_at_once(kept: Kept) -> None:
    now = [0.0]
    blank = BlankDefaults(kept.store, clock=lambda: now[0])
    assert not await blank.dropped()
    await kept.create(ttl_s=None)
    assert not await blank.dropped()
    now[0] += PAUSE_S
    assert await blank.dropped()


LIMIT = Limits(20, None, caller=Holder("address", "10.0.0.1"))
OF_ONE_CALLER = 18


async def test_one_caller_leaves_a_tenth_of_the_sessions_to_others(kept: Kept) -> None:
    sessions = [await kept.store.create(new(), LIMIT) for _ in range(OF_ONE_CALLER)]
    with pytest.raises(
        SessionLimitExceededError,
        match=r"^session limit reached for this client address \(18, so that it leaves some of"
        r" MAX_SESSIONS to others\); delete a session or raise MAX_SESSIONS$",
    ):
        await kept.store.create(new(), LIMIT)
    other = replace(LIMIT, caller=Holder("address", "10.0.0.2"))
    for _ in range(2):
        await kept.store.create(new(user_id="Ada"), other)
    with pytest.raises(SessionLimitExceededError, match="this instance"):
        await kept.store.create(new(), other)
    assert await kept.store.remove(await kept.locked(sessions[0].session_id))
    assert await kept.store.create(new(), LIMIT)
    with pytest.raises(SessionLimitExceededError):
        await kept.store.create(new(), LIMIT)


async def test_sessions_that_expired_no_longer_count_for_their_caller(kept: Kept) -> None:
    for _ in range(OF_ONE_CALLER):
        await kept.store.create(new(ttl_s=1), LIMIT)
    await kept.pass_time(2.2)
    assert await kept.store.create(new(), LIMIT)


async def test_default_sessions_count_for_their_caller_until_they_are_deleted(kept: Kept) -> None:
    async def created(number: int) -> str:
        fresh = new(user_id=f"user {number}", ttl_s=None, is_default=True)
        return (await kept.store.create(fresh, LIMIT)).session_id

    ids = [await created(number) for number in range(OF_ONE_CALLER)]
    assert [await created(number) for number in range(OF_ONE_CALLER)] == ids
    for turn in range(2 * OF_ONE_CALLER):  # places do not get lost, nor are they given back twice
        with pytest.raises(SessionLimitExceededError, match="this client address"):
            await created(OF_ONE_CALLER)
        assert await kept.store.remove(await kept.locked(ids.pop(0)))
        ids.append(await created(100 + turn))
        with pytest.raises(SessionLimitExceededError, match="this client address"):
            await created(OF_ONE_CALLER)
        assert await kept.store.remove(await kept.locked(ids.pop()))
        ids.append(await created(200 + turn))


async def test_a_user_and_a_caller_are_limited_together(kept: Kept) -> None:
    limits = Limits(100, 2, caller=Holder("address", "10.0.0.1"))
    for _ in range(2):
        await kept.store.create(new(user_id="Ada"), limits)
    with pytest.raises(SessionLimitExceededError, match="this user"):
        await kept.store.create(new(user_id="Ada"), limits)
    assert await kept.store.create(new(user_id="Bob"), limits)
