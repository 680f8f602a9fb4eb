"""Replicas of the service, reduced to sessions and knowledge, and ways to crash them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kato_service.connections.redis_client import RedisOptions
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.observation import Observation
from kato_service.domain.pattern import pattern_name
from kato_service.errors import OutcomeUnknownError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.configurations import UserConfigurations
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.processing.kato_processor import KatoProcessor
from kato_service.processing.limits import ObservationLimits
from kato_service.processing.results import LearnResult, ObservationResult
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.sessions.changes import SweepPlan
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.session_manager import SessionLimits, SessionManager
from kato_service.sessions.state import Change, SessionState
from kato_service.sessions.store import SessionStore

AB = pattern_name((("a",), ("b",)))


class CrashError(Exception):
    """Stands for the death of the process: nothing handles it."""


@dataclass
class Crashing:
    """A store whose process dies before or after one call, or which loses only the reply."""

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
    """One process of the service, reduced to sessions and knowledge."""

    store: Crashing
    knowledge: KnowledgeBases
    limits: SessionLimits = field(default_factory=SessionLimits)
    sweep: SweepPlan = field(default_factory=SweepPlan)

    def __post_init__(self) -> None:
        self.configurations = UserConfigurations(self.knowledge.configurations, "kato")
        self.sessions = SessionManager(
            self.store,  # type: ignore[arg-type]  # passes every call on
            self.knowledge,
            self.limits,
            self.configurations,
            sweep=self.sweep,
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
            return await self.processor.learn(state, unique_id=unique_id)

        return await self.sessions.change(session_id, plan, deadline=deadline)

    async def frequency(self, kb: str = "kato") -> int:
        async with self.knowledge.get(kb).reading(deadline=Deadline.after(10)) as knowledge:
            pattern = knowledge.patterns.get(AB)
            return 0 if pattern is None else pattern.frequency

    async def stm(self, session_id: str) -> list[str]:
        state = await self.sessions.load(session_id)
        return [symbol for event in state.stm for symbol in event]


Pair = tuple[Replica, Replica]


@pytest.fixture(params=["memory", "redis"])
async def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two replicas on one session store; the memory store is in this process for both."""
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
