"""uvicorn's HTTP/1.1 with request heads bounded in size and time, and refusals as envelopes.

A head is the request line and the headers. uvicorn bounds neither its size nor the time it takes to
arrive, and it answers what is not HTTP in plain text. The methods overridden here are uvicorn's, so
its version has an upper bound; see docs/decisions/0023.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kato_service import json_text
from kato_service.api.errors import refusal
from kato_service.server.answer_reading import AnswerReading


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How large a request head may be, and how long it may take."""

    max_bytes: int = 64 * 1024
    """Bytes of request line and headers. A head that arrives in one piece with other bytes may be
    a little larger."""
    patience_s: float = 30.0
    """Seconds from the opening of the connection, or from the first byte of a later request, until
    the head is complete."""
    second_look_s: float = 0.1
    """Seconds more after `patience_s`. When the whole process stood still, the event loop runs
    expired timers before it reads what arrived meanwhile, and that may be the head."""


class BoundedHttpProtocol(AnswerReading, HttpToolsProtocol):
    head_limits: ClassVar[HeadLimits] = HeadLimits()
    """An attribute of the class, because uvicorn makes the instances; a subclass may set others."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = False
        """A head is awaited or is arriving."""
        self._heads = 0
        """How many heads were awaited so far."""
        self._head_bytes = 0
        """Bytes of the present head that arrived in pieces of its own."""
        self._head_timer: asyncio.TimerHandle | None = None

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
        # On an idle connection the first byte begins a head, so the whole piece may belong to it.
        heads = self._heads + self._is_idle()
        # The parser calls on_message_begin and on_headers_complete on the way.
        super().data_received(data)
        # If a head began in this piece after the end of another request, it is unknown how much of
        # the piece belongs to it: do not count. The pieces after it are counted.
        if not self._in_head or self._heads != heads or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > self.head_limits.max_bytes:
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"request line and headers exceed {self.head_limits.max_bytes} bytes",
            )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # The first head of a connection is awaited since connection_made.
        if not self._in_head:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            # The request was answered without reading its body: free what arrived of it.
            self.cycle.body = bytearray()
        if self.transport.is_closing():
            self.await_the_rest()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "this is not an HTTP/1.1 request")

    def _is_idle(self) -> bool:
        """Whether the next byte to arrive is the first of a head."""
        cycle: Any = self.cycle
        return not self._in_head and cycle is not None and not cycle.more_body

    def _is_answering(self) -> bool:
        """Whether a request that arrived completely waits for its answer."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _await_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._heads += 1
        self._head_timer = self.loop.call_later(self.head_limits.patience_s, self._look_again)

    def _head_arrived(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _look_again(self) -> None:
        self._head_timer = self.loop.call_later(self.head_limits.second_look_s, self._too_slow)

    def _too_slow(self) -> None:
        if self._head_bytes or self._is_answering():
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                f"request line and headers took longer than {self.head_limits.patience_s:g} s",
            )
        elif not self.transport.is_closing():
            self.transport.close()  # the client never sent anything

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer what never became a request, and close the connection.

        With pipelining, a client matches answers to requests by their order alone. So nothing may
        be sent that it would take for the answer to an earlier request.
        """
        if self.transport.is_closing():
            return
        if self._is_answering():
            # The answer of the earlier request goes out, then the connection closes.
            self.flow.pause_reading()
            self.shutdown()
            return
        cycle: Any = self.cycle
        if self.pipeline or (cycle is not None and cycle.response_started and cycle.more_body):
            # An earlier request waits unanswered, or its answer is on its way already.
            self.transport.close()
            return
        body = json_text.text(refusal(message, uuid4().hex))
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
