"""The suite for every `SessionStore`: limits on sessions, and lists of them."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from session_stores import SHORT_S, Kept, intent_for, new

from kato_service.errors import SessionLimitExceededError
from kato_service.sessions.memory import SWEEP_EVERY, MemorySessionStore
from kato_service.sessions.state import SessionState
from kato_service.sessions.steady_clock import SteadyClock
from kato_service.sessions.store import Limits


@pytest.mark.parametrize(
    ("limits", "user_id", "message"),
    [
        pytest.param(
            Limits(2, 100),
            None,
            r"^session limit reached for this instance \(2\); delete a session or raise"
            r" MAX_SESSIONS$",
            id="instance",
        ),
        pytest.param(
            Limits(100, 2),
            "Ada",
            r"^session limit reached for this user \(2\); delete a session or raise"
            r" MAX_SESSIONS_PER_USER$",
            id="user",
        ),
    ],
)
async def test_a_limit_refuses_one_session_too_many(
    kept: Kept, limits: Limits, user_id: str | None, message: str
) -> None:
    for _ in range(2):
        await kept.store.create(new(user_id=user_id, ttl_s=SHORT_S), limits)
    with pytest.raises(SessionLimitExceededError, match=message):
        await kept.store.create(new(user_id=user_id), limits)
    assert await kept.store.count() == 2
    await kept.pass_time(SHORT_S + 0.1)
    assert await kept.store.create(new(user_id=user_id), limits)


async def test_concurrent_creates_never_exceed_a_limit(kept: Kept) -> None:
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


async def test_pages_show_the_length_of_each_stm(kept: Kept) -> None:
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


async def test_ended_sessions_leave_memory_before_the_limit_is_reached() -> None:
    now = [1_700_000_000.0]
    store = MemorySessionStore(SteadyClock(lambda: now[0], lambda: now[0]))
    for _ in range(5 * SWEEP_EVERY):
        await store.create(new(ttl_s=1), Limits(10**6, None))
        now[0] += 1
    assert len(store._sessions) <= SWEEP_EVERY + 1


async def test_a_default_session_that_many_create_at_once_is_listed_once(
    kept: Kept,
) -> None:
    session_id = uuid4().hex
    made = await asyncio.gather(*(kept.create(session_id=session_id, ttl_s=None) for _ in range(8)))
    assert {each.incarnation for each in made} == {made[0].incarnation}
    (listed,) = await kept.store.page(None, after=0, limit=9)
    assert listed.state.incarnation == made[0].incarnation
    assert await kept.store.count() == 1
