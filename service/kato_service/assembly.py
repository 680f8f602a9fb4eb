"""Assembly: makes the parts of the service from the settings, opens and closes them in order.

What speaks to a server is imported where it is made: the drivers take longer to import than an
instance with embedded stores takes to start.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from kato_service.access.opening import access_control, rate_limits
from kato_service.connections.database_manager import DatabaseManager
from kato_service.connections.local_vectors import LocalVectors
from kato_service.connections.monitor import CheckPlan
from kato_service.connections.store_pool import EmbeddedStore
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.configurations import UserConfigurations
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.snapshots.snapshots import Snapshots
from kato_service.knowledge.stores.sqlite_file import SqliteFile
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.vectors.deferred_vectors import DeferredVectors
from kato_service.knowledge.vectors.dimensions import Dimensions
from kato_service.knowledge.vectors.embedded_vectors import EmbeddedVectors
from kato_service.knowledge.vectors.sqlite_dimensions import SqliteDimensions
from kato_service.knowledge.vectors.vector_places import VectorPlaces
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.knowledge.writing.trimming import TrimPlan
from kato_service.monitoring.metrics import Metrics
from kato_service.monitoring.opening import event_feed, follow, resource_meter, session_count
from kato_service.processing.kato_processor import KatoProcessor
from kato_service.processing.limits import ObservationLimits
from kato_service.search.matching import Found
from kato_service.search.pace import Pace
from kato_service.search.pattern_searcher import PatternSearcher, Search
from kato_service.service import RESTART_DELAY_S, Service
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.session_manager import SessionLimits, SessionManager
from kato_service.sessions.store import SessionStore
from kato_service.settings.settings import Settings
from kato_service.traces.untraced import Untraced
from kato_service.users.opening import users

if TYPE_CHECKING:
    from kato_service.connections.mongo_pool import MongoConnectionPool
    from kato_service.connections.qdrant_pool import QdrantConnectionPool
    from kato_service.connections.redis_pool import RedisConnectionPool

log = structlog.get_logger()
LONG_PENDING_S = 60.0
"""Seconds after which an unfinished change of a session stops the trimming of logs: whoever
completes it looks its entries up, and must find those that are in the log already."""


class MeasuredSearcher(PatternSearcher):
    """A searcher that measures how long matching takes."""

    def __init__(self, engine: str, metrics: Metrics) -> None:
        super().__init__(engine)
        self._metrics = metrics

    def run(self, search: Search, pace: Pace | None = None) -> Found:
        began = perf_counter()
        try:
            return super().run(search, pace)
        finally:
            held_s = pace.held_s if pace else 0.0
            self._metrics.matched(perf_counter() - began - held_s)


@asynccontextmanager
async def running_service(
    settings: Settings, traces: Untraced | None = None
) -> AsyncIterator[Service]:
    """The opened service with its background tasks; all is closed in reverse order afterwards.

    Args:
        traces: What traces its parts; None: nothing does.
    """
    databases = make_databases(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(databases.close)
        service = await _assembled(settings, databases, stack, traces or Untraced())
        background = (
            databases.run,
            service.sessions.run,
            service.sessions.watches.run,
            service.users.eraser.run,
            service.users.configurations.run,
            service.access.run,
            service.session_count.run,
            service.run_history,
            service.feed.run,
            service.knowledge.run_materialiser,
            service.knowledge.run_upkeep,
            service.processor.run_vectors,
        )
        await stack.enter_async_context(_running(background))
        yield service


def make_databases(settings: Settings) -> DatabaseManager:
    """The connections that the settings ask for; no server is asked yet."""
    plan = CheckPlan(
        interval_s=settings.health_check_interval_s,
        timeout_s=settings.health_check_timeout_s,
        failures=settings.health_check_failures,
    )
    return DatabaseManager(_redis(settings), _mongodb(settings), _qdrant(settings), plan)


async def _assembled(
    settings: Settings, databases: DatabaseManager, stack: AsyncExitStack, traces: Untraced
) -> Service:
    metrics = Metrics()
    searcher = MeasuredSearcher(settings.kato_engine, metrics)
    store = traces.store(
        _session_store(settings, databases), _system(settings.sessions_in, "memory")
    )
    kept = traces.store(
        knowledge_log(settings, databases), _system(settings.knowledge_in, "sqlite")
    )
    knowledge = _knowledge(settings, databases, kept, searcher, store)
    stack.push_async_callback(knowledge.close)
    await databases.open({"mongodb": knowledge.start})
    vectors = traces.store(
        await _opened_vectors(settings, databases, stack),
        _system(settings.vectors_in, "local vectors"),
    )
    limits = _observation_limits(settings)
    threads = traces.threads(
        settings.matching_budget_s, waiting=settings.max_requests_in_flight // 4
    )
    configurations = UserConfigurations(kept.configurations, settings.processor_id)
    sessions = SessionManager(
        store,
        knowledge,
        _session_limits(settings),
        configurations,
        waited=metrics.waited,
    )
    service = Service(
        settings=settings,
        sessions=sessions,
        processor=KatoProcessor(knowledge, searcher, vectors, settings.genes, limits, threads),
        searcher=searcher,
        knowledge=knowledge,
        databases=databases,
        metrics=metrics,
        access=access_control(settings),
        session_count=session_count(settings, sessions, databases),
        users=users(settings, knowledge, store, sessions, vectors, configurations),
        resources=resource_meter(settings),
        feed=event_feed(settings, databases),
        rate_limits=rate_limits(settings, databases),
    )
    stack.push_async_callback(service.access.close)
    stack.callback(service.processor.threads.close)
    stack.push_async_callback(service.sessions.close)
    stack.push_async_callback(service.users.eraser.close)
    stack.push_async_callback(configurations.close)
    metrics.watch(service)
    follow(sessions, metrics, service.session_count, service.feed)
    return service


def _knowledge(
    settings: Settings,
    databases: DatabaseManager,
    kept: KnowledgeLog,
    searcher: PatternSearcher,
    store: SessionStore,
) -> KnowledgeBases:
    if isinstance(databases.mongodb, EmbeddedStore):
        databases.mongodb.read = partial(kept.head, settings.processor_id)
    return KnowledgeBases(
        kept,
        searcher.new_index,
        limits=_knowledge_limits(settings),
        trim=TrimPlan(is_safe=partial(_nothing_pending, store)),
        snapshots=_snapshots(settings),
    )


async def _nothing_pending(store: SessionStore) -> bool:
    """Whether no change of a session has been unfinished for long.

    Raises:
        StoreUnavailableError: The store did not answer, so it cannot be told.
    """
    return not await store.pending(older_than_s=LONG_PENDING_S)


@asynccontextmanager
async def _running(background: Sequence[Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_kept_running(work)) for work in background]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def _kept_running(work: Callable[[], Awaitable[None]]) -> None:
    """Run *work*, and start it over after a crash: the outermost boundary of background tasks."""
    while True:
        try:
            await work()
            return
        except Exception:  # the outermost boundary
            log.exception("background work crashed")
        await asyncio.sleep(RESTART_DELAY_S)


def _redis(settings: Settings) -> "RedisConnectionPool | EmbeddedStore":
    if settings.redis_url is None:
        return EmbeddedStore("redis", "memory")
    from kato_service.connections.redis_client import RedisOptions
    from kato_service.connections.redis_pool import RedisConnectionPool

    return RedisConnectionPool(
        RedisOptions(
            url=settings.redis_url.get_secret_value(),
            pool_size=settings.redis_pool_size,
            socket_timeout_s=settings.redis_socket_timeout_s,
        )
    )


def _mongodb(settings: Settings) -> "MongoConnectionPool | EmbeddedStore":
    if settings.mongo_base_url is None:
        return EmbeddedStore("mongodb", "sqlite")
    from kato_service.connections.mongo_pool import MongoConnectionPool, MongoOptions

    return MongoConnectionPool(
        MongoOptions(
            url=settings.mongo_base_url.get_secret_value(),
            database=settings.mongo_database,
            min_size=settings.mongo_pool_min_size,
            max_size=settings.mongo_pool_size,
            max_idle_s=settings.mongo_max_idle_s,
            wait_queue_timeout_s=settings.mongo_wait_queue_timeout_s,
            server_selection_timeout_s=settings.mongo_server_selection_timeout_s,
        )
    )


def _qdrant(settings: Settings) -> "QdrantConnectionPool | LocalVectors | EmbeddedStore":
    if settings.vectors_in == "disabled":
        return EmbeddedStore("qdrant", "disabled")
    if settings.qdrant_address is None:
        return LocalVectors(settings.data_dir / "vectors")
    from kato_service.connections.qdrant_pool import QdrantConnectionPool, QdrantOptions

    key = settings.qdrant_api_key
    return QdrantConnectionPool(
        QdrantOptions(
            url=settings.qdrant_address,
            grpc_port=settings.qdrant_grpc_port,
            api_key=key.get_secret_value() if key else None,
            pool_size=settings.qdrant_pool_size,
            timeout_s=settings.qdrant_timeout_s,
            prefer_grpc=settings.qdrant_prefer_grpc,
        )
    )


def knowledge_log(
    settings: Settings, databases: DatabaseManager, *, probed: bool = True
) -> KnowledgeLog:
    """The log of knowledge that the settings ask for.

    Args:
        probed: The connections are monitored, so that a circuit that opens is closed again.
    """
    if isinstance(databases.mongodb, EmbeddedStore):
        return SqliteKnowledgeLog(_made(settings.data_dir) / "knowledge.sqlite")
    from kato_service.knowledge.stores.mongo_log import MongoKnowledgeLog

    circuit = databases.circuits["mongodb"] if probed else None
    return MongoKnowledgeLog(databases.mongodb.database, circuit=circuit)


def _snapshots(settings: Settings) -> Snapshots | None:
    directory = settings.knowledge_snapshot_dir
    if directory is None:
        if settings.knowledge_in != "embedded":
            return None
        directory = settings.data_dir / "snapshots"
    return Snapshots(directory, limit_bytes=settings.knowledge_snapshot_bytes)


def _system(place: str, embedded: str) -> str:
    """What spans call the store that is kept in *place*."""
    return embedded if place == "embedded" else place


def _made(folder: Path) -> Path:
    """*folder*, created if it was missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _session_store(settings: Settings, databases: DatabaseManager) -> SessionStore:
    if isinstance(databases.redis, EmbeddedStore):
        return MemorySessionStore()
    from kato_service.sessions.redis.store import RedisSessionStore

    return RedisSessionStore(
        databases.redis.client, settings.processor_id, circuit=databases.circuits["redis"]
    )


async def _opened_vectors(
    settings: Settings, databases: DatabaseManager, stack: AsyncExitStack
) -> VectorStore | None:
    vectors = vector_store(settings, databases)
    if vectors is not None:
        stack.push_async_callback(vectors.close)
        await vectors.open()
    return vectors


def vector_store(
    settings: Settings, databases: DatabaseManager, *, probed: bool = True
) -> VectorStore | None:
    """The vectors that the settings ask for; None: the instance accepts none.

    Args:
        probed: As in `knowledge_log`.
    """
    pool = databases.qdrant
    places = VectorPlaces(settings.processor_id, settings.max_vector_knowledge_bases)
    if isinstance(pool, EmbeddedStore):
        return None
    if isinstance(pool, LocalVectors):
        return EmbeddedVectors(pool.path, places=places)
    return DeferredVectors(
        lambda: pool.client,
        _dimensions(settings, databases, probed=probed),
        instance=settings.processor_id,
        timeout_s=settings.qdrant_timeout_s,
        circuit=databases.circuits["qdrant"] if probed else None,
        places=places,
    )


def _dimensions(settings: Settings, databases: DatabaseManager, *, probed: bool) -> Dimensions:
    """What users of a Qdrant agreed on, in the store of their knowledge."""
    if isinstance(databases.mongodb, EmbeddedStore):
        path = _made(settings.data_dir) / "knowledge.sqlite"
        return SqliteDimensions(SqliteFile(path, busy_timeout_s=KnowledgeLimits().busy_timeout_s))
    from kato_service.knowledge.vectors.mongo_dimensions import MongoDimensions

    circuit = databases.circuits["mongodb"] if probed else None
    return MongoDimensions(databases.mongodb.database, circuit=circuit)


def _knowledge_limits(settings: Settings) -> KnowledgeLimits:
    return KnowledgeLimits(
        memory_bytes=settings.knowledge_memory_bytes // settings.workers,
        max_staleness_s=settings.knowledge_max_staleness_s,
        retention_s=settings.log_retention_s,
    )


def _session_limits(settings: Settings) -> SessionLimits:
    return SessionLimits(
        default_ttl_s=settings.session_ttl_s,
        auto_extend=settings.session_auto_extend,
        max_sessions=settings.max_sessions,
        max_sessions_per_user=settings.max_sessions_per_user,
        max_waiting=settings.max_requests_in_flight // 2,
    )


def _observation_limits(settings: Settings) -> ObservationLimits:
    return ObservationLimits(
        max_stm_events=settings.max_stm_events,
        max_stm_symbols=settings.max_stm_symbols,
        max_stm_bytes=settings.max_stm_bytes,
        max_pending_emotives=settings.max_pending_emotives,
        max_strings_per_event=settings.max_strings_per_event,
        max_symbol_chars=settings.max_symbol_chars,
        max_vectors=settings.max_vectors_per_observation,
        max_vector_dimensions=settings.max_vector_dimensions,
        max_metadata_bytes=settings.max_metadata_bytes,
    )
