"""Operations on a session over a WebSocket: one conversation, frame by frame (http-api.md §2)."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated, Any

import structlog
from pydantic import Field
from starlette.websockets import WebSocket

from kato_service.access.scopes import Scope
from kato_service.api import errors, frames
from kato_service.api.channel import Channel, accept, until_closed
from kato_service.api.frames import Frame, validated
from kato_service.api.intake.calls import Call, call_of
from kato_service.api.intake.identity import claims_of_frame
from kato_service.api.intake.strict_route import begin
from kato_service.api.session_address import Address
from kato_service.api.shapes.body import AsWhole, Body
from kato_service.api.shapes.dialect import CURRENT
from kato_service.api.shapes.requests import PredictionOptions, PredictionsBody
from kato_service.api.subscriptions import Subscriptions
from kato_service.errors import InvalidInputError, KatoError, NotFoundError
from kato_service.findings import Finding

log = structlog.get_logger()
_SUBSCRIBING = ("subscribe", "unsubscribe")


class UnsubscribePayload(Body):
    subscription: Annotated[int, Field(ge=1), AsWhole] | None = None
    """None: all of the socket."""


async def session_socket(websocket: WebSocket) -> None:
    """``/v2/sessions/{session_id}/ws``"""
    await _open(websocket, Address(websocket.path_params["session_id"]))


async def legacy_socket(websocket: WebSocket) -> None:
    """``/ws``: on the session that the headers select."""
    try:
        address = Address.of(call_of(websocket))
    except KatoError as error:
        await errors.denied(error, websocket.scope, websocket.receive, websocket.send)
        return
    await _open(websocket, address)


async def unknown_socket(websocket: WebSocket) -> None:
    """Any other path: refused."""
    error = NotFoundError("there is no WebSocket at this path")
    await errors.denied(error, websocket.scope, websocket.receive, websocket.send)


async def _open(websocket: WebSocket, address: Address) -> None:
    begin(websocket, websocket.scope["route"].path)
    try:
        await replace(address).state(call_of(websocket))
    except KatoError as error:
        await errors.denied(error, websocket.scope, websocket.receive, websocket.send)
        return
    await accept(websocket)
    with until_closed():
        await _Conversation(websocket, address).run()


class _Conversation:
    """One open socket: answers one frame after the other; its subscriptions send in between."""

    def __init__(self, websocket: WebSocket, address: Address) -> None:
        self._websocket = websocket
        self._address = address
        self._channel = Channel(websocket)
        self._subscriptions = Subscriptions(self._channel, address)

    async def run(self) -> None:
        """Until the client goes away or the service stops; raises what `converse` raises."""
        try:
            await self._channel.converse(self._turn)
        finally:
            await self._subscriptions.close()

    async def _turn(self, raw: bytes) -> None:
        """Answer one frame, which has a deadline and a request id of its own."""
        call = self._channel.call(call_of(self._websocket).caller)
        await self._channel.send(await self._reply(call, raw))
        self._subscriptions.start()

    async def _reply(self, call: Call, raw: bytes) -> dict[str, Any]:
        value: Any = None
        read = False
        traced = self._websocket.scope["state"].get("frame_span", nullcontext)
        try:
            with traced(), self._channel.admission.body(call.holder) as counted:
                counted.received(len(raw))
                value = await frames.parsed(raw, call.service.settings.max_body_bytes)
                read = True
                content = await self._admitted(call, value)
        except KatoError as error:
            content = self._channel.refused(error)
        except Exception:  # the outermost boundary of a frame; the socket stays open
            log.exception("frame crashed")
            request_id = structlog.contextvars.get_contextvars()["request_id"]
            content = {"type": "error"} | errors.crash_envelope(request_id)
        frame_id = frames.id_of(value) if read else frames.id_in(raw)
        return content if frame_id is None else content | {"id": frame_id}

    async def _admitted(self, call: Call, value: Any) -> dict[str, Any]:
        frame = frames.frame_of(value)
        async with self._channel.admission.request(call.holder):
            caller = await self._websocket.app.state.gate.admit_frame(self._websocket.scope)
            call = await self._naming(replace(call, caller=caller), value)
            if frame.type not in frames.TYPES and frame.type not in _SUBSCRIBING:
                raise _unknown_type()
            try:
                return await self._answer(call, frame)
            except InvalidInputError as error:
                raise error.in_frame("payload") from error

    async def _naming(self, call: Call, value: Any) -> Call:
        """*call* with what its frame names, which has to be what the socket is for.

        Raises:
            ForbiddenError, InvalidInputError: It is not.
            SessionNotFoundError: The session of the socket has ended.
        """
        claims = () if call.dialect is CURRENT else claims_of_frame(value)
        if not claims:
            return call
        named = call.also_naming(claims)
        if self._address.session_id is None and not self._is_for(named):
            reason = "names another one than the socket; open a socket for it"
            raise InvalidInputError((Finding(claims[0].place, reason),))
        await replace(self._address).state(named)
        return named

    def _is_for(self, call: Call) -> bool:
        """Whether *call* means the default session that the socket is for."""
        acting_as = call.caller.acting_as
        meant = Address.of(call)
        same_user = acting_as(meant.user_id) == acting_as(self._address.user_id)
        return meant.session_id is None and same_user

    async def _answer(self, call: Call, frame: Frame) -> dict[str, Any]:
        payload = frame.payload or {}
        if frame.type == "subscribe":
            call.caller.require(Scope.READ)
            model = PredictionsBody if call.dialect is CURRENT else PredictionOptions
            options = validated(model, payload)
            content = await self._subscriptions.subscribe(call, options, frame.id)
            return {"type": "subscribed", "payload": content}
        if frame.type == "unsubscribe":
            call.caller.require(Scope.READ)
            return {"type": "unsubscribed", "payload": self._unsubscribed(payload)}
        # A copy: a default session may be deleted and created again between two frames.
        return await frames.answer(call, replace(self._address), frame)

    def _unsubscribed(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        number = validated(UnsubscribePayload, payload).subscription
        return {"subscriptions": self._subscriptions.unsubscribe(number)}


def _unknown_type() -> InvalidInputError:
    known = ", ".join((*frames.TYPES, *_SUBSCRIBING))
    return InvalidInputError((Finding(("type",), f"must be one of {known}"),))
