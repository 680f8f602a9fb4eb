"""The background probe of one store: sets it up once, then checks it until the process ends.

Only this probe closes the circuit of the store.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from kato_service.backoff import Backoff
from kato_service.connections.circuit import Circuit
from kato_service.connections.store_pool import PoolUsage, StorePool
from kato_service.errors import StoreRefusedError, StoreUnavailableError

log = structlog.get_logger()

FIRST_PAUSE_S = 0.1
"""Back-off after the first failed check; it grows up to the interval of the plan."""
SET_UP_TIMEOUT_S = 15.0
"""Seconds for setting a store up, which makes indexes and takes longer than a check."""
Status = Literal["healthy", "degraded", "unhealthy", "disabled"]


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """When a store is checked, and when it counts as down."""

    interval_s: float = 5.0
    """Seconds between two checks of a store that answers."""
    timeout_s: float = 3.0
    """Seconds that a check may take."""
    failures: int = 3
    """Calls and checks in a row without an answer, after which a store counts as down."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """What the last calls and checks found; reading it asks no store."""

    status: Status
    backend: str
    circuit: Literal["closed", "open"]
    latency_ms: float | None
    """Duration of the last check that was answered."""
    pool: PoolUsage
    last_error_at: datetime | None
    errors: int
    """Calls and checks without an answer so far."""
    calls: int = 0
    """Calls that were done so far; none to a store that is embedded."""
    calls_s: float = 0.0
    """Seconds that they took together."""


class StoreMonitor:
    """Probes one store and reports its health.

    Unhealthy: its circuit is open, or it was never set up. Degraded: the last call or check got no
    answer, or a refusal. Disabled: the instance has no such store. Healthy otherwise.
    """

    def __init__(
        self,
        pool: StorePool,
        circuit: Circuit,
        plan: CheckPlan,
        set_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._pool = pool
        self._circuit = circuit
        self._plan = plan
        self._set_up = set_up or pool.check
        self._latency_ms: float | None = None
        self._refuses = False
        self.was_set_up = False

    @property
    def usable(self) -> bool:
        return self.was_set_up and not self._circuit.is_open

    def health(self) -> StoreHealth:
        return StoreHealth(
            status=self._status(),
            backend=self._pool.backend,
            circuit="open" if self._circuit.is_open else "closed",
            latency_ms=self._latency_ms,
            pool=self._pool.usage(),
            last_error_at=self._circuit.last_error_at,
            errors=self._circuit.errors,
            calls=self._circuit.calls,
            calls_s=self._circuit.calls_s,
        )

    async def run(self) -> None:
        """Probe until cancelled: at intervals, at once after a failed call, and with back-off while
        the store does not answer."""
        backoff = self._backoff()
        while True:
            if await self.check():
                backoff = self._backoff()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._plan.interval_s):
                        await self._circuit.suspected.wait()
            else:
                await backoff.pause()

    async def check(self) -> bool:
        """Probe once: set the store up if it never was, else check it; whether it answered."""
        asked, began = time.perf_counter(), time.monotonic()
        ask = self._pool.check if self.was_set_up else self._set_up
        timeout_s = self._plan.timeout_s if self.was_set_up else SET_UP_TIMEOUT_S
        try:
            async with asyncio.timeout(timeout_s):
                await ask()
        except (StoreUnavailableError, TimeoutError) as exc:
            self._refuses = self.was_set_up and isinstance(exc, StoreRefusedError)
            if not self._refuses:
                self._note_failure(exc, began)
                return False
        else:
            self._refuses = False
        self._note_success((time.perf_counter() - asked) * 1000)
        return True

    def _backoff(self) -> Backoff:
        return Backoff(FIRST_PAUSE_S, self._plan.interval_s)

    def _status(self) -> Status:
        if self._pool.backend == "disabled":
            return "disabled"
        if not self.usable:
            return "unhealthy"
        return "degraded" if self._circuit.failures or self._refuses else "healthy"

    def _note_success(self, latency_ms: float) -> None:
        self._latency_ms = round(latency_ms, 3)
        self._circuit.probed()
        if not self.was_set_up:
            log.info("store set up", store=self._pool.name, backend=self._pool.backend)
        self.was_set_up = True

    def _note_failure(self, error: Exception, began: float) -> None:
        known = self._circuit.failures
        self._circuit.failed(began)
        if not known:
            log.warning(
                "store did not answer",
                store=self._pool.name,
                reason=str(error) or "it did not answer in time",
            )
