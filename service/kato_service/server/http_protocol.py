"""uvicorn's HTTP/1.1 with request heads bounded in size and time, and refusals as envelopes.

A head is the request line and the headers. uvicorn bounds neither its size nor the time it takes to
arrive, and it answers what is not HTTP in plain text. The methods overridden here are uvicorn's, so
its version has an upper bound; see docs/decisions/0023.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kato_service.api.errors import request_id_from
from kato_service.server.answer_reading import AnswerReading
from kato_service.server.open_connections import CountedConnection
from kato_service.server.paced_reading import PacedReading
from kato_service.server.refusals import Refusal
from kato_service.server.unread_bodies import UnreadBodies


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How large a request head may be, and how long it may take."""

    max_bytes: int = 64 * 1024
    """Bytes of request line and headers as they are usually written, however they arrive. So many
    bytes may also arrive in a row without any of a body: chunk extensions and trailers."""
    blank_bytes: int = 4096
    """Bytes by which a head that is still arriving may exceed `max_bytes`, for more blanks than
    usual."""
    max_headers: int = 128
    """The WebSocket library takes no more."""
    patience_s: float = 30.0
    """Seconds from the opening of the connection, or from the first byte of a later request, until
    the head is complete."""
    second_look_s: float = 0.1
    """Seconds more after `patience_s`. When the whole process stood still, the event loop runs
    expired timers before it reads what arrived meanwhile, and that may be the head."""


_TLS_CLOSE_S = 1.0
"""Seconds that the end of a TLS connection may take during a shutdown."""
_CODING = b"transfer-encoding"
_STOPPING = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "the service stopped before the body arrived; nothing was started, retry later",
    code="OVERLOADED",
    retry_after_s=1,
)
_NOT_HTTP = Refusal(HTTPStatus.BAD_REQUEST, "this is not an HTTP/1.1 request")


class _HeadRefusedError(Exception):
    """Ends the parsing of a request that `_refusal` describes."""


class _Flow(FlowControl):
    """uvicorn's switch for reading, which can be held."""

    is_held = False

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class BoundedHttpProtocol(
    CountedConnection, PacedReading, UnreadBodies, AnswerReading, HttpToolsProtocol
):
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
        self._bare_bytes = 0
        """Bytes of the present message since the last piece that had some of a body."""
        self._had_body = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._refusal = _NOT_HTTP
        """The answer if the parser gives up."""
        self._stopping = False
        self._is_over = False
        """The connection ended, or became a WebSocket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base
        super().connection_made(transport)
        self.flow: _Flow = _Flow(transport)
        self._await_head()
        if self._surplus is not None:
            self._refuse(self._surplus)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)
        self._end()

    def handle_websocket_upgrade(self) -> None:
        self._uncount()  # the protocol that takes over counts
        super().handle_websocket_upgrade()
        self._is_over = True
        if not self._is_answering():
            self._end()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.await_the_rest()

    def piece_received(self, piece: bytes) -> None:
        # On an idle connection the first byte begins a head, so the whole piece may belong to it.
        heads = self._heads + self._is_idle()
        # The parser calls on_message_begin and on_headers_complete on the way.
        super().piece_received(piece)
        # If a head began in this piece after the end of another request, it is unknown how much of
        # the piece belongs to it: do not count. The pieces after it are counted.
        if self._heads != heads or self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(piece)
        elif not self._had_body:
            self._bare_bytes += len(piece)
        self._had_body = False
        limits = self.head_limits
        if max(self._head_bytes, self._bare_bytes) > limits.max_bytes + limits.blank_bytes:
            self._refuse(self._too_large())

    def is_held(self) -> bool:
        """The next request waits for the answer to the one before it."""
        return self._is_answering()

    def hold_reading(self) -> None:
        self.flow.is_held = True
        self.flow.pause_reading()

    def release_reading(self) -> None:
        self.flow.is_held = False
        if not self._has_much_body():
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._bare_bytes = 0
        # The first head of a connection is awaited since connection_made.
        if not self._in_head:
            self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else a trailer, which must not change a request that was checked
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_arrived()
        if refusal := self._beyond_bounds():
            self._refusal = refusal
            raise _HeadRefusedError
        super().on_headers_complete()
        if self.expect_100_continue and self.cycle is not None:
            # A client that is refused may send the body all the same, or the next request.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._had_body, self._bare_bytes = True, 0
        self.taken_bytes += len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_over:
            self._end()
            return
        if self.cycle.response_complete:
            # The request was answered without reading its body: free what arrived of it.
            self.cycle.body = bytearray()
        if self._stopping and self.cycle.response_complete:
            self.close_after_body()
        if self.transport.is_closing():
            self.await_the_rest()
        self.feed_on()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal)

    def shutdown(self) -> None:
        """Let what arrived completely be answered; refuse what is still arriving."""
        self._stopping = True
        cycle: Any = self.cycle
        if cycle is None or not cycle.more_body or cycle.response_started:
            # Whoever answers while the body arrives ends by itself.
            super().shutdown()
        elif self.pipeline:
            # Requests before it are still being answered: drop it and let them finish.
            self.pipeline.popleft()
            cycle.response_complete, cycle.more_body = True, False
        else:
            self._refuse(_STOPPING)
        if self.scheme == "https" and self.transport.is_closing():
            # TLS waits half a minute for a client to confirm the end; idle ones never do.
            self.loop.call_later(_TLS_CLOSE_S, self.transport.abort)

    def _end(self) -> None:
        """Leave no cycle of objects: what TLS holds for a connection, a third of a megabyte, would
        stay until the garbage collector finds it."""
        self._is_over = True
        self._unset_keepalive_if_required()  # uvicorn leaves it if the connection was reset
        self.parser = self.cycle = None  # type: ignore[assignment]  # both know this protocol
        self.pipeline.clear()
        self.forget_answers()

    def _beyond_bounds(self) -> Refusal | None:
        limits = self.head_limits
        sizes = (len(name) + len(value) + len(": \r\n") for name, value in self.headers)
        line = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n\r\n")
        if line + sum(sizes) > limits.max_bytes:
            return self._too_large()
        if len(self.headers) > limits.max_headers:
            return Refusal(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the request has more than {limits.max_headers} headers",
            )
        codings = [value.strip().lower() for name, value in self.headers if name == _CODING]
        if codings and codings != [b"chunked"]:
            return Refusal(
                HTTPStatus.NOT_IMPLEMENTED,
                "Transfer-Encoding: only chunked is understood; compress with Content-Encoding",
            )
        return None

    def _too_large(self) -> Refusal:
        return Refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"request line and headers exceed {self.head_limits.max_bytes} bytes",
        )

    def _is_idle(self) -> bool:
        """Whether the next byte to arrive is the first of a head."""
        cycle: Any = self.cycle
        return not self._in_head and cycle is not None and not cycle.more_body

    def _is_answering(self) -> bool:
        """Whether a request that arrived completely waits for its answer."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _has_much_body(self) -> bool:
        """Whether so much of a body waits for its request that the request has to ask for more."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return len(cycle.body) > HIGH_WATER_LIMIT

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
            patience_s = self.head_limits.patience_s
            message = f"request line and headers took longer than {patience_s:g} s"
            self._refuse(Refusal(HTTPStatus.REQUEST_TIMEOUT, message))
        elif not self.transport.is_closing():
            self.transport.close()  # the client never sent anything

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what never became a request, and close the connection.

        With pipelining, a client matches answers to requests by their order alone. So nothing may
        be sent that it would take for the answer to an earlier request.
        """
        if self.transport.is_closing():
            return
        if self._is_answering():
            # The answer of the earlier request goes out, then the connection closes.
            self.flow.pause_reading()
            super().shutdown()
            return
        cycle: Any = self.cycle
        if self.pipeline or (cycle is not None and cycle.response_started and cycle.more_body):
            # An earlier request waits unanswered, or its answer is on its way already.
            self.transport.close()
            return
        self.transport.write(refusal.answer(request_id_from(self.headers or ())))
        self.transport.close()
