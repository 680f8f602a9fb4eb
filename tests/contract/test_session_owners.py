"""Callers see their own sessions and no others, wherever sessions are kept."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from session_replicas import Pair

from kato_service.domain.deadline import Deadline
from kato_service.domain.observation import Observation
from kato_service.errors import SessionNotFoundError
from kato_service.sessions.session_manager import SessionLimits
from kato_service.sessions.state import Change, SessionState

Asked = Callable[[Any, str, Callable[[str | None], bool]], Any]


def sees(user: str | None) -> Callable[[str | None], bool]:
    return lambda other: other == user


def soon() -> Deadline:
    return Deadline.after(30)


async def observe(replica: Any, session_id: str, seen: Callable[[str | None], bool]) -> Any:
    async def plan(state: SessionState) -> Change[Any]:
        observation = Observation(("x",))
        found: Change[Any] = await replica.processor.observe(
            state, observation, unique_id=None, deadline=soon()
        )
        return found

    return await replica.sessions.change(session_id, plan, deadline=soon(), sees=seen)


async def load(replica: Any, session_id: str, seen: Callable[[str | None], bool]) -> Any:
    return await replica.sessions.load(session_id, sees=seen)


async def extend(replica: Any, session_id: str, seen: Callable[[str | None], bool]) -> Any:
    return await replica.sessions.extend(session_id, 60, sees=seen)


async def delete(replica: Any, session_id: str, seen: Callable[[str | None], bool]) -> Any:
    await replica.sessions.delete(session_id, deadline=soon(), sees=seen)


@pytest.mark.parametrize("ask", [load, observe, extend, delete])
@pytest.mark.parametrize("stranger", ["Bob", None])
async def test_a_session_of_another_user_is_unknown_and_stays_as_it_is(
    replicas: Pair, ask: Asked, stranger: str | None
) -> None:
    replica, _ = replicas
    session_id = await replica.create("Ada")
    before = await replica.sessions.load(session_id)
    with pytest.raises(SessionNotFoundError) as theirs:
        await ask(replica, session_id, sees(stranger))
    with pytest.raises(SessionNotFoundError) as nobodys:
        await ask(replica, "a" * len(session_id), sees(stranger))
    assert theirs.value.message == nobodys.value.message
    assert await replica.sessions.load(session_id) == before
    await ask(replica, session_id, sees("Ada"))


async def test_whether_a_session_exists_is_told_to_its_user_only(replicas: Pair) -> None:
    replica, _ = replicas
    session_id = await replica.create("Ada")
    assert await replica.sessions.exists(session_id, sees=sees("Ada"))
    assert not await replica.sessions.exists(session_id, sees=sees("Bob"))
    assert not await replica.sessions.exists(session_id, sees=sees(None))


async def test_a_stranger_does_not_keep_a_session_alive(replicas: Pair) -> None:
    replica, _ = replicas
    sliding = replace(replica, limits=SessionLimits(auto_extend=True))
    session_id = await replica.create("Ada")
    before = (await replica.sessions.load(session_id)).expires_at
    for ask in (load, observe):
        with pytest.raises(SessionNotFoundError):
            await ask(sliding, session_id, sees("Bob"))
    assert (await replica.sessions.load(session_id)).expires_at == before
    await load(sliding, session_id, sees("Ada"))
    after = (await replica.sessions.load(session_id)).expires_at
    assert before is not None
    assert after is not None
    assert after > before


async def test_lists_and_counts_are_those_of_one_user(replicas: Pair) -> None:
    one, other = replicas
    mine = [await replica.create("Ada") for replica in (one, other, one)]
    nobodys = [await replica.create(None) for replica in (one, other)]
    await one.create("Bob")
    for user, expected in (("Ada", mine), (None, nobodys), ("Eve", [])):
        listed, cursor = [], None
        while True:
            page, cursor = await other.sessions.page_of(user, limit=2, cursor=cursor)
            listed += [it.state.session_id for it in page]
            if cursor is None:
                break
        assert listed == expected
        assert await one.sessions.count_of(user) == len(expected)
    assert await one.sessions.count() == 6


@pytest.mark.parametrize("ask", [observe, delete])
async def test_a_stranger_takes_no_place_in_the_queue_of_a_session(
    replicas: Pair, ask: Asked
) -> None:
    replica, _ = replicas
    crowded = replace(replica, limits=SessionLimits(max_waiting=0))
    session_id = await replica.create("Ada")
    began, leave = asyncio.Event(), asyncio.Event()

    async def plan(state: SessionState) -> Change[int]:
        began.set()
        await leave.wait()
        return Change(None, lambda _applied: state.time)

    owner = asyncio.create_task(
        crowded.sessions.change(session_id, plan, deadline=soon(), sees=sees("Ada"))
    )
    await began.wait()
    with pytest.raises(SessionNotFoundError):
        await ask(crowded, session_id, sees("Bob"))
    leave.set()
    assert await owner == 0
