"""Makes what watches the service from the settings; `assembly` calls it."""

from functools import partial

from kato_service.connections.database_manager import DatabaseManager
from kato_service.connections.store_pool import EmbeddedStore
from kato_service.monitoring.feed import EventFeed
from kato_service.monitoring.metrics import Metrics
from kato_service.monitoring.resources import ResourceMeter
from kato_service.monitoring.session_count import SessionCount
from kato_service.processing.cores import usable_cores
from kato_service.sessions.session_manager import SessionManager
from kato_service.sessions.state import SessionState
from kato_service.settings.rules import half_of_memory
from kato_service.settings.settings import Settings


def session_count(
    settings: Settings, sessions: SessionManager, databases: DatabaseManager
) -> SessionCount:
    return SessionCount(
        sessions.count,
        partial(databases.usable, "redis"),
        interval_s=settings.health_check_interval_s,
    )


def resource_meter(settings: Settings) -> ResourceMeter:
    memory_bytes = 2 * half_of_memory()
    return ResourceMeter(settings.data_dir, cores=usable_cores(), memory_bytes=memory_bytes)


def event_feed(settings: Settings, databases: DatabaseManager) -> EventFeed:
    """The feed of all replicas, or of this process alone if its sessions are embedded."""
    feed = EventFeed()
    if not isinstance(databases.redis, EmbeddedStore):
        from kato_service.monitoring.shared_events import RedisEvents

        client, circuit = databases.redis.client, databases.circuits["redis"]
        feed.elsewhere = RedisEvents(client, settings.processor_id, circuit, feed)
    return feed


def follow(
    sessions: SessionManager, metrics: Metrics, count: SessionCount, feed: EventFeed
) -> None:
    """Tell counters, count and feed of every session that this process creates or deletes."""

    def created(state: SessionState) -> None:
        metrics.session_created()
        count.changed()
        feed.created(state)

    def deleted(state: SessionState) -> None:
        metrics.session_deleted()
        count.changed()
        feed.deleted(state)

    sessions.created, sessions.deleted = created, deleted
