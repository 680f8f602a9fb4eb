"""One connection to Redis that many requests share: commands are written as they come, in one
write per turn of the event loop, and answers are matched to them in order.

A command whose request went away or timed out leaves its place: its answer is dropped when it
comes, so that no other request gets it.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol, cast

from hiredis import ProtocolError, Reader, pack_command

from kato_service.connections.redis_address import Command
from kato_service.connections.redis_errors import (
    AuthenticationError,
    NotSentError,
    ReadOnlyError,
    RedisError,
    RefusedError,
    UnansweredError,
    refusal,
)

LARGE_BYTES = 64 * 1024
"""A command or an answer above it is large: what comes after it on the connection has to wait."""
WRITTEN_AT_ONCE_BYTES = 256 * 1024
RENEWED_S = 1.0
"""Least age of a connection that is replaced because Redis refused what it should not refuse."""
_LOOK_S = 0.01
"""Least time between two looks for commands that timed out."""
_NOTHING = object()
_BROKE = "the connection to redis broke"
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


def packed(command: Command) -> bytes:
    """A command as Redis reads it."""
    return bytes(pack_command(tuple(command)))  # type: ignore[arg-type]  # declares tuples of one


def packed_all(commands: Iterable[Command]) -> bytes:
    return b"".join(map(packed, commands))


class Pending:
    """A command, or several in a row, that waits for its answer."""

    __slots__ = ("answers", "command", "count", "deadline", "future", "is_large", "text")

    def __init__(
        self, future: "asyncio.Future[Any]", text: bytes, count: int, deadline: float
    ) -> None:
        """*count*: answers that belong to it; with more than one, the future gets a list.
        *deadline*: by the clock of the event loop."""
        self.future = future
        self.text = text
        self.count = count
        self.deadline = deadline
        self.answers: list[Any] = []
        self.command: Command | None = None
        self.is_large = False

    def fail(self, error: RedisError) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            # Its request may have been cancelled meanwhile: then nobody retrieves the exception.
            self.future.exception()


class Owner(Protocol):
    """What a connection tells the server that it belongs to."""

    def on_handed_over(self, size: int) -> None:
        """So many bytes of commands no longer wait to be written."""

    def on_size(self, command: Command, *, large: bool) -> None:
        """The answer to a command was large; or it was not, although it was expected to be."""

    def on_leaving(self, connection: "RedisConnection", *, silent: bool) -> None:
        """The connection takes no more commands. *silent*: because nothing was answered."""

    def on_closed(self, connection: "RedisConnection") -> None: ...


class RedisConnection(asyncio.Protocol):
    """Connecting, until `opened`; then open, until it is leaving or closed.

    It is leaving once a command timed out and nothing at all was heard for as long as a command may
    take: it takes no more commands, and what was sent keeps its own time-outs.
    """

    def __init__(self, owner: Owner, timeout_s: float) -> None:
        self._owner = owner
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(replyError=self._refusal, notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._unsent: deque[Pending] = deque()
        self._in_flight: deque[Pending] = deque()
        """What was written, oldest first; places of requests that went away are among them."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_flushing = False
        self._is_paused = False
        self._partial = 0
        """Bytes of the next answer that came so far."""
        self._large = 0
        """Large commands that wait here."""
        self.is_clogged = False
        """Whether other commands had better take another connection."""
        self.is_open = False
        self.is_leaving = False
        self.heard_at = self._loop.time()
        """When something came last, or was sent while nothing was awaited."""
        self._opened_at: float | None = None
        """None: it was not opened yet."""
        self.closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_idle(self) -> bool:
        return not self._in_flight and not self._unsent

    @property
    def load(self) -> int:
        """Commands that wait here."""
        return len(self._in_flight) + len(self._unsent)

    def send(self, pending: Pending) -> None:
        """Write a command at the end of this turn of the event loop, or once that is possible."""
        self._unsent.append(pending)
        if pending.is_large:
            self._large += 1
            self.is_clogged = True
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)
        if self._timer is None:
            self._timer = self._loop.call_at(pending.deadline, self._look)

    def greet(self, commands: Sequence[Command]) -> "asyncio.Future[Any]":
        """Write the first commands, two or more; nothing else is written before `opened`."""
        if self._transport is None or self.closed.done():
            raise NotSentError(_BROKE)
        future: asyncio.Future[Any] = self._loop.create_future()
        until = self._loop.time() + self._timeout_s
        self._in_flight.append(Pending(future, b"", len(commands), until))
        self._transport.write(packed_all(commands))
        return future

    def opened(self) -> None:
        """Write what waits: Redis knows now who asks."""
        if not self.closed.done():
            self.is_open = True
            self._opened_at = self._loop.time()
            self._flush()

    def bequeath(self, heir: "RedisConnection") -> None:
        """Let *heir* send what was not sent here."""
        while self._unsent:
            heir.send(self._unsent.popleft())

    def leave(self, *, silent: bool = False) -> None:
        """Take no more commands, and close once nothing is awaited."""
        if not self.is_leaving:
            self.is_leaving = True
            self._owner.on_leaving(self, silent=silent)
        self._close_if_done()

    def abort(self, error: Callable[[], RedisError] | None = None) -> None:
        """Close it now. *error*: of what was not sent, instead of NotSentError."""
        self.is_open = False
        if not self.is_leaving:
            self.is_leaving = True
            self._owner.on_leaving(self, silent=False)
        if error is not None:
            self._fail_unsent(error)
        if self._transport is None:
            self.connection_lost(None)
        else:
            self._transport.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        if self.closed.done():
            made.abort()
            return
        made.set_write_buffer_limits(high=WRITTEN_AT_ONCE_BYTES)
        connected = transport.get_extra_info("socket")
        with suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):
                    connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        try:
            self._reader.feed(data)
            answer = self._reader.gets()
            if answer is _NOTHING:
                self._partial += len(data)
                self.is_clogged |= self._partial > LARGE_BYTES
                return
            large = self._partial > LARGE_BYTES
            while answer is not _NOTHING:
                self._answered(answer, large=large)
                large = False
                answer = self._reader.gets()
        except (ProtocolError, IndexError):
            # Not the answers of a Redis: which belongs to which command is unknown from here on.
            self.abort()
            return
        self._partial = self._reader.len()
        self.is_clogged = self._is_paused or self._large > 0 or self._partial > LARGE_BYTES
        if self.is_leaving:
            self._close_if_done()

    def pause_writing(self) -> None:
        self._is_paused = self.is_clogged = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self.is_clogged = self._large > 0 or self._partial > LARGE_BYTES
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.closed.done():
            return
        self.closed.set_result(None)
        self.is_open, self.is_leaving = False, True
        if self._timer is not None:
            self._timer.cancel()
        while self._in_flight:
            pending = self._in_flight.popleft()
            pending.fail(UnansweredError(_BROKE))
        if self._opened_at is not None:  # else whoever is opening it decides what becomes of them
            self._fail_unsent(lambda: NotSentError(_BROKE))
        self._owner.on_closed(self)

    # What these do

    def _flush(self) -> None:
        self._is_flushing = False
        if not self.is_open:
            return
        if not self._in_flight:
            self.heard_at = self._loop.time()
        while self._unsent and not self._is_paused:
            self._write_some()

    def _write_some(self) -> None:
        assert self._transport is not None
        pieces: list[bytes] = []
        size = left = 0
        while self._unsent and size < WRITTEN_AT_ONCE_BYTES:
            pending = self._unsent.popleft()
            left += len(pending.text)
            if pending.future.done():  # its request went away before it was sent
                self._large -= pending.is_large
                continue
            size += len(pending.text)
            pieces.append(pending.text)
            pending.text = b""
            self._in_flight.append(pending)
        self._owner.on_handed_over(left)
        if pieces:
            self._transport.write(b"".join(pieces))

    def _answered(self, answer: Any, *, large: bool) -> None:
        pending = self._in_flight[0]
        if pending.count > 1:
            pending.answers.append(answer)
            if len(pending.answers) < pending.count:
                return
            answer = pending.answers
        self._in_flight.popleft()
        self._large -= pending.is_large
        if pending.command is not None and large is not pending.is_large:
            self._owner.on_size(pending.command, large=large)
        if not pending.future.done():
            pending.future.set_result(answer)

    def _refusal(self, text: str) -> RefusedError:
        error = refusal(text)
        if isinstance(error, (AuthenticationError, ReadOnlyError)) and self._is_old:
            # A new connection says again who asks, and finds the new primary by its name.
            self._loop.call_soon(self.leave)
        return error

    @property
    def _is_old(self) -> bool:
        return self._opened_at is not None and self._loop.time() >= self._opened_at + RENEWED_S

    def _look(self) -> None:
        """Fail what timed out; without a sign of life for as long, take no more commands."""
        self._timer = None
        now = self._loop.time()
        timed_out = self._fail_late(now)
        while self._unsent and (self._unsent[0].future.done() or self._unsent[0].deadline <= now):
            pending = self._unsent.popleft()
            self._large -= pending.is_large
            self._owner.on_handed_over(len(pending.text))
            pending.fail(NotSentError("redis could not be reached in time"))
        if timed_out and now - self.heard_at >= self._timeout_s - _LOOK_S:
            self.leave(silent=True)
        elif self.is_leaving:
            self._close_if_done()
        waiting = self._first_waiting()
        if waiting is not None and not self.closed.done():
            at = max(waiting.deadline, now + _LOOK_S)
            self._timer = self._loop.call_at(at, self._look)

    def _fail_late(self, now: float) -> bool:
        """Fail what was sent and timed out; whether there was any, of cancelled requests too."""
        found = False
        for pending in self._in_flight:
            if pending.deadline > now:
                break
            found = True
            pending.fail(UnansweredError("redis did not answer in time"))
        return found

    def _first_waiting(self) -> Pending | None:
        for waiting in (self._in_flight, self._unsent):
            for pending in waiting:
                if not pending.future.done():
                    return pending
        return None

    def _close_if_done(self) -> None:
        if self._first_waiting() is None:
            self.abort()

    def _fail_unsent(self, error: Callable[[], RedisError]) -> None:
        while self._unsent:
            pending = self._unsent.popleft()
            self._owner.on_handed_over(len(pending.text))
            pending.fail(error())
