"""An open WebSocket: what is sent over it, one frame at a time, and calls made for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from kato_service import json_text
from kato_service.access.credentials import SUBPROTOCOL
from kato_service.access.scopes import Caller
from kato_service.api import errors
from kato_service.api.intake.admission import Admission
from kato_service.api.intake.calls import Call, call_of
from kato_service.domain.deadline import Deadline
from kato_service.errors import KatoError, UnauthorizedError

log = structlog.get_logger()
GOING_AWAY, POLICY_VIOLATION, INTERNAL_ERROR = 1001, 1008, 1011
"""Close codes of RFC 6455: for a server that is stopping, for a client that may not continue, and
for a fault of the service."""


@contextmanager
def until_closed() -> Iterator[None]:
    """Around a conversation: its end by the client, or because the client does not read, is none
    of the service's failures."""
    try:
        yield
    except WebSocketDisconnect:
        log.debug("socket closed")
    except TimeoutError:
        log.info("socket dropped", reason="its client does not read the answers")


async def accept(websocket: WebSocket) -> None:
    """Open the socket. Only the name is ever selected: another sub-protocol may carry a key."""
    spoken = SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None
    await websocket.accept(spoken)


class Channel:
    """What the frames of a socket and its subscriptions share."""

    def __init__(self, websocket: WebSocket) -> None:
        self.admission: Admission = websocket.state.admission
        self.broken = asyncio.Event()
        """Set when nothing can be sent any more; `failure` says why."""
        self.failure: Exception | None = None
        self._websocket = websocket
        self._timeout_s: float = websocket.app.state.service.settings.request_timeout_s
        self._sending = asyncio.Lock()

    def call(self, caller: Caller) -> Call:
        """A call with a deadline of its own, whose log lines have a request id of their own."""
        structlog.contextvars.bind_contextvars(request_id=uuid4().hex)
        deadline = Deadline.after(self._timeout_s)
        return replace(call_of(self._websocket), deadline=deadline, caller=caller)

    async def called(self) -> Call:
        """The same, for a caller whose credentials still hold; raises what `Gate.admit` raises."""
        gate = self._websocket.app.state.gate
        return self.call(await gate.still_known(self._websocket.scope))

    async def converse(self, turn: Callable[[bytes], Awaitable[None]]) -> None:
        """Call *turn* with one frame after the other, text or bytes, until the service stops.

        Raises:
            WebSocketDisconnect: The client went away.
            TimeoutError: It does not read.
        """
        service = self._websocket.app.state.service
        ends = [asyncio.create_task(event.wait()) for event in (service.stopped, self.broken)]
        received: asyncio.Task[bytes] | None = None
        try:
            while not any(end.done() for end in ends):
                received = asyncio.create_task(self._received())
                # A shutdown must not wait for the next frame of a silent client.
                await asyncio.wait((received, *ends), return_when=asyncio.FIRST_COMPLETED)
                if received.done():
                    await turn(received.result())
            if self.failure is not None:
                raise self.failure
            await self._websocket.close(GOING_AWAY, "the service is stopping; connect again")
        finally:
            for task in (*ends, *((received,) if received is not None else ())):
                task.cancel()

    def refused(self, error: KatoError) -> dict[str, Any]:
        """The content that tells the client of *error*."""
        errors.note(error, self._websocket.scope)
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        content: dict[str, Any] = {"type": "error"} | errors.envelope(error, request_id)
        if error.retry_after_s is not None:
            content["retry_after_s"] = error.retry_after_s
        return content

    async def send(self, content: Mapping[str, Any]) -> None:
        """Send a frame; the socket of a client that withdrew its credentials is closed then.

        Raises:
            TimeoutError: The client does not read: it is dropped, not waited for.
            WebSocketDisconnect: It has gone, or the socket was closed.
        """
        await self.send_text((await json_text.long_text(content)).decode())
        if content.get("error", {}).get("code") == UnauthorizedError.code:
            await self.end("the credentials of this socket have ended")

    async def end(self, reason: str) -> None:
        """Close the socket of a client that may not continue; raises what `send` raises."""
        async with asyncio.timeout(self._timeout_s), self._sending:
            await self._websocket.close(POLICY_VIOLATION, reason)
        raise WebSocketDisconnect(POLICY_VIOLATION)

    async def send_text(self, text: str) -> None:
        """Send a frame; raises what `send` raises."""
        async with asyncio.timeout(self._timeout_s), self._sending:
            await self._websocket.send_text(text)

    async def crash(self) -> None:
        """Close the socket after a fault of the service, which is in the log."""
        reason = "unexpected error in the service; connect again"
        with suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(self._timeout_s), self._sending:
                await self._websocket.close(INTERNAL_ERROR, reason)
        self.fail(WebSocketDisconnect(INTERNAL_ERROR))

    def fail(self, failure: Exception) -> None:
        self.failure = failure
        self.broken.set()

    async def _received(self) -> bytes:
        """The next frame, text or bytes; raises WebSocketDisconnect."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        text: str | None = message.get("text")
        if text is None:
            return bytes(message["bytes"])
        return text.encode("utf-8", "surrogatepass")
