"""How much a process takes on at once; what is beyond is refused before it costs memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from kato_service.errors import OverloadedError

BODIES = 8
"""Bodies of the largest size that may be held at once."""

BEGUN_PER_TURN = 3
"""Requests that one turn of the event loop begins; an observation computes half a millisecond."""


class Admission:
    def __init__(self, *, max_requests: int, max_body_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = BODIES * max_body_bytes
        self._requests = 0
        self._bytes = 0
        self._begun = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """A place among the requests in flight, from the request's turn to begin on.

        However many arrive at once, the loop looks at timers and connections between a few of
        them, and goes on with what is begun; they begin in the order of their coming.

        Raises:
            OverloadedError: There is no place.
        """
        if self._requests >= self._max_requests:
            raise OverloadedError(
                "requests",
                f"{self._max_requests} requests are in flight, as many as MAX_REQUESTS_IN_FLIGHT"
                " allows: repeat later",
            )
        self._requests += 1
        try:
            await self._turn()
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

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        if self._begun >= BEGUN_PER_TURN:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
            return
        if not self._begun:
            loop.call_soon(self._next_turn, loop)
        self._begun += 1

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begun = 0
        while self._waiting and self._begun < BEGUN_PER_TURN:
            turn = self._waiting.popleft()
            if not turn.done():  # nobody waits where the server cancelled the request
                turn.set_result(None)
                self._begun += 1
        if self._begun:
            loop.call_soon(self._next_turn, loop)

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
