"""The circuit breaker of one store: failures in a row open it, a probe closes it."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf

import structlog

from kato_service.errors import StoreUnavailableError

log = structlog.get_logger()


class Circuit:
    """Closed: calls go through. Open: they are refused at once, until a probe is answered."""

    def __init__(
        self,
        store: str,
        *,
        opens_after: float = inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A closed circuit.

        Args:
            opens_after: Failures in a row that open it; by default it never opens, for uses where
                no probe would close it again.
            clock: Seconds, monotonic.
        """
        self.is_open = False
        self.failures = 0
        """In a row. Calls that fail together, as when connections break at once, count as one."""
        self.errors = 0
        """Calls and probes without an answer so far."""
        self.calls = 0
        """Calls that were done, without refusals and probes; `calls_s`: the seconds they took."""
        self.calls_s = 0.0
        self.last_error_at: datetime | None = None
        self.suspected = asyncio.Event()
        """Set while there is a reason to probe the store sooner than planned."""
        self._store = store
        self._opens_after = opens_after
        self._clock = clock
        self._counted_at = -inf

    def guarding(self, unanswered: Callable[[Exception], bool]) -> "_Guard":
        """Refuse the call inside while the circuit is open, else note how the call went.

        Args:
            unanswered: Whether an exception means that the store did not answer. A refusal by the
                store, or a limit of this process, is no failure of the store.

        Raises:
            StoreUnavailableError: The circuit is open; nothing was sent.
        """
        return _Guard(self, unanswered)

    def begun(self) -> float:
        """When a call begins that goes through now; raises what `guarding` raises."""
        if self.is_open:
            raise StoreUnavailableError(
                f"{self._store} does not answer and is probed in the background until it does;"
                " retry later"
            )
        return self._clock()

    def done(self, began: float) -> None:
        """Note an answered call that began at *began*."""
        self.calls += 1
        self.calls_s += self._clock() - began
        self.answered()

    def answered(self) -> None:
        """Note an answered call.

        It closes no open circuit: the call may have been sent before the store failed. Only a probe
        is known to be answered by the store as it is now.
        """
        if not self.is_open:
            self._forget_failures()

    def failed(self, began: float) -> None:
        """Note a call or probe that started at *began*, by the clock, and was not answered."""
        self.errors += 1
        self.last_error_at = datetime.now(UTC)
        if began < self._counted_at:
            return  # it was on its way when the last failure was counted: the same outage
        self._counted_at = self._clock()
        self.failures += 1
        self.suspected.set()
        if self.failures >= self._opens_after and not self.is_open:
            self.is_open = True
            log.warning("circuit opened", store=self._store, failures=self.failures)

    def probed(self) -> None:
        """Note an answered probe, which closes the circuit."""
        if self.is_open:
            self.is_open = False
            log.info("circuit closed", store=self._store)
        self._forget_failures()

    def _forget_failures(self) -> None:
        if self.failures:
            self.failures = 0
            self.suspected.clear()


class _Guard:
    """One call through a circuit; a class, because a generator costs more than the rest of it."""

    __slots__ = ("_began", "_circuit", "_unanswered")

    def __init__(self, circuit: Circuit, unanswered: Callable[[Exception], bool]) -> None:
        self._circuit = circuit
        self._unanswered = unanswered
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = self._circuit.begun()

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        if error is None:
            self._circuit.done(self._began)
        elif isinstance(error, Exception) and self._unanswered(error):
            self._circuit.failed(self._began)
