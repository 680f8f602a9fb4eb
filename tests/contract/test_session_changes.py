"""Sessions and the knowledge log change together, through crashes, lost locks and lost replies.

Two replicas over one store; in Redis, over shared SQLite knowledge, as two processes would be.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kato_service.connections.redis_pool import RedisConnectionPool, RedisOptions
from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.observation import Observation
from kato_service.domain.pattern import pattern_name
from kato_service.errors import (
    DeadlineExceededError,
    OutcomeUnknownError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.processing.kato_processor import KatoProcessor, ObservationLimits
from kato_service.processing.results import LearnResult, ObservationResult, SequenceResult
from kato_service.processing.sequence import SequenceOptions
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.session_manager import SessionLimits, SessionManager
from kato_service.sessions.state import Change, SessionState
from kato_service.sessions.store import SessionStore

AB = pattern_name((("a",), ("b",)))


class CrashError(Exception):
    """The process dies here: whatever is raised, nobody handles it."""


@dataclass
class Crashing:
    """A store that loses its process before or after one call, or only the reply."""

    store: SessionStore
    call: str = ""
    when: str = ""
    """before | after | unanswered"""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        return self._failing(method) if name == self.call else method

    def _failing(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def failing(*arguments: Any, **named: Any) -> Any:
            self.call = ""
            if self.when == "before":
                raise CrashError
            await method(*arguments, **named)
            raise CrashError if self.when == "after" else OutcomeUnknownError("no reply")

        return failing


@dataclass
class Replica:
    """One process of the service, as far as sessions and knowledge go."""

    store: Crashing
    knowledge: KnowledgeBases
    limits: SessionLimits = field(default_factory=SessionLimits)

    def __post_init__(self) -> None:
        self.sessions = SessionManager(
            self.store,  # type: ignore[arg-type]  # hands every call on
            self.knowledge,
            self.limits,
            processor_id="kato",
        )
        searcher = PatternSearcher()
        self.processor = KatoProcessor(
            self.knowledge, searcher, None, Genes(), ObservationLimits(max_stm_events=2000)
        )

    async def create(self, user_id: str | None = None) -> str:
        state = await self.sessions.create(user_id=user_id, metadata={}, overrides={})
        return state.session_id

    async def observe(
        self, session_id: str, symbol: str, unique_id: str | None = None
    ) -> ObservationResult:
        deadline = Deadline.after(30)

        async def plan(state: SessionState) -> Change[ObservationResult]:
            return await self.processor.observe(
                state, Observation((symbol,)), unique_id=unique_id, deadline=deadline
            )

        return await self.sessions.change(session_id, plan, deadline=deadline)

    async def learn(
        self, session_id: str, unique_id: str | None = None, *, timeout_s: float = 30
    ) -> LearnResult:
        deadline = Deadline.after(timeout_s)

        async def plan(state: SessionState) -> Change[LearnResult]:
            return await self.processor.learn(state, unique_id=unique_id, deadline=deadline)

        return await self.sessions.change(session_id, plan, deadline=deadline)

    async def frequency(self, kb: str = "kato") -> int:
        async with self.knowledge.get(kb).reading(deadline=Deadline.after(10)) as view:
            pattern = view.patterns.get(AB)
            return 0 if pattern is None else pattern.frequency

    async def stm(self, session_id: str) -> list[str]:
        state = await self.sessions.load(session_id)
        return [symbol for event in state.stm for symbol in event]


Pair = tuple[Replica, Replica]


@pytest.fixture(params=["memory", "redis"])
async def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two replicas; over memory they share the process, and so its knowledge bases."""
    instance = uuid4().hex
    pools: list[RedisConnectionPool] = []
    memory = MemorySessionStore()

    def store() -> SessionStore:
        if request.param == "memory":
            return memory
        url = request.getfixturevalue("redis_url")
        pools.append(RedisConnectionPool(RedisOptions(url=url, pool_size=30)))
        return RedisSessionStore(pools[-1].client, instance)

    bases = [await opened(tmp_path), await opened(tmp_path)]
    one, two = (Replica(Crashing(store()), knowledge) for knowledge in bases)
    yield one, two
    for replica in (one, two):
        await replica.sessions.close()
        await replica.knowledge.close()
    for pool in pools:
        await pool.close()


async def opened(directory: Path) -> KnowledgeBases:
    log = SqliteKnowledgeLog(directory / "log.sqlite")
    bases = KnowledgeBases(log, PatternSearcher().new_index)
    await bases.start()
    return bases


async def with_stm(replica: Replica) -> str:
    """A session that has observed a, then b."""
    session_id = await replica.create()
    for symbol in ("a", "b"):
        await replica.observe(session_id, symbol)
    return session_id


async def test_every_acknowledged_observation_of_a_crowd_is_there_once(replicas: Pair) -> None:
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


async def test_repeats_of_one_request_at_once_count_once(replicas: Pair) -> None:
    session_id = await replicas[0].create()
    answers = await asyncio.gather(
        *(replicas[i % 2].observe(session_id, "a", unique_id="same") for i in range(12))
    )
    assert await replicas[0].stm(session_id) == ["a"]
    assert sum(answer.repeated for answer in answers) == 11
    assert {answer.stm_length for answer in answers} == {1}


async def test_what_one_replica_learned_the_other_knows_at_once(replicas: Pair) -> None:
    session_id = await with_stm(replicas[0])
    learned = await replicas[0].learn(session_id)
    assert (learned.pattern_name, learned.frequency) == (AB, 1)
    assert await replicas[1].frequency() == 1
    assert await replicas[1].stm(session_id) == []


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
    # Whoever locks the session next completes what was begun.
    await alive.observe(session_id, "x")
    assert await alive.frequency() == frequency
    assert await dying.frequency() == frequency
    expected = ["x"] if frequency else ["a", "b", "x"]
    assert await alive.stm(session_id) == expected


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
    """Learns twice within one request."""
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
async def test_a_retry_after_a_crash_counts_once(replicas: Pair, call: str) -> None:
    dying, alive = replicas
    session_id = await with_stm(dying)
    dying.store.call, dying.store.when = call, "after"
    with pytest.raises(CrashError):
        await dying.learn(session_id, unique_id="u")
    again = await alive.learn(session_id, unique_id="u")
    assert (again.repeated, again.pattern_name, again.frequency) == (True, AB, 1)
    assert await alive.frequency() == 1


async def test_a_later_learn_leaves_the_answer_to_a_repeat_alone(replicas: Pair) -> None:
    one, two = replicas
    session_id = await with_stm(one)
    assert (await one.learn(session_id, unique_id="first")).frequency == 1
    for symbol in ("a", "b"):
        await one.observe(session_id, symbol)
    assert (await one.learn(session_id)).frequency == 2
    again = await two.learn(session_id, unique_id="first")
    assert (again.repeated, again.frequency) == (True, 1)


async def test_reads_show_a_change_that_is_not_installed_yet(replicas: Pair) -> None:
    dying, alive = replicas
    session_id = await with_stm(dying)
    dying.store.call, dying.store.when = "intend", "after"
    with pytest.raises(CrashError):
        await dying.learn(session_id)
    assert await alive.stm(session_id) == []


async def test_a_save_whose_reply_is_lost_is_a_success_once_it_is_in_the_log(
    replicas: Pair,
) -> None:
    one, two = replicas
    session_id = await with_stm(one)
    one.store.call, one.store.when = "save", "unanswered"
    assert (await one.learn(session_id)).frequency == 1
    assert await two.stm(session_id) == []
    assert await two.frequency() == 1


async def test_an_observation_of_unknown_outcome_says_so(replicas: Pair) -> None:
    one, two = replicas
    session_id = await one.create()
    one.store.call, one.store.when = "save", "unanswered"
    with pytest.raises(OutcomeUnknownError, match="unique_id"):
        await one.observe(session_id, "a", unique_id="u")
    assert (await two.observe(session_id, "a", unique_id="u")).repeated
    assert await two.stm(session_id) == ["a"]


async def test_a_background_task_completes_what_nobody_locks(
    replicas: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying, alive = replicas
    session_id = await with_stm(dying)
    dying.store.call, dying.store.when = "intend", "after"
    with pytest.raises(CrashError):
        await dying.learn(session_id)
    monkeypatch.setattr("kato_service.sessions.session_manager.OVERDUE_S", 0.0)
    sweeping = asyncio.create_task(alive.sessions.run())
    async with asyncio.timeout(10):
        while not await alive.frequency():
            await asyncio.sleep(0.02)
    sweeping.cancel()
    assert await alive.stm(session_id) == []


async def test_a_session_that_stays_busy_holds_up_no_other_completion(
    replicas: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying, alive = replicas
    busy, waiting = await with_stm(dying), await with_stm(dying)
    for session_id in (busy, waiting):
        dying.store.call, dying.store.when = "intend", "after"
        with pytest.raises(CrashError):
            await dying.learn(session_id)
    lock = await dying.store.store.lock(busy, "holder", rolling_forward=False)
    assert lock is not None
    monkeypatch.setattr("kato_service.sessions.session_manager.OVERDUE_S", 0.0)
    monkeypatch.setattr("kato_service.sessions.changes.SWEEP_PATIENCE_S", 0.1)
    sweeping = asyncio.create_task(alive.sessions.run())
    async with asyncio.timeout(1.5):
        while not await alive.frequency():
            await asyncio.sleep(0.02)
    sweeping.cancel()
    assert await alive.stm(waiting) == []


async def test_a_lost_lock_starts_the_request_again(replicas: Pair) -> None:
    slow, quick = replicas
    session_id = await slow.create()
    deadline = Deadline.after(30)
    planned = 0

    async def plan(state: SessionState) -> Change[int]:
        nonlocal planned
        planned += 1
        if planned == 1:
            # As long a pause as takes the lease: somebody else gets the session.
            owner = slow.store.store
            await expire_lease(owner, session_id)
            await quick.observe(session_id, "quick")
        after = await slow.processor.observe(
            state, Observation(("slow",)), unique_id=None, deadline=deadline
        )
        return replace(after, answer=lambda _applied: planned)  # type: ignore[return-value]

    assert await slow.sessions.change(session_id, plan, deadline=deadline) == 2
    assert await quick.stm(session_id) == ["quick", "slow"]


async def expire_lease(store: SessionStore, session_id: str) -> None:
    """Let the lease of whoever holds the session be over."""
    if isinstance(store, MemorySessionStore):
        store._kept[session_id].lease_end = 0.0
        return
    assert isinstance(store, RedisSessionStore)
    await store._client.hset(store._keys(session_id)[0], "lea", "1")  # type: ignore[misc]


async def test_a_busy_session_is_refused_at_the_deadline(replicas: Pair) -> None:
    one, two = replicas
    session_id = await with_stm(one)
    lock = await one.store.store.lock(session_id, "holder", rolling_forward=False)
    assert lock is not None
    with pytest.raises(DeadlineExceededError):
        await two.learn(session_id, timeout_s=0.2)
    assert await two.stm(session_id) == ["a", "b"]


async def test_requests_take_as_few_round_trips_as_promised(redis_url: str, tmp_path: Path) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_url))
    store = RedisSessionStore(pool.client, uuid4().hex)
    replica = Replica(Crashing(store), await opened(tmp_path))
    session_id = await with_stm(replica)
    # Once each: Redis knows the scripts then.
    await replica.learn(session_id)
    await replica.sessions.load(session_id)
    await replica.sessions.page(user_id=None, limit=100, cursor=None)
    await replica.sessions.close()
    ask, asked = pool.client.calls, 0

    async def counted(commands: Any) -> Any:
        nonlocal asked
        # Nobody waits for an intent to be taken off the index.
        asked += commands[0][0] != "ZREM"
        return await ask(commands)

    async def trips(request: Awaitable[Any]) -> int:
        nonlocal asked
        asked = 0
        await request
        return asked

    pool.client.calls = counted  # type: ignore[method-assign]  # hands every call on
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


async def test_a_cancelled_request_still_happens_once_it_was_begun(replicas: Pair) -> None:
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


async def test_deletes_and_observes_at_once_end_cleanly(replicas: Pair) -> None:
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


async def test_a_sliding_session_lives_on_by_being_used(replicas: Pair) -> None:
    one, _ = replicas
    sliding = Replica(one.store, one.knowledge, SessionLimits(default_ttl_s=1, auto_extend=True))
    session_id = await sliding.create()
    for _ in range(4):
        await asyncio.sleep(0.4)
        await sliding.observe(session_id, "a")
    assert len(await sliding.stm(session_id)) == 4
    await asyncio.sleep(1.2)
    assert not await sliding.sessions.exists(session_id)


async def test_default_sessions_are_the_same_on_every_replica(replicas: Pair) -> None:
    one, two = replicas
    ids = await asyncio.gather(*(replica.sessions.default("Ada") for replica in (one, two) * 5))
    assert len(set(ids)) == 1
    assert await one.sessions.default(None) not in ids
    await one.sessions.delete(ids[0], deadline=Deadline.after(5))
    assert await two.sessions.default("Ada") == ids[0]
    assert await two.stm(ids[0]) == []


async def test_a_default_session_counts_once_however_often_it_is_made(replicas: Pair) -> None:
    one, two = replicas
    for _ in range(3):
        ids = await asyncio.gather(*(replica.sessions.default("Ada") for replica in (one, two) * 4))
        assert await one.sessions.count() == 1
        listed, _ = await two.sessions.page(user_id=None, limit=10, cursor=None)
        assert [one.state.session_id for one in listed] == [ids[0]]
        await two.sessions.delete(ids[0], deadline=Deadline.after(5))
        assert await one.sessions.count() == 0


NASTY = [
    *("acme-1", "acme_1", "acme.1", "ACME_1", "a/b", ".", "$", "{x}", "*", " ", "~", ":"),
    *("\U0001f600", "é", "e\u0301", "x" * 256),
]


async def test_users_share_nothing_whatever_they_are_called(replicas: Pair) -> None:
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
async def test_what_cannot_be_an_id_is_an_unknown_session(replicas: Pair, session_id: str) -> None:
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


async def test_learns_at_once_on_many_sessions_are_counted_exactly(replicas: Pair) -> None:
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
