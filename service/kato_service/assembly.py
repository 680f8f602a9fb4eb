"""Assembly: makes the parts of the service from the settings, opens and closes them in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from time import perf_counter

import structlog

from kato_service.access.opening import access_control, rate_limits
from kato_service.connections.database_manager import DatabaseManager
from kato_service.connections.store_pool import EmbeddedStore
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.configurations import UserConfigurations
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.log import KnowledgeLog
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
from kato_service.sessions.session_manager import SessionLimits, SessionManager
from kato_service.sessions.store import SessionStore
from kato_service.settings.settings import Settings
from kato_service.stores import (
    knowledge_log,
    make_databases,
    session_store,
    snapshots,
    vector_store,
)
from kato_service.traces.untraced import Untraced
from kato_service.users.opening import users

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


async def _assembled(
    settings: Settings, databases: DatabaseManager, stack: AsyncExitStack, traces: Untraced
) -> Service:
    service = await _made(settings, databases, stack, traces)
    stack.push_async_callback(service.access.close)
    stack.callback(service.processor.threads.close)
    stack.push_async_callback(service.sessions.close)
    stack.push_async_callback(service.users.eraser.close)
    stack.push_async_callback(service.users.configurations.close)
    service.metrics.watch(service)
    follow(service.sessions, service.metrics, service.session_count, service.feed)
    return service


async def _made(
    settings: Settings, databases: DatabaseManager, stack: AsyncExitStack, traces: Untraced
) -> Service:
    """The service on stores that are open, and that *stack* closes."""
    metrics = Metrics()
    searcher = MeasuredSearcher(settings.kato_engine, metrics)
    store = traces.store(
        session_store(settings, databases), _system(settings.sessions_in, "memory")
    )
    kept = traces.store(
        knowledge_log(settings, databases), _system(settings.knowledge_in, "sqlite")
    )
    knowledge = _knowledge(settings, databases, kept, searcher, store)
    stack.push_async_callback(knowledge.close)
    await databases.open({"mongodb": knowledge.start})
    vectors = await _opened_vectors(settings, databases, stack, traces)
    limits = _observation_limits(settings)
    threads = traces.threads(
        settings.matching_budget_s, waiting=settings.max_requests_in_flight // 4
    )
    configurations = UserConfigurations(kept.configurations, settings.processor_id)
    sessions = _sessions(settings, store, knowledge, configurations, metrics)
    return Service(
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


async def _opened_vectors(
    settings: Settings, databases: DatabaseManager, stack: AsyncExitStack, traces: Untraced
) -> VectorStore | None:
    vectors = vector_store(settings, databases)
    if vectors is not None:
        stack.push_async_callback(vectors.close)
        await vectors.open()
    return traces.store(vectors, _system(settings.vectors_in, "local vectors"))


def _system(place: str, embedded: str) -> str:
    """What spans call the store that is kept in *place*."""
    return embedded if place == "embedded" else place


def _sessions(
    settings: Settings,
    store: SessionStore,
    knowledge: KnowledgeBases,
    configurations: UserConfigurations,
    metrics: Metrics,
) -> SessionManager:
    limits = _session_limits(settings)
    return SessionManager(store, knowledge, limits, configurations, waited=metrics.waited)


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
        snapshots=snapshots(settings),
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
