"""uvicorn's WebSockets, dropped when their clients do not read, and quiet about clients' mistakes.

What a client does wrong is not an error of the service: it is logged as information, without a
traceback.
"""

from http import HTTPStatus
from typing import Any

import structlog
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Request, Response
from websockets.protocol import State

from kato_service.api.errors import request_id_from
from kato_service.server.answer_reading import AnswerReading
from kato_service.server.open_connections import CountedConnection
from kato_service.server.paced_reading import PacedReading
from kato_service.server.refusals import Refusal

log = structlog.get_logger()
MAX_FRAGMENTS = 4096
"""Frames of one message. Each costs memory, even an empty one."""
TOO_BIG = 1009
"""Close code of RFC 6455 for a message that is too big."""
INVALID_TEXT = 1007
"""Close code of RFC 6455 for text that is not UTF-8."""
MAX_LINE_BYTES = 64 * 1024
"""Of a header: the HTTP protocol, which reads the upgrade first, bounds all of them together."""
CLOSE_PATIENCE_S = 1.0
"""Seconds that a client has to confirm the close of its socket when the server ends."""


class BoundedWebSocketProtocol(
    CountedConnection, PacedReading, AnswerReading, WebSocketsSansIOProtocol
):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn.reject = self._rejection  # type: ignore[method-assign]  # its text is not JSON
        self._request_id = request_id_from(())
        # Its own limit, 8 KiB, is below that of tokens and cookies.
        http11.MAX_LINE_LENGTH = MAX_LINE_BYTES

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # The library's object is part of a cycle, and would keep what TLS holds for the connection
        # until the garbage collector finds it.
        del self.conn.reject

    def piece_received(self, piece: bytes) -> None:
        """Refuse an upgrade that cannot be read: uvicorn would never answer it."""
        super().piece_received(piece)
        unreadable = self.conn.handshake_exc
        if unreadable is None or self.handshake_initiated or self.transport.is_closing():
            return
        refusal = Refusal(HTTPStatus.BAD_REQUEST, "the WebSocket handshake cannot be read")
        self.transport.write(refusal.answer(self._request_id))
        self.transport.close()

    def is_held(self) -> bool:
        """A client that does not read answers, and be it those to its pings, is not read from."""
        return not self.writable.is_set()

    def hold_reading(self) -> None:
        self.transport.pause_reading()

    def release_reading(self) -> None:
        if not self.read_paused:
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.hold_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.is_behind:
            self.feed_on()
        else:
            self.release_reading()

    async def receive(self) -> Any:
        message = await super().receive()
        if self.is_behind or self.is_held():
            self.hold_reading()  # the base class reads on as soon as its queue is empty
        return message

    def handle_connect(self, event: Request) -> None:
        raw = event.headers.raw_items()
        self._request_id = request_id_from((name.encode(), value.encode()) for name, value in raw)
        super().handle_connect(event)

    def _rejection(self, status: HTTPStatus | int, text: str) -> Response:
        """The answer to an upgrade that is no valid handshake, as the envelope."""
        status = HTTPStatus(status)
        reason = text.partition("\n")[0].rpartition("connection: ")[2].rstrip(".")
        code = "METHOD_NOT_ALLOWED" if status == 405 else "VALIDATION_ERROR"
        refusal = Refusal(status, f"the WebSocket handshake is not valid: {reason}", code)
        body = refusal.body(self._request_id)
        headers = Headers(
            {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "X-Request-ID": self._request_id,
                "Connection": "close",
            }
        )
        return Response(status.value, status.phrase, headers, body)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.await_the_rest()

    def shutdown(self) -> None:
        """Leave an open socket to the application, which answers the current frame and closes with
        1001; the base class would interrupt the answer and close with 1012."""
        if self.close_sent or not self.handshake_complete:
            super().shutdown()
            return
        self.stop_keepalive()
        self.close_timeout = CLOSE_PATIENCE_S

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True  # else uvicorn logs the refusal as an error

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.await_the_rest()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < MAX_FRAGMENTS or self.conn.state is not State.OPEN:
            super().handle_cont(event)
            return
        log.info("socket dropped", reason="its client sent a message in too many frames")
        self.frames = []
        self.conn.fail(TOO_BIG, f"a message has more than {MAX_FRAGMENTS} frames")
        self.handle_parser_exception()

    def send_receive_event_to_app(self) -> None:
        """Check text first: the base class raises, and logs a traceback, if it is not UTF-8."""
        if self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
            self.frames = []
            # Not OPEN: a close follows in the same piece, or the socket was dropped before it.
            if self.conn.state is State.OPEN:
                log.info("socket dropped", reason="its client sent text that is not UTF-8")
                self.conn.send_close(INVALID_TEXT)
                self.handle_parser_exception()
            return
        super().send_receive_event_to_app()


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
