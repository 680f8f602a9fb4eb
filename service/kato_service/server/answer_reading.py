"""Drops connections whose clients do not read the answers they asked for.

uvicorn's transports keep an unread answer for ever, and even a closed connection until its last
byte is read. Each such client would cost the memory of its answer; see docs/decisions/0023.
"""

import asyncio
import fcntl
import struct
import termios
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How long an answer waits for a client that does not read it."""

    patience_s: float = 30.0
    """Seconds in which a client has to read `least_bytes` more: 2 KiB/s is slower than any link
    that is of use."""
    least_bytes: int = 64 * 1024
    max_unread_bytes: int = 64 * 1024 * 1024
    """Bytes of all unread answers together, without what the kernel holds. Above it clients have
    only `look_s` instead of `patience_s`. Memory is a few times this, as an answer is held as a
    whole until its last byte is sent."""
    look_s: float = 5.0
    """Seconds in which a client has time to read at the least."""


_INT = struct.Struct("i")
_LOOKS = 2
"""In `look_s`: one may come right after a standstill, before anything could be sent or read."""


class AnswerReading(asyncio.Protocol):
    """Mixed into a protocol of uvicorn, before it in the bases.

    The transport calls `pause_writing` when an answer starts to pile up; from then on a timer looks
    at how much the client reads, until `resume_writing`. The kernel's part counts for that: it
    takes more of an answer only when much of what it holds was read, often a megabyte. Looks are
    counted instead of seconds: while the whole process stood still, nobody could read, and that
    costs a client one look.
    """

    reading_limits: ClassVar[ReadingLimits] = ReadingLimits()
    """An attribute of the class, because uvicorn makes the instances; a subclass may set others."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    connections: set[Any]
    """All connections of the server."""
    taken_bytes = 0
    """Bytes of bodies that this connection brought so far."""
    _taken_bytes = 0
    """As many when the client was last seen to read, or to send."""
    _unread_bytes = 0
    """How much waited, in the kernel, too, when the client was last seen to read."""
    _idle_looks = 0
    """Looks since then."""
    _reading: asyncio.TimerHandle | None = None
    """The timer of the next look; None while no answer waits for its client."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._note_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        # A closing transport never pauses again: its last bytes have to stay watched.
        if not self.transport.is_closing():
            self._end_reading()

    def await_the_rest(self) -> None:
        """After a close: what is still unread has to be read in time, too."""
        if self._reading is None and self._waiting_bytes():
            self._note_reader()

    def _note_reader(self) -> None:
        """Start the client's time over: its answer begins to wait, or it read enough."""
        self._end_reading()
        self._unread_bytes, self._idle_looks = self._waiting_bytes() + self._sent_bytes(), 0
        self._taken_bytes = self.taken_bytes
        self._look_later()

    def _look_later(self) -> None:
        pause_s = self.reading_limits.look_s / _LOOKS
        self._reading = self.loop.call_later(pause_s, self._look_at_reader)

    def _look_at_reader(self) -> None:
        limits, waiting_bytes = self.reading_limits, self._waiting_bytes()
        unread_bytes = waiting_bytes + self._sent_bytes()
        is_read = not waiting_bytes or unread_bytes <= self._unread_bytes - limits.least_bytes
        # A client that still sends its body may read afterwards; what is taken of it is bounded by
        # whoever answers.
        if is_read or self.taken_bytes > self._taken_bytes:
            self._note_reader()
            return
        self._idle_looks += 1
        if self._idle_looks >= self._looks_allowed():
            log.info("connection dropped", reason="its client does not read the answer")
            self.transport.abort()
            return
        self._look_later()

    def _looks_allowed(self) -> float:
        limits = self.reading_limits
        if self._all_unread_bytes() > limits.max_unread_bytes:
            return _LOOKS
        return _LOOKS * max(1.0, limits.patience_s / limits.look_s)

    def _all_unread_bytes(self) -> int:
        others = (one for one in self.connections if isinstance(one, AnswerReading))
        return sum(one._waiting_bytes() for one in others if one._reading is not None)

    def _waiting_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def _sent_bytes(self) -> int:
        """Bytes that the kernel holds until the client's has taken them; 0: it does not tell."""
        sent = bytes(_INT.size)
        with suppress(OSError, ValueError):  # closed, or a system that cannot tell
            connection = self.transport.get_extra_info("socket")
            sent = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, sent)
        return int(_INT.unpack(sent)[0])

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
