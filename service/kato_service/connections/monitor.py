"""The background check of one store: sets it up once, then asks it again and again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

from kato_service.connections.store_pool import PoolUsage, StorePool
from kato_service.errors import StoreUnavailableError

log = structlog.get_logger()

FIRST_RETRY_S = 0.5
SET_UP_TIMEOUT_S = 15.0
Status = Literal["healthy", "degraded", "unhealthy", "disabled"]


@dataclass(frozen=True, slots=True)
class CheckPlan:
    interval_s: float = 5.0
    timeout_s: float = 3.0
    failures: int = 3
    """Failed checks in a row after which a store counts as down."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """What the last checks found; no store is asked for it."""

    status: Status
    backend: str
    latency_ms: float | None
    pool: PoolUsage
    last_error_at: datetime | None


class StoreMonitor:
    """Healthy; degraded: its last check failed; unhealthy: too many did, or never set up."""

    def __init__(
        self,
        pool: StorePool,
        plan: CheckPlan,
        set_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._pool = pool
        self._plan = plan
        self._set_up = set_up or pool.check
        self._failures = 0
        self._latency_ms: float | None = None
        self._last_error_at: datetime | None = None
        self.errors = 0
        """Failed checks so far."""
        self.was_set_up = False

    @property
    def usable(self) -> bool:
        return self.was_set_up and self._failures < self._plan.failures

    def health(self) -> StoreHealth:
        return StoreHealth(
            status=self._status(),
            backend=self._pool.backend,
            latency_ms=self._latency_ms,
            pool=self._pool.usage(),
            last_error_at=self._last_error_at,
        )

    async def run(self) -> None:
        """Check until cancelled, more often while the store is not set up yet."""
        wait_s = min(FIRST_RETRY_S, self._plan.interval_s)
        while True:
            await self.check()
            if self.was_set_up:
                wait_s = self._plan.interval_s
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, self._plan.interval_s)

    async def check(self) -> None:
        """One check; a store that was never set up is set up."""
        began = time.perf_counter()
        ask = self._pool.check if self.was_set_up else self._set_up
        timeout_s = self._plan.timeout_s if self.was_set_up else SET_UP_TIMEOUT_S
        try:
            async with asyncio.timeout(timeout_s):
                await ask()
        except (StoreUnavailableError, TimeoutError) as exc:
            self._note_failure(exc)
            return
        self._note_success((time.perf_counter() - began) * 1000)

    def _status(self) -> Status:
        if self._pool.backend == "disabled":
            return "disabled"
        if not self.usable:
            return "unhealthy"
        return "degraded" if self._failures else "healthy"

    def _note_success(self, latency_ms: float) -> None:
        if not self.was_set_up or self._failures:
            log.info("store usable", store=self._pool.name, backend=self._pool.backend)
        self.was_set_up = True
        self._failures = 0
        self._latency_ms = round(latency_ms, 3)

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        self.errors += 1
        self._last_error_at = datetime.now(UTC)
        if self._failures in (1, self._plan.failures):
            log.warning(
                "store check failed",
                store=self._pool.name,
                failures=self._failures,
                reason=str(error) or "no answer in time",
            )
