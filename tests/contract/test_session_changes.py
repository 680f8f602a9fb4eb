"""Sessions and the knowledge log change together, through crashes, lost locks and lost replies."""

import asyncio
from dataclasses import replace

import pytest
from session_replicas import AB, CrashError, Pair, Replica, with_stm

from kato_service.domain.deadline import Deadline
from kato_service.domain.observation import Observation
from kato_service.errors import OutcomeUnknownError
from kato_service.processing.results import SequenceResult
from kato_service.processing.sequence import SequenceOptions
from kato_service.sessions.changes import SweepPlan
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.state import Change, SessionState
from kato_service.sessions.store import SessionStore


@pytest.mark.parametrize(
    ("call", "when", "frequency"),
    [
        pytest.param("intend", "before", 0, id="before the intent"),
        pytest.param("intend", "after", 1, id="after the intent"),
        pytest.param("save", "before", 1, id="before the save"),
        pytest.param("save", "after", 1, id="after the save"),
    ],
)
async def test_a_crash_leaves_nothing_or_the_whole_learn(
    replicas: Pair, call: str, when: str, frequency: int
) -> None:
    dying, alive = replicas
    session_id = await with_stm(dying)
    dying.store.call, dying.store.when = call, when
    with pytest.raises(CrashError):
        await dying.learn(session_id, unique_id="u")
    # Whoever locks the session next completes the change.
    await alive.observe(session_id, "x")
    assert await alive.frequency() == frequency
    assert await dying.frequency() == frequency
    expected = ["x"] if frequency else ["a", "b", "x"]
    assert await alive.stm(session_id) == expected


async def test_the_first_observe_of_a_session_loads_its_knowledge_base(replicas: Pair) -> None:
    one, other = replicas
    await one.learn(await with_stm(one))
    session_id = await other.create()
    assert not other.knowledge.get("kato").in_use
    await other.observe(session_id, "a")
    async with asyncio.timeout(20):
        while other.knowledge.get("kato").pattern_count is None:
            await asyncio.sleep(0.001)


STEPS = [
    pytest.param("intend", "before", False, id="before the intent"),
    pytest.param("intend", "after", True, id="after the intent"),
    pytest.param("save", "before", True, id="before the save"),
    pytest.param("save", "after", True, id="after the save"),
]


@pytest.mark.parametrize(("call", "when", "is_whole"), STEPS)
async def test_a_crash_leaves_nothing_or_the_whole_auto_learn(
    replicas: Pair, call: str, when: str, *, is_whole: bool
) -> None:
    dying, alive = replicas
    overrides = {"max_pattern_length": 2, "stm_mode": "CLEAR"}
    made = await dying.sessions.create(user_id=None, metadata={}, overrides=overrides)
    session_id = made.session_id
    await dying.observe(session_id, "a")
    dying.store.call, dying.store.when = call, when
    with pytest.raises(CrashError):
        await dying.observe(session_id, "b", unique_id="u")
    again = await alive.observe(session_id, "b", unique_id="u")
    assert (again.repeated, again.auto_learned_pattern) == (is_whole, AB)
    assert await alive.frequency() == await dying.frequency() == 1
    assert await alive.stm(session_id) == []


@pytest.mark.parametrize(("call", "when", "is_whole"), STEPS)
async def test_a_crash_leaves_nothing_or_the_whole_sequence(
    replicas: Pair, call: str, when: str, *, is_whole: bool
) -> None:
    dying, alive = replicas
    session_id = await dying.create()
    dying.store.call, dying.store.when = call, when
    with pytest.raises(CrashError):
        await sequence(dying, session_id)
    again = await sequence(alive, session_id)
    assert again.repeated == is_whole
    assert await alive.frequency() == await dying.frequency() == 2
    assert await alive.knowledge.get("kato").tail(deadline=Deadline.after(10)) == 2
    assert await alive.stm(session_id) == []


async def sequence(replica: Replica, session_id: str) -> SequenceResult:
    """Learn twice within one request."""
    deadline = Deadline.after(30)
    options = SequenceOptions(learn_after_each=False, learn_at_end=True, clear_stm_between=False)

    async def plan(state: SessionState) -> Change[SequenceResult]:
        return await replica.processor.observe_sequence(
            replace(state, overrides={"max_pattern_length": 2, "stm_mode": "CLEAR"}),
            [Observation((symbol,)) for symbol in "abab"],
            options=options,
            unique_id="u",
            deadline=deadline,
        )

    return await replica.sessions.change(session_id, plan, deadline=deadline)


@pytest.mark.parametrize("call", ["intend", "save"])
async def test_a_repeat_after_a_crash_counts_once(replicas: Pair, call: str) -> None:
    dying, alive = replicas
    session_id = await with_stm(dying)
    dying.store.call, dying.store.when = call, "after"
    with pytest.raises(CrashError):
        await dying.learn(session_id, unique_id="u")
    again = await alive.learn(session_id, unique_id="u")
    assert (again.repeated, again.pattern_name, again.frequency) == (True, AB, 1)
    assert await alive.frequency() == 1


async def test_a_later_learn_does_not_change_the_answer_to_a_repeat(replicas: Pair) -> None:
    one, two = replicas
    session_id = await with_stm(one)
    assert (await one.learn(session_id, unique_id="first")).frequency == 1
    for symbol in ("a", "b"):
        await one.observe(session_id, symbol)
    assert (await one.learn(session_id)).frequency == 2
    again = await two.learn(session_id, unique_id="first")
    assert (again.repeated, again.frequency) == (True, 1)


async def test_reads_show_the_change_of_a_pending_intent(replicas: Pair) -> None:
    dying, alive = replicas
    session_id = await with_stm(dying)
    dying.store.call, dying.store.when = "intend", "after"
    with pytest.raises(CrashError):
        await dying.learn(session_id)
    assert await alive.stm(session_id) == []


async def test_a_learn_in_the_log_succeeds_although_the_reply_to_its_save_is_lost(
    replicas: Pair,
) -> None:
    one, two = replicas
    session_id = await with_stm(one)
    one.store.call, one.store.when = "save", "unanswered"
    assert (await one.learn(session_id)).frequency == 1
    assert await two.stm(session_id) == []
    assert await two.frequency() == 1


async def test_an_observation_with_an_unknown_outcome_is_safe_to_repeat(replicas: Pair) -> None:
    one, two = replicas
    session_id = await one.create()
    one.store.call, one.store.when = "save", "unanswered"
    with pytest.raises(OutcomeUnknownError, match="unique_id"):
        await one.observe(session_id, "a", unique_id="u")
    assert (await two.observe(session_id, "a", unique_id="u")).repeated
    assert await two.stm(session_id) == ["a"]


async def test_a_background_task_completes_a_change_that_nobody_else_completes(
    replicas: Pair,
) -> None:
    dying, alive = replicas
    sweeper = Replica(alive.store, alive.knowledge, sweep=SweepPlan(overdue_s=0.0))
    session_id = await with_stm(dying)
    dying.store.call, dying.store.when = "intend", "after"
    with pytest.raises(CrashError):
        await dying.learn(session_id)
    sweeping = asyncio.create_task(sweeper.sessions.run())
    async with asyncio.timeout(60):
        while not await alive.frequency():
            await asyncio.sleep(0.02)
    sweeping.cancel()
    await sweeper.sessions.close()
    assert await alive.stm(session_id) == []


async def test_a_busy_session_does_not_hold_up_the_completion_of_others(replicas: Pair) -> None:
    dying, alive = replicas
    plan = SweepPlan(overdue_s=0.0, patience_s=0.1)
    sweeper = Replica(alive.store, alive.knowledge, sweep=plan)
    busy, waiting = await with_stm(dying), await with_stm(dying)
    for session_id in (busy, waiting):
        dying.store.call, dying.store.when = "intend", "after"
        with pytest.raises(CrashError):
            await dying.learn(session_id)
    lock = await dying.store.store.lock(busy, "holder", rolling_forward=False)
    assert lock is not None
    sweeping = asyncio.create_task(sweeper.sessions.run())
    async with asyncio.timeout(60):
        while not await alive.frequency():
            await dying.store.store.renew(lock)  # busy all the time
            await asyncio.sleep(0.02)
    sweeping.cancel()
    await sweeper.sessions.close()
    assert await alive.stm(waiting) == []


async def test_a_request_that_lost_its_lock_starts_over(replicas: Pair) -> None:
    slow, quick = replicas
    session_id = await slow.create()
    deadline = Deadline.after(30)
    planned = 0

    async def plan(state: SessionState) -> Change[int]:
        nonlocal planned
        planned += 1
        if planned == 1:
            # Stands for a pause longer than the lease: another request gets the session.
            await expire_lease(slow.store.store, session_id)
            await quick.observe(session_id, "quick")
        after = await slow.processor.observe(
            state, Observation(("slow",)), unique_id=None, deadline=deadline
        )
        return replace(after, answer=lambda _applied: planned)  # type: ignore[return-value]

    assert await slow.sessions.change(session_id, plan, deadline=deadline) == 2
    assert await quick.stm(session_id) == ["quick", "slow"]


async def expire_lease(store: SessionStore, session_id: str) -> None:
    """End the lease of the holder of the session."""
    if isinstance(store, MemorySessionStore):
        store._sessions[session_id].lease_end = 0.0
        return
    assert isinstance(store, RedisSessionStore)
    await store._client.call("HSET", store._keys(session_id)[0], "lea", "1")
