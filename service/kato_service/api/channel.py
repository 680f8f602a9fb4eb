"""An open WebSocket: what is sent over it, one frame at a time, and calls made for it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from kato_service import json_text
from kato_service.access.scopes import Caller
from kato_service.api import errors
from kato_service.api.intake.admission import Admission
from kato_service.api.intake.calls import Call, call_of
from kato_service.domain.deadline import Deadline
from kato_service.errors import KatoError, UnauthorizedError

POLICY_VIOLATION, INTERNAL_ERROR = 1008, 1011
"""Close codes of RFC 6455: for a client that may not continue, and for a fault of the service."""


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
        text = (await json_text.long_text(content)).decode()
        async with asyncio.timeout(self._timeout_s), self._sending:
            await self._websocket.send_text(text)
            if content.get("error", {}).get("code") == UnauthorizedError.code:
                reason = "the credentials of this socket have ended"
                await self._websocket.close(POLICY_VIOLATION, reason)
                raise WebSocketDisconnect(POLICY_VIOLATION)

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
