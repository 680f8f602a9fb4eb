"""How much a process takes on at once; what is beyond is refused before it costs memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from kato_service.errors import OverloadedError

BODIES = 8
"""Bodies of the largest size that may be held at once."""


class Admission:
    def __init__(self, *, max_requests: int, max_body_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = BODIES * max_body_bytes
        self._requests = 0
        self._bytes = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """A place among the requests in flight.

        Raises:
            OverloadedError: There is none.
        """
        if self._requests >= self._max_requests:
            raise OverloadedError(
                "requests",
                f"{self._max_requests} requests are in flight, as many as MAX_REQUESTS_IN_FLIGHT"
                " allows: repeat later",
            )
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    @contextmanager
    def body(self) -> Iterator["Body"]:
        """One body: what was received of it counts as long as this lasts."""
        body = Body(self)
        try:
            yield body
        finally:
            self._bytes -= body.size

    def _received(self, count: int) -> None:
        if self._bytes + count > self._max_bytes:
            raise OverloadedError(
                "bodies",
                f"bodies of {self._max_bytes} bytes are in flight, {BODIES} times"
                " MAX_BODY_BYTES: repeat later",
            )
        self._bytes += count


class Body:
    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.size = 0
        """Bytes received so far."""

    def received(self, count: int) -> None:
        """Raises OverloadedError where all bodies together are too large now."""
        self._admission._received(count)
        self.size += count
