"""The opened service that requests work with, and what its metrics read."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

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
RESTART_DELAY_S = 1.0


@dataclass(slots=True)
class Service:
    """What requests work with, as ``app.state.service`` holds it."""

    settings: Settings
    sessions: SessionManager
    processor: KatoProcessor
    searcher: PatternSearcher
    knowledge: KnowledgeBases
    databases: DatabaseManager
    metrics: Metrics
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    active_sessions: int | None = None
    """As last counted in the background; None: not yet."""
    stopping: bool = False
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a shutdown begins: sockets close then."""

    def stop(self) -> None:
        """A shutdown begins; safe to call from a signal handler."""
        self.stopping = True
        self._loop.call_soon_threadsafe(self.stopped.set)

    @property
    def engine_name(self) -> str:
        return self.searcher.engine_name

    def stores(self) -> Mapping[str, StoreHealth]:
        return self.databases.health()

    def knowledge_usage(self) -> KnowledgeUsage:
        return self.knowledge.usage()

    @property
    def ready(self) -> bool:
        """Set up, with sessions that can be used, and not on its way out."""
        usable = self.databases.set_up and self.databases.usable("redis")
        return usable and not self.stopping

    async def count_sessions(self) -> None:
        """Count them again and again, so that health and metrics ask no store."""
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


@dataclass(frozen=True, slots=True)
class ServiceGauges:
    service: Service

    def active_sessions(self) -> int | None:
        return self.service.active_sessions

    def knowledge(self) -> KnowledgeUsage:
        return self.service.knowledge_usage()

    def stores(self) -> Mapping[str, StoreHealth]:
        return self.service.databases.health()

    def labels(self) -> dict[str, str]:
        health = self.service.databases.health()
        return {
            "engine": self.service.searcher.engine_name,
            "processor_id": self.service.settings.processor_id,
            **{name: found.backend for name, found in health.items()},
        }
