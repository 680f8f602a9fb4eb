"""The opened service: what requests work with, and what metrics and health report."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Literal

from kato_service.access.access_control import AccessControl
from kato_service.access.rate_limits import RateLimits
from kato_service.connections.database_manager import DatabaseManager
from kato_service.connections.monitor import StoreHealth
from kato_service.knowledge.bases import KnowledgeBases, KnowledgeUsage
from kato_service.monitoring.feed import EventFeed
from kato_service.monitoring.history import INTERVAL_S, Counts, History
from kato_service.monitoring.metrics import Metrics
from kato_service.monitoring.resources import ResourceMeter
from kato_service.monitoring.session_count import SessionCount
from kato_service.processing.kato_processor import KatoProcessor
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.sessions.session_manager import SessionManager
from kato_service.settings.settings import Settings
from kato_service.users.opening import Users

BACKLOG = 65_535
"""Connections that may wait to be accepted; the kernel lowers it to its own limit. Beyond it,
clients only see a time-out or a reset."""
RESTART_DELAY_S = 1.0
"""Seconds before background work that crashed runs again."""
HealthStatus = Literal["healthy", "degraded", "unhealthy"]


@dataclass(slots=True)
class Service:
    """The parts of the service; ``app.state.service`` holds it for requests."""

    settings: Settings
    sessions: SessionManager
    processor: KatoProcessor
    searcher: PatternSearcher
    knowledge: KnowledgeBases
    databases: DatabaseManager
    metrics: Metrics
    access: AccessControl
    session_count: SessionCount
    users: Users
    resources: ResourceMeter
    history: History = field(default_factory=History)
    feed: EventFeed = field(default_factory=EventFeed)
    rate_limits: RateLimits | None = None
    """None: callers may send as much as they like."""
    started_at: float = field(default_factory=monotonic)
    """By the monotonic clock: an uptime does not change when somebody sets the wall clock."""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    stopping: bool = False
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a shutdown begins; WebSockets close then."""

    def stop(self) -> None:
        """Begin a shutdown; safe to call from a signal handler."""
        self.stopping = True
        self._loop.call_soon_threadsafe(self.stopped.set)

    @property
    def engine_name(self) -> str:
        return self.searcher.engine_name

    def stores(self) -> Mapping[str, StoreHealth]:
        return self.databases.health()

    def knowledge_usage(self) -> KnowledgeUsage:
        return self.knowledge.usage()

    def credential_sources(self) -> dict[str, bool]:
        """Whether the files and the issuer that credentials are checked by could be read last."""
        return {state.source: state.usable for state in self.access.sources()}

    def labels(self) -> dict[str, str]:
        """The labels of ``kato_service_info``: what this process runs on."""
        backends = {name: found.backend for name, found in self.stores().items()}
        return {
            "engine": self.engine_name,
            "processor_id": self.settings.processor_id,
            **backends,
        }

    @property
    def ready(self) -> bool:
        """Whether requests can be served: stores set up, sessions usable, not shutting down."""
        usable = self.databases.set_up and self.databases.usable("redis")
        return usable and not self.stopping

    @property
    def active_sessions(self) -> int:
        """Live sessions as last counted; 0 until they could be counted for the first time."""
        return self.session_count.latest

    @property
    def counted_sessions(self) -> int | None:
        """Live sessions; None while they cannot be counted."""
        return self.session_count.latest if self.session_count.is_current else None

    @property
    def status(self) -> HealthStatus:
        """Unhealthy if sessions cannot be used; degraded if any other store is not healthy, or the
        source of credentials cannot be read."""
        stores = self.stores()
        if stores["redis"].status == "unhealthy":
            return "unhealthy"
        well = all(found.status in ("healthy", "disabled") for found in stores.values())
        return "healthy" if well and self.access.is_healthy else "degraded"

    def counts(self) -> Counts:
        """What was counted so far."""
        return Counts(replace(self.metrics.totals), self.active_sessions, self.stores())

    async def run_history(self) -> None:
        """Take a sample at intervals, until cancelled."""
        while True:
            resources = await asyncio.to_thread(self.resources.read)
            self.history.add(self.counts(), resources)
            await asyncio.sleep(INTERVAL_S)
