"""Takes what arrived on a connection in small pieces, and lets other connections have their turns.

A single read of the event loop holds 256 KiB. In the smallest units that HTTP and WebSockets have
(chunks, frames, pipelined requests) that is tens of thousands of calls, and requests made of it
take a hundred times its memory; see docs/decisions/0045.
"""

import asyncio
from time import perf_counter

PIECE_BYTES = 4096
"""Bytes that the protocol gets at once; in the smallest units, some two milliseconds of work."""
TURN_S = 0.001
"""Seconds after which the rest waits for the next turn of the event loop."""


class PacedReading(asyncio.Protocol):
    """Mixed into a protocol of uvicorn, before everything else in the bases."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _arrived: bytes = b""
    """What the protocol did not get yet. While there is any, nothing more is read."""
    _next_turn: asyncio.Handle | None = None

    def data_received(self, data: bytes) -> None:
        if self._arrived:
            self._arrived += data  # read before the transport paused
        elif len(data) <= PIECE_BYTES and not self.is_held():
            self.piece_received(data)
        else:
            self._arrived = data
            self.hold_reading()
            self._feed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived = b""
        self._end_turn()
        super().connection_lost(exc)

    def piece_received(self, piece: bytes) -> None:
        """What `data_received` is for other protocols."""
        super().data_received(piece)

    def is_held(self) -> bool:
        """Whether the protocol can take no more for now; `feed_on` has to be called afterwards."""
        raise NotImplementedError

    def hold_reading(self) -> None:
        """Read nothing until `release_reading`, whatever the base class does."""
        raise NotImplementedError

    def release_reading(self) -> None:
        """Read again, unless the base class has a reason not to."""
        raise NotImplementedError

    @property
    def is_behind(self) -> bool:
        """Whether something arrived that the protocol did not get yet."""
        return bool(self._arrived)

    def feed_on(self) -> None:
        """Continue in the next turn of the event loop."""
        if self._arrived and self._next_turn is None:
            self._next_turn = self.loop.call_soon(self._feed)

    def _feed(self) -> None:
        self._end_turn()
        data, start = self._arrived, 0
        end_at = perf_counter() + TURN_S
        # During an upgrade, the new protocol gets the head before the transport is its own.
        owner = self.transport.get_protocol()
        while start < len(data) and not self.is_held():
            self.piece_received(data[start : start + PIECE_BYTES])
            start += PIECE_BYTES
            if self.transport.is_closing() or self.transport.get_protocol() is not owner:
                self._arrived = b""  # refused, or it became a WebSocket, which begins empty
                return
            if perf_counter() >= end_at:
                break
        self._arrived = data[start:]
        if not self._arrived:
            self.release_reading()
        elif not self.is_held():
            self.feed_on()

    def _end_turn(self) -> None:
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
