"""Admission: how much a process takes on at once; more is refused before it costs memory.

Of everything that is bounded here, one caller may hold only a part, so that whoever takes all it
can leaves the rest to the others. Decisions 0019 (places are taken before bodies are read), 0022 (a
turn of the loop starts a few requests) and 0037 (one caller cannot hold everything) explain why.
"""

import asyncio
import resource
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from kato_service.domain.shares import Holder, share_of_caller
from kato_service.errors import OverloadedError

BODIES = 8
"""Bodies of the largest size that may be held at once."""
BODIES_OF_CALLER = 7
"""Those of them that one caller may send."""
MAX_SOCKETS = 10_000
"""Open WebSockets, as far as the limit on open files allows as many."""

MAX_STREAMS = 16
"""Bodies that are taken in as streams of lines: each holds up to a megabyte of lines, and four of
answers."""
MAX_SUBSCRIPTIONS = 1000
"""Subscriptions of all WebSockets: the versions of their sessions are asked for every second."""

STARTED_PER_TURN = 3
"""Requests that start in one turn of the event loop: an observation computes half a millisecond,
and everything else waits for the end of the turn."""


class Admission:
    def __init__(
        self, *, max_requests: int, max_body_bytes: int, max_sockets: int | None = None
    ) -> None:
        """*max_sockets*: open WebSockets; None: as many as files and `MAX_SOCKETS` allow."""
        self.max_requests = max_requests
        self._requests_of_caller = share_of_caller(max_requests)
        self._max_body_bytes = max_body_bytes
        self._max_sockets = max_sockets or most_sockets()
        self._requests = Held()
        """Requests in progress by caller; so for bytes of bodies and open WebSockets."""
        self._bytes = Held()
        self._sockets = Held()
        self._subscriptions = Held()
        self._streams = Held()
        self._started = 0
        """Requests that started in this turn of the event loop."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def requests(self) -> "Held":
        """The requests and frames in progress."""
        return self._requests

    def request(self, caller: Holder) -> "Place":
        """A place among the requests in progress, which is taken by entering it."""
        return Place(self, caller)

    def body(self, caller: Holder) -> "Body":
        """One body; the bytes received of it count until this ends."""
        return Body(self, caller)

    @contextmanager
    def socket(self, caller: Holder) -> Iterator[None]:
        """One open WebSocket.

        Raises:
            OverloadedError: As many as possible are open, or as many as one caller may hold.
        """
        with _one_of(self._sockets, self._max_sockets, caller, "sockets", "WebSockets"):
            yield

    @contextmanager
    def subscription(self, caller: Holder) -> Iterator[None]:
        """One subscription of a WebSocket; raises what `socket` raises."""
        held, limit = self._subscriptions, MAX_SUBSCRIPTIONS
        with _one_of(held, limit, caller, "subscriptions", "subscriptions"):
            yield

    @contextmanager
    def stream(self, caller: Holder) -> Iterator[None]:
        """One body that is a stream; raises what `socket` raises."""
        held, limit = self._streams, MAX_STREAMS
        with _one_of(held, limit, caller, "streams", "streams of lines"):
            yield

    def _taken(self, caller: Holder) -> None:
        if self._requests.total >= self.max_requests:
            raise OverloadedError(
                "requests",
                f"{self.max_requests} requests are in progress, as many as MAX_REQUESTS_IN_FLIGHT"
                " allows; retry later",
            )
        self._require_share(caller)
        self._requests.add(caller, 1)

    def _left(self, caller: Holder) -> None:
        self._requests.add(caller, -1)

    def _require_share(self, caller: Holder) -> None:
        of_caller = self._requests_of_caller
        if self._requests.of(caller) >= of_caller:
            raise OverloadedError(
                "requests",
                f"{of_caller} requests of this {caller.noun} are in progress, nine tenths of"
                " MAX_REQUESTS_IN_FLIGHT and as many as one may have; retry later",
            )

    def _moved(self, before: Holder, after: Holder) -> None:
        self._require_share(after)
        self._requests.add(before, -1)
        self._requests.add(after, 1)

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

    def _received(self, caller: Holder, count: int) -> None:
        if self._bytes.total + count > BODIES * self._max_body_bytes:
            raise self._too_large("bodies", BODIES)
        if self._bytes.of(caller) + count > BODIES_OF_CALLER * self._max_body_bytes:
            raise self._too_large(f"bodies of this {caller.noun}", BODIES_OF_CALLER)
        self._bytes.add(caller, count)

    def _freed(self, caller: Holder, count: int) -> None:
        self._bytes.add(caller, -count)

    def _too_large(self, whose: str, bodies: int) -> OverloadedError:
        return OverloadedError(
            "bodies",
            f"the {whose} in progress would exceed {bodies * self._max_body_bytes} bytes, which is"
            f" {bodies} times MAX_BODY_BYTES; retry later",
        )


class Place:
    """A place among the requests in progress.

    Entering it waits until it is the request's turn to start. However many requests arrive at once,
    the loop looks at timers and connections after each few of them, and continues with those that
    started. They start in the order of arrival.
    """

    __slots__ = ("_admission", "caller")

    def __init__(self, admission: Admission, caller: Holder) -> None:
        self._admission = admission
        self.caller = caller

    async def __aenter__(self) -> "Place":
        """Raises OverloadedError: All places are taken, or all that one caller may hold."""
        self._admission._taken(self.caller)
        try:
            await self._admission._turn()
        except BaseException:  # cancelled while it waited
            self._admission._left(self.caller)
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._admission._left(self.caller)

    def count_for(self, caller: Holder) -> None:
        """Count it for *caller*, who is known by now; raises OverloadedError if it has too many."""
        if caller != self.caller:
            self._admission._moved(self.caller, caller)
            self.caller = caller


class Body:
    """A body while it arrives, and until its request ends."""

    __slots__ = ("_admission", "_caller", "size")

    def __init__(self, admission: Admission, caller: Holder) -> None:
        self._admission = admission
        self._caller = caller
        self.size = 0
        """Bytes received so far."""

    def __enter__(self) -> "Body":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._admission._freed(self._caller, self.size)

    def received(self, count: int) -> None:
        """Count *count* bytes more; raises OverloadedError if all bodies together are too large."""
        self._admission._received(self._caller, count)
        self.size += count


class Held:
    """How much of one shared thing each caller holds."""

    def __init__(self) -> None:
        self.total = 0
        self.most = 0
        """The largest total so far."""
        self._of: dict[Holder, int] = {}
        """By caller; without those that hold nothing."""

    def of(self, caller: Holder) -> int:
        return self._of.get(caller, 0)

    def add(self, caller: Holder, count: int) -> None:
        self.total += count
        if self.total > self.most:
            self.most = self.total
        if left := self.of(caller) + count:
            self._of[caller] = left
        else:
            self._of.pop(caller, None)

    @contextmanager
    def held(self, caller: Holder) -> Iterator[None]:
        """One more, until this ends."""
        self.add(caller, 1)
        try:
            yield
        finally:
            self.add(caller, -1)


@contextmanager
def _one_of(held: Held, limit: int, caller: Holder, label: str, things: str) -> Iterator[None]:
    """One more of the *things* that stay open, of which there may be *limit*."""
    if held.total >= limit:
        raise OverloadedError(
            label,
            f"{limit} {things} are open, as many as this process allows; close some, or retry"
            " later",
        )
    of_caller = share_of_caller(limit)
    if held.of(caller) >= of_caller:
        raise OverloadedError(
            label,
            f"{of_caller} {things} of this {caller.noun} are open, as many as one may have; close"
            " some, or retry later",
        )
    with held.held(caller):
        yield


def most_sockets() -> int:
    """WebSockets that may be open: three quarters of the files that it may."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        MAX_SOCKETS if soft == resource.RLIM_INFINITY else min(MAX_SOCKETS, max(1, soft * 3 // 4))
    )
