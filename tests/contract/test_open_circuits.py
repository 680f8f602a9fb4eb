"""Open circuits: an unknown outcome stays unknown, and a change that started is completed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient

from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_client import RedisOptions
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.configurations import UserConfigurations
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.mongo_log import MongoKnowledgeLog
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.session_manager import SessionLimits, SessionManager
from kato_service.sessions.state import Change, Intent, SessionState
from kato_service.sessions.store import Limits, Lock, NewSession
from kato_service.settings.settings import read_settings
from kato_service.transfer.target import knowledge_base

INSERT = b"\x02insert\x00"
EVENTS = (("a",), ("b",))
NewProxy = Callable[[int], Awaitable[Any]]


def learn() -> Learn:
    return Learn(uuid4().hex, pattern_name(EVENTS), EVENTS, None, 5)


def opened(circuit: Circuit) -> None:
    while not circuit.is_open:
        circuit.failed(began=float("inf"))


@asynccontextmanager
async def knowledge(
    port: int, circuit: Circuit, limits: KnowledgeLimits = DEFAULT_LIMITS
) -> AsyncIterator[KnowledgeBases]:
    address = f"mongodb://kato:secret@127.0.0.1:{port}/?directConnection=true"
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(address, retryWrites=False)
    database = client[f"test_{uuid4().hex}"]
    log = MongoKnowledgeLog(database, circuit=circuit)
    bases = KnowledgeBases(log, PlainPatterns, limits=limits)
    await bases.start()
    yield bases
    await bases.close()
    await client.close()


async def test_an_entry_sent_before_the_circuit_opened_has_an_unknown_outcome(
    mongo_url: str, faulty_proxy: NewProxy
) -> None:
    hasty = KnowledgeLimits(append_retry_s=5.0)
    proxy = await faulty_proxy(int(mongo_url.rpartition(":")[2].split("/")[0]))
    circuit = Circuit("mongodb", opens_after=2)
    async with knowledge(proxy.port, circuit, hasty) as bases:
        base = bases.get("kato")
        await base.append([learn()], since=0)
        proxy.lose_replies(INSERT, 2)  # both are inserted, and the second finds the first
        entry = learn()
        with pytest.raises(OutcomeUnknownError):
            await base.append([entry], since=1)
        assert circuit.is_open
        with pytest.raises(StoreUnavailableError) as caught:
            await base.append([learn()], since=1)
        assert not isinstance(caught.value, OutcomeUnknownError)
        circuit.probed()
        (applied,) = await base.append([entry], since=1, lookup=True)
        assert (applied.revision, applied.frequency) == (2, 2)
        assert await base.tail(deadline=Deadline.after(10)) == 2


async def test_a_command_succeeds_once_its_store_answers_again(
    mongo_url: str, faulty_proxy: NewProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing probes the stores of a command, so no circuit may open."""
    proxy = await faulty_proxy(int(mongo_url.rpartition(":")[2].split("/")[0]))
    address = f"mongodb://kato:secret@127.0.0.1:{proxy.port}/?directConnection=true"
    monkeypatch.setenv("MONGO_BASE_URL", address)
    monkeypatch.setenv("MONGO_DATABASE", f"test_{uuid4().hex}")
    async with knowledge_base("kato", read_settings()) as base:
        assert await base.tail(deadline=Deadline.after(30)) == 0
        proxy.lose_replies(b"kato:head", 1000)
        for _ in range(4):
            with pytest.raises(StoreUnavailableError):
                await base.tail(deadline=Deadline.after(30))
        proxy.lose_replies(b"kato:head", 0)
        assert await base.tail(deadline=Deadline.after(30)) == 0


class OpeningStore(MemorySessionStore):
    """The circuit of the log opens right after an intent was stored."""

    def __init__(self, circuit: Circuit) -> None:
        super().__init__()
        self._log_circuit = circuit

    async def intend(self, lock: Lock, intent: Intent) -> bool:
        stored = await super().intend(lock, intent)
        opened(self._log_circuit)
        return stored


async def test_a_learn_whose_intent_is_stored_is_completed_once_the_circuit_closed(
    mongo_url: str,
) -> None:
    circuit = Circuit("mongodb", opens_after=3)
    port = int(mongo_url.rpartition(":")[2].split("/")[0])
    async with knowledge(port, circuit) as bases:
        sessions = SessionManager(
            OpeningStore(circuit),
            bases,
            SessionLimits(),
            UserConfigurations(bases.configurations, "kato"),
        )
        made = await sessions.create(user_id=None, metadata={}, overrides={})
        other = await sessions.create(user_id=None, metadata={}, overrides={})

        async def learning(state: SessionState) -> Change[int]:
            return Change(state, lambda applied: applied[0].frequency or 0, (learn(),))

        async def looking(state: SessionState) -> Change[str]:
            return Change(state, lambda _applied: "changed")

        with pytest.raises(StoreUnavailableError, match="will be completed later"):
            await sessions.change(made.session_id, learning, deadline=Deadline.after(30))
        with pytest.raises(StoreUnavailableError, match="not completed yet"):
            await sessions.change(made.session_id, looking, deadline=Deadline.after(30))
        answer = await sessions.change(other.session_id, looking, deadline=Deadline.after(30))
        assert answer == "changed"
        with pytest.raises(StoreUnavailableError, match="retry later"):  # its intent is not stored
            await sessions.change(other.session_id, learning, deadline=Deadline.after(30))
        circuit.probed()
        for session_id in (made.session_id, other.session_id):
            await sessions.change(session_id, looking, deadline=Deadline.after(30))
        assert await bases.get("kato").tail(deadline=Deadline.after(10)) == 1
        await sessions.close()


async def test_a_save_sent_before_the_circuit_opened_has_an_unknown_outcome(
    redis_server: Any,
) -> None:
    pool = RedisConnectionPool(RedisOptions(url=redis_server.url, socket_timeout_s=2.0))
    circuit = Circuit("redis", opens_after=1)
    store = RedisSessionStore(pool.client, "kato", circuit=circuit)
    new = NewSession("s", "incarnation", None, "kato", None, {}, {})
    await store.create(new, Limits(10, None))
    lock = await store.lock("s", "owner", rolling_forward=False)
    assert lock is not None
    redis_server.freeze()
    with pytest.raises(OutcomeUnknownError):
        await store.save(lock, lock.state, None)
    assert circuit.is_open
    with pytest.raises(StoreUnavailableError, match="retry later") as caught:
        await store.load("s")
    assert not isinstance(caught.value, OutcomeUnknownError)
    redis_server.thaw()
    circuit.probed()
    assert await store.load("s") is not None
    await pool.close()
