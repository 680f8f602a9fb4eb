"""The knowledge base and the vectors that a service with the same settings has."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kato_service.connections.store_pool import EmbeddedStore, StorePool
from kato_service.errors import SettingsError, TransferError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.knowledge.vectors.embedded_vectors import EmbeddedVectors
from kato_service.knowledge.vectors.vector_store import VectorPage, VectorStore
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.settings.settings import Settings
from kato_service.stores import knowledge_log, make_databases, vector_store


@asynccontextmanager
async def knowledge_base(kb: str, settings: Settings) -> AsyncIterator[SuperKnowledgeBase]:
    """The knowledge base that a service with these settings has.

    No circuit breaker is in its way: nothing probes the stores of a command, so an open circuit
    would never close again.
    """
    databases = make_databases(settings)
    pool = databases.mongodb
    bases = KnowledgeBases(
        knowledge_log(settings, databases, probed=False),
        PatternSearcher(settings.kato_engine).new_index,
        limits=KnowledgeLimits(retention_s=settings.log_retention_s),
    )
    try:
        if not isinstance(pool, EmbeddedStore):
            await pool.open()
        await bases.start()
        yield bases.get(kb)
    finally:
        await bases.close()
        await databases.close()


@asynccontextmanager
async def vectors_to_write(settings: Settings) -> AsyncIterator[VectorStore]:
    """The vectors of a service with these settings.

    Raises:
        TransferError: It accepts none, or uses them in files at this moment.
    """
    databases = make_databases(settings)
    store, pool = vector_store(settings, databases, probed=False), databases.qdrant
    if store is None or isinstance(pool, EmbeddedStore):
        raise TransferError(
            "VECTORS: this instance accepts no vectors; enable them, or leave the vectors behind"
            " (--without-vectors)"
        )
    try:
        if not isinstance(databases.mongodb, EmbeddedStore):
            await databases.mongodb.open()  # it keeps the dimensions
        await _open(pool)
        await store.open()
        yield store
    finally:
        await store.close()
        await databases.close()


async def vectors_to_read(settings: Settings, kb: str, cleared: int) -> AsyncIterator[VectorPage]:
    """The vectors of *kb* since its last clear; the service may be running."""
    if settings.vectors_in == "disabled":
        return
    if settings.vectors_in == "embedded":
        files = EmbeddedVectors(settings.data_dir / "vectors", only_reads=True)
        try:
            async for page in files.pages(kb, cleared):
                yield page
        finally:
            await files.close()
        return
    async with vectors_to_write(settings) as store:
        async for page in store.pages(kb, cleared):
            yield page


async def _open(pool: StorePool) -> None:
    try:
        await pool.open()
    except SettingsError as exc:
        raise TransferError(
            f"{exc.message}. Embedded vectors belong to one process: stop the service, import, and"
            " start it again"
        ) from exc
