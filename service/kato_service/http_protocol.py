"""HTTP/1.1 of uvicorn with heads that are bounded in size and time, answers that wait for their
readers only so long, and refusals as envelopes."""

import asyncio
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kato_service.api import json_text
from kato_service.api.errors import refusal

log = structlog.get_logger()

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers; what arrives in one piece may be a little more."""
HEAD_PATIENCE_S = 30.0
"""For a request line and headers to arrive, from the connection or the first byte on."""
READ_PATIENCE_S = 30.0
"""For a client to take `LEAST_READ_BYTES` more of an answer that waits for it."""
LEAST_READ_BYTES = 64 * 1024
MAX_UNREAD_BYTES = 64 * 1024 * 1024
"""Of all answers that wait to be read, beside what the kernel holds; above it, the patience is
`LOOK_S`. Memory is a few times this: an answer is held whole until its last byte left."""
LOOK_S = 5.0


class BoundedHttpProtocol(HttpToolsProtocol):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = False
        self._head_bytes = 0
        self._impatience: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        self._read_at = 0.0
        self._reading: asyncio.TimerHandle | None = None
        """Set while an answer waits for its client to read on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        self._end_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._note_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():  # else the rest, too, has to be read in time
            self._end_reading()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        if self._reading is None and self._waiting_bytes():
            self.transport.abort()  # closed, it would wait for its reader for ever

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            limit = f"request line and headers may take {MAX_HEAD_BYTES} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, limit)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._in_head:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            self.cycle.body = bytearray()  # of a request that was answered unread

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "this is not an HTTP/1.1 request")

    def _await_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._impatience = self.loop.call_later(HEAD_PATIENCE_S, self._too_slow)

    def _head_arrived(self) -> None:
        self._in_head = False
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _too_slow(self) -> None:
        if self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time")
        elif not self.transport.is_closing():
            self.transport.close()

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
        others = (one for one in self.connections if isinstance(one, BoundedHttpProtocol))
        return sum(one._waiting_bytes() for one in others if one._reading is not None)

    def _waiting_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        if self.transport.is_closing():
            return
        body = json_text.text(refusal(message, uuid4().hex))
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
