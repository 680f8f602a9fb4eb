"""HTTP/1.1 of uvicorn with heads that are bounded in size and time, and refusals as envelopes."""

import asyncio
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kato_service import json_text
from kato_service.api.errors import refusal
from kato_service.server.answer_reading import AnswerReading

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers; what arrives in one piece may be a little more."""
HEAD_PATIENCE_S = 30.0
"""For a request line and headers to arrive, from the connection or the first byte on."""
SECOND_LOOK_S = 0.1
"""After a pause of the whole process, timers come before what arrived meanwhile is read."""


class BoundedHttpProtocol(AnswerReading, HttpToolsProtocol):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = False
        self._heads = 0
        """How many began."""
        self._head_bytes = 0
        self._impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.await_the_rest()

    def data_received(self, data: bytes) -> None:
        begun = self._heads + self._is_idle()
        super().data_received(data)
        # Of a piece in which a head began behind another request, nobody knows how much is head.
        if not self._in_head or self._heads != begun or self.transport.is_closing():
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
        if self.transport.is_closing():
            self.await_the_rest()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "this is not an HTTP/1.1 request")

    def _is_idle(self) -> bool:
        """Whether what arrives next is the first byte of a head."""
        cycle: Any = self.cycle
        return not self._in_head and cycle is not None and not cycle.more_body

    def _is_answering(self) -> bool:
        """Whether a request that arrived whole waits for its answer."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _await_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._heads += 1
        self._impatience = self.loop.call_later(HEAD_PATIENCE_S, self._look_again)

    def _head_arrived(self) -> None:
        self._in_head = False
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _look_again(self) -> None:
        self._impatience = self.loop.call_later(SECOND_LOOK_S, self._too_slow)

    def _too_slow(self) -> None:
        if self._head_bytes or self._is_answering():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time")
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        if self.transport.is_closing():
            return
        if self._is_answering():
            # Its client would take the refusal for the answer to the request before.
            self.flow.pause_reading()
            self.shutdown()
            return
        cycle: Any = self.cycle
        if self.pipeline or (cycle is not None and cycle.response_started and cycle.more_body):
            self.transport.close()  # in the body of a request that waits, or is answered already
            return
        body = json_text.text(refusal(message, uuid4().hex))
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
