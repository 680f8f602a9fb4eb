"""The opened service: what requests work with, and what metrics and health report."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic

from kato_service.access.access_control import AccessControl
from kato_service.access.rate_limits import RateLimits
from kato_service.connections.database_manager import DatabaseManager
from kato_service.connections.monitor import StoreHealth
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.bases import KnowledgeBases, KnowledgeUsage
from kato_service.metrics import Metrics
from kato_service.processing.kato_processor import KatoProcessor
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.sessions.session_manager import SessionManager
from kato_service.settings import Settings

COUNT_TIMEOUT_S = 5.0
"""Seconds that counting sessions may take."""
RESTART_DELAY_S = 1.0
"""Seconds before background work that crashed, or did not succeed yet, runs again."""


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
    rate_limits: RateLimits | None = None
    """None: callers may send as much as they like."""
    started_at: float = field(default_factory=monotonic)
    """By the monotonic clock: an uptime does not change when somebody sets the wall clock."""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    active_sessions: int | None = None
    """Live sessions as last counted in the background; None: unknown."""
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

    async def count_sessions(self) -> None:
        """Count live sessions at intervals, so that health and metrics need not ask a store."""
        while True:
            if self.databases.usable("redis"):
                await self._count()
            known = self.active_sessions is not None
            await asyncio.sleep(self.settings.health_check_interval_s if known else RESTART_DELAY_S)

    async def _count(self) -> None:
        try:
            async with asyncio.timeout(COUNT_TIMEOUT_S):
                self.active_sessions = await self.sessions.count()
        except (StoreUnavailableError, TimeoutError):
            self.active_sessions = None
