"""Whether calls to a store are worth sending: failures open the circuit, a probe closes it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf

import structlog

from kato_service.errors import StoreUnavailableError

log = structlog.get_logger()


class Circuit:
    """Closed: calls go through. Open: they are refused at once, until a probe was answered."""

    def __init__(
        self,
        store: str,
        *,
        opens_after: float = inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*opens_after* failures in a row; without a probe that closes it again, it never opens."""
        self.is_open = False
        self.failures = 0
        """In a row; what fails together, as calls on connections that break at once, is one."""
        self.errors = 0
        """Calls and probes without an answer so far."""
        self.last_error_at: datetime | None = None
        self.suspected = asyncio.Event()
        """Set while there is reason to ask the store sooner than planned."""
        self._store = store
        self._opens_after = opens_after
        self._clock = clock
        self._counted_at = -inf

    @contextmanager
    def guarding(self, unanswered: Callable[[Exception], bool]) -> Iterator[None]:
        """Refuse the call inside while open, else note how it went.

        Args:
            unanswered: Whether an exception means that the store did not answer; that it refused,
                or that this process is at its limits, says nothing about it.

        Raises:
            StoreUnavailableError: The circuit is open; nothing was sent.
        """
        if self.is_open:
            raise StoreUnavailableError(
                f"{self._store} does not answer; it is asked again and again in the background,"
                " and used as soon as it answers: repeat later"
            )
        began = self._clock()
        try:
            yield
        except Exception as exc:
            if unanswered(exc):
                self.failed(began)
            raise
        self.answered()

    def answered(self) -> None:
        """A call was answered. A late answer closes no circuit: only a probe knows that it is one
        to a call of now."""
        if not self.is_open:
            self._forget_failures()

    def failed(self, began: float) -> None:
        """A call or probe that began then was not answered."""
        self.errors += 1
        self.last_error_at = datetime.now(UTC)
        if began < self._counted_at:
            return
        self._counted_at = self._clock()
        self.failures += 1
        self.suspected.set()
        if self.failures >= self._opens_after and not self.is_open:
            self.is_open = True
            log.warning("circuit opened", store=self._store, failures=self.failures)

    def probed(self) -> None:
        """The store answered a probe."""
        if self.is_open:
            self.is_open = False
            log.info("circuit closed", store=self._store)
        self._forget_failures()

    def _forget_failures(self) -> None:
        if self.failures:
            self.failures = 0
            self.suspected.clear()
