"""Reads what a client still sends after its answer, so that the answer reaches the client.

A request may be answered before its body arrived: it is too large, or its sender may not call.
Closing the connection then makes the kernel send a reset, and many clients lose the answer.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

_JOINED_BYTES = 64 * 1024
"""A larger body is not copied to follow its head at once."""
_CONTINUE = b"HTTP/1.1 100 "
"""Begins what uvicorn writes when a client waits with its body; the head of the answer follows."""
_CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
"""Ends the heads of answers whose length is not known."""


@dataclass(frozen=True, slots=True)
class DrainLimits:
    """How much of a body is read after its request was answered, before the connection closes."""

    max_bytes: int = 64 * 1024 * 1024
    patience_s: float = 10.0


class UnreadBodies(asyncio.Protocol):
    """Mixed into a protocol of uvicorn, before it in the bases."""

    drain_limits: ClassVar[DrainLimits] = DrainLimits()
    """An attribute of the class, because uvicorn makes the instances; a subclass may set others."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    cycle: Any
    timeout_keep_alive: int
    timeout_keep_alive_task: asyncio.TimerHandle | None
    _drain_timer: asyncio.TimerHandle | None = None
    """Set while the rest of a body is read only to be dropped."""
    _drained_bytes = 0
    _closes_after_body = False
    _answers: "_AnswerTransport | None" = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_drain()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._drain_timer is not None:
            self._drained_bytes += len(data)
            if self._drained_bytes > self.drain_limits.max_bytes:
                self.transport.close()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()  # type: ignore[misc]  # uvicorn's, or the next mixin's
        if self.cycle is None:
            return  # this becomes a WebSocket
        if self._answers is None:
            self._answers = _AnswerTransport(self, self.transport)
        self.cycle.transport = self._answers

    def on_response_complete(self) -> None:
        if self._answers is not None:
            self._answers.end()
        super().on_response_complete()  # type: ignore[misc]
        if self._is_unread() and not self.transport.is_closing():
            self._drained_bytes = 0
            patience_s = self.drain_limits.patience_s
            self._drain_timer = self.loop.call_later(patience_s, self.transport.close)

    def on_message_complete(self) -> None:
        super().on_message_complete()  # type: ignore[misc]
        if self._drain_timer is None:
            return
        self._end_drain()
        self.cycle.more_body = False
        if self._closes_after_body:
            self.transport.close()
        else:
            handler = self.timeout_keep_alive_handler  # type: ignore[attr-defined]
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, handler)

    def forget_answers(self) -> None:
        """Nothing more is answered: what requests write to knows this protocol."""
        self._answers = None

    def close_after_body(self) -> None:
        """Close now, or as soon as the rest of the present body is read."""
        if self._is_unread():
            self._closes_after_body = True
        else:
            self.transport.close()

    def _is_unread(self) -> bool:
        """Whether the last request was answered before its body arrived."""
        return self.cycle is not None and self.cycle.response_complete and self.cycle.more_body

    def _end_drain(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None


class _AnswerTransport:
    """What requests write their answers to: closing it waits for the body of the request.

    A head that announces the length of its body waits for it, as uvicorn writes them one by one,
    and each write is a call of the kernel that wakes the client.
    """

    __slots__ = ("_head", "_is_at_head", "_protocol", "_write", "is_closing")

    def __init__(self, protocol: UnreadBodies, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._write = transport.write
        self.is_closing = transport.is_closing
        self._head = b""
        """What was written and waits."""
        self._is_at_head = True
        """Nothing of the answer was written yet."""

    def write(self, data: bytes) -> None:
        if self._is_at_head and not data.startswith(_CONTINUE):
            self._is_at_head = False
            if not data.endswith(_CHUNKED):
                self._head = data
                return
        elif self._head:
            if len(data) > _JOINED_BYTES:
                self._flush()
            else:
                data, self._head = self._head + data, b""
        # Of pipelined requests, uvicorn tells only the last one that the client has gone.
        if not self.is_closing():
            self._write(data)

    def end(self) -> None:
        """The answer is complete."""
        if self._head:
            self._flush()
        self._is_at_head = True

    def close(self) -> None:
        if self._head:
            self._flush()
        self._protocol.close_after_body()

    def _flush(self) -> None:
        data, self._head = self._head, b""
        if not self.is_closing():
            self._write(data)
