"""The stores that the settings ask for: their connections, and what is kept in them.

What speaks to a server is imported where it is made: the drivers take longer to import than an
instance with embedded stores takes to start.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from kato_service.connections.database_manager import DatabaseManager
from kato_service.connections.local_vectors import LocalVectors
from kato_service.connections.monitor import CheckPlan
from kato_service.connections.store_pool import EmbeddedStore
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
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.store import SessionStore
from kato_service.settings.settings import Settings

if TYPE_CHECKING:
    from kato_service.connections.mongo_pool import MongoConnectionPool
    from kato_service.connections.qdrant_pool import QdrantConnectionPool
    from kato_service.connections.redis_pool import RedisConnectionPool


def make_databases(settings: Settings) -> DatabaseManager:
    """The connections that the settings ask for; no server is asked yet."""
    plan = CheckPlan(
        interval_s=settings.health_check_interval_s,
        timeout_s=settings.health_check_timeout_s,
        failures=settings.health_check_failures,
    )
    return DatabaseManager(_redis(settings), _mongodb(settings), _qdrant(settings), plan)


def session_store(settings: Settings, databases: DatabaseManager) -> SessionStore:
    """The sessions that the settings ask for."""
    if isinstance(databases.redis, EmbeddedStore):
        return MemorySessionStore()
    from kato_service.sessions.redis.store import RedisSessionStore

    return RedisSessionStore(
        databases.redis.client, settings.processor_id, circuit=databases.circuits["redis"]
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


def snapshots(settings: Settings) -> Snapshots | None:
    """The snapshot files that the settings ask for; None: there are none."""
    directory = settings.knowledge_snapshot_dir
    if directory is None:
        if settings.knowledge_in != "embedded":
            return None
        directory = settings.data_dir / "snapshots"
    return Snapshots(directory, limit_bytes=settings.knowledge_snapshot_bytes)


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


def _dimensions(settings: Settings, databases: DatabaseManager, *, probed: bool) -> Dimensions:
    """What users of a Qdrant agreed on, in the store of their knowledge."""
    if isinstance(databases.mongodb, EmbeddedStore):
        path = _made(settings.data_dir) / "knowledge.sqlite"
        return SqliteDimensions(SqliteFile(path, busy_timeout_s=KnowledgeLimits().busy_timeout_s))
    from kato_service.knowledge.vectors.mongo_dimensions import MongoDimensions

    circuit = databases.circuits["mongodb"] if probed else None
    return MongoDimensions(databases.mongodb.database, circuit=circuit)


def _made(folder: Path) -> Path:
    """*folder*, created if it was missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
