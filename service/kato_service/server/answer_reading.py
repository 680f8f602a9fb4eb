"""Connections whose clients do not read what they asked for are given up."""

import asyncio
from typing import Any

import structlog

log = structlog.get_logger()

READ_PATIENCE_S = 30.0
"""For a client to take `LEAST_READ_BYTES` more of an answer that waits for it."""
LEAST_READ_BYTES = 64 * 1024
MAX_UNREAD_BYTES = 64 * 1024 * 1024
"""Of all answers that wait to be read, beside what the kernel holds; above it, the patience is
`LOOK_S`. Memory is a few times this: an answer is held whole until its last byte left."""
LOOK_S = 5.0


class AnswerReading(asyncio.Protocol):
    """What a protocol of uvicorn inherits beside it: its transport would keep answers for ever,
    and a connection that it closes, too, until the last byte is read."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    connections: set[Any]
    """All of the server."""
    _unread_bytes = 0
    _read_at = 0.0
    _reading: asyncio.TimerHandle | None = None
    """Set while an answer waits for its client to read on."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._note_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._end_reading()

    def await_the_rest(self) -> None:
        """Of a connection that was closed: what is left, too, has to be read in time."""
        if self._reading is None and self._waiting_bytes():
            self._note_reader()

    def _note_reader(self) -> None:
        """The client reads, or begins to."""
        self._end_reading()
        self._unread_bytes, self._read_at = self._waiting_bytes(), self.loop.time()
        self._reading = self.loop.call_later(LOOK_S, self._look_at_reader)

    def _look_at_reader(self) -> None:
        unread_bytes = self._waiting_bytes()
        if not unread_bytes or unread_bytes <= self._unread_bytes - LEAST_READ_BYTES:
            self._note_reader()
            return
        waited_s = self.loop.time() - self._read_at
        if waited_s >= READ_PATIENCE_S or self._all_unread_bytes() > MAX_UNREAD_BYTES:
            log.info("connection dropped", reason="its client does not read the answer")
            self.transport.abort()
            return
        self._reading = self.loop.call_later(LOOK_S, self._look_at_reader)

    def _all_unread_bytes(self) -> int:
        others = (one for one in self.connections if isinstance(one, AnswerReading))
        return sum(one._waiting_bytes() for one in others if one._reading is not None)

    def _waiting_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
