"""Admission: how much a process takes on at once; more is refused before it costs memory.

Decisions 0019 (places are taken before bodies are read) and 0022 (a turn of the loop starts a few
requests) explain why.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from kato_service.errors import OverloadedError

BODIES = 8
"""Bodies of the largest size that may be held at once."""

STARTED_PER_TURN = 3
"""Requests that start in one turn of the event loop: an observation computes half a millisecond,
and everything else waits for the end of the turn."""


class Admission:
    def __init__(self, *, max_requests: int, max_body_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = BODIES * max_body_bytes
        self._requests = 0
        self._bytes = 0
        self._started = 0
        """Requests that started in this turn of the event loop."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """A place among the requests in progress; entered when it is the request's turn to start.

        However many requests arrive at once, the loop looks at timers and connections after each
        few of them, and continues with those that started. They start in the order of arrival.

        Raises:
            OverloadedError: All places are taken.
        """
        if self._requests >= self._max_requests:
            raise OverloadedError(
                "requests",
                f"{self._max_requests} requests are in progress, as many as MAX_REQUESTS_IN_FLIGHT"
                " allows; retry later",
            )
        self._requests += 1
        try:
            await self._turn()
            yield
        finally:
            self._requests -= 1

    @contextmanager
    def body(self) -> Iterator["Body"]:
        """One body; the bytes received of it count until this ends."""
        body = Body(self)
        try:
            yield body
        finally:
            self._bytes -= body.size

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        if self._started >= STARTED_PER_TURN:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
            return
        if not self._started:
            # call_soon runs in the next turn, so one callback per turn resets the count. While
            # nothing starts, none is scheduled.
            loop.call_soon(self._next_turn, loop)
        self._started += 1

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._started = 0
        while self._waiting and self._started < STARTED_PER_TURN:
            turn = self._waiting.popleft()
            if not turn.done():  # it is done if the server cancelled the request
                turn.set_result(None)
                self._started += 1
        if self._started:
            loop.call_soon(self._next_turn, loop)

    def _received(self, count: int) -> None:
        if self._bytes + count > self._max_bytes:
            raise OverloadedError(
                "bodies",
                f"the bodies in progress would exceed {self._max_bytes} bytes, which is"
                f" {BODIES} times MAX_BODY_BYTES; retry later",
            )
        self._bytes += count


class Body:
    """A body while it arrives, and until its request ends."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.size = 0
        """Bytes received so far."""

    def received(self, count: int) -> None:
        """Count *count* bytes more; raises OverloadedError if all bodies together are too large."""
        self._admission._received(count)
        self.size += count
