"""The operations of a session over a WebSocket, frame by frame (http-api.md §2)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import structlog
from pydantic import AfterValidator, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api import errors, processing
from kato_service.api.intake import json_bodies
from kato_service.api.intake.admission import Admission
from kato_service.api.intake.calls import Call, call_of
from kato_service.api.intake.strict_route import begin, refused_body
from kato_service.api.legacy import Address
from kato_service.api.shapes import rendering
from kato_service.api.shapes.requests import (
    Body,
    ObservationBody,
    RepeatableBody,
)
from kato_service.domain.deadline import Deadline
from kato_service.errors import (
    BodyTooLargeError,
    InvalidInputError,
    KatoError,
    NotFoundError,
    UnauthorizedError,
)
from kato_service.findings import Finding

log = structlog.get_logger()
B = TypeVar("B", bound=Body)
GOING_AWAY = 1001
"""Close code of RFC 6455 for a server that is stopping."""
POLICY_VIOLATION = 1008
"""Close code of RFC 6455 for a client that may not go on."""


def _frame_id(value: Any) -> Any:
    is_fitting = isinstance(value, str | int | float | None) and not isinstance(value, bool)
    if not is_fitting:
        raise ValueError("must be text or a number")
    return value


class Frame(Body):
    """What a client sends."""

    type: str
    payload: dict[str, Any] = Field(default={})
    id: Annotated[Any, AfterValidator(_frame_id)] = None
    """Chosen by the client; the reply carries it."""


class PredictionsPayload(Body):
    limit: int | None = Field(default=None, ge=1, le=10_000)
    recall_threshold: float | None = Field(default=None, ge=0, le=1)


async def session_socket(websocket: WebSocket) -> None:
    """``/v2/sessions/{session_id}/ws``"""
    await _open(websocket, Address(websocket.path_params["session_id"]))


async def legacy_socket(websocket: WebSocket) -> None:
    """``/ws``: on the session that the headers select."""
    try:
        address = Address.of(websocket)
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
        await address.state(call_of(websocket))
    except KatoError as error:
        await errors.denied(error, websocket.scope, websocket.receive, websocket.send)
        return
    await websocket.accept()
    try:
        await _converse(websocket, address)
    except WebSocketDisconnect:
        log.debug("socket closed")
    except TimeoutError:
        log.info("socket dropped", reason="its client does not read the answers")


async def _converse(websocket: WebSocket, address: Address) -> None:
    """Answer one frame after the other until the client goes away or the service stops."""
    stopped = asyncio.create_task(websocket.app.state.service.stopped.wait())
    received: asyncio.Task[bytes] | None = None
    try:
        while not stopped.done():
            received = asyncio.create_task(_received(websocket))
            # A shutdown must not wait for the next frame of a silent client.
            await asyncio.wait((received, stopped), return_when=asyncio.FIRST_COMPLETED)
            if received.done():
                await _turn(websocket, address, received.result())
        await websocket.close(GOING_AWAY, "the service is stopping; connect again")
    finally:
        for task in (stopped, received):
            if task is not None:
                task.cancel()


async def _turn(websocket: WebSocket, address: Address, raw: bytes) -> None:
    """Answer one frame, which has a deadline and a request id of its own."""
    service = websocket.app.state.service
    deadline = Deadline.after(service.settings.request_timeout_s)
    request_id = uuid4().hex
    structlog.contextvars.bind_contextvars(request_id=request_id)
    call = replace(call_of(websocket), deadline=deadline)
    reply = await _reply(websocket, call, address, raw, request_id)
    # A client that does not read its replies is dropped, not waited for.
    async with asyncio.timeout(service.settings.request_timeout_s):
        await websocket.send_text((await json_text.long_text(reply)).decode())
        if reply.get("error", {}).get("code") == UnauthorizedError.code:
            await websocket.close(POLICY_VIOLATION, "the credentials of this socket have ended")
            raise WebSocketDisconnect(POLICY_VIOLATION)


async def _received(websocket: WebSocket) -> bytes:
    """The next frame, text or bytes; raises WebSocketDisconnect."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    text: str | None = message.get("text")
    if text is None:
        return bytes(message["bytes"])
    return text.encode("utf-8", "surrogatepass")


async def _reply(
    websocket: WebSocket, call: Call, address: Address, raw: bytes, request_id: str
) -> dict[str, Any]:
    admission: Admission = websocket.state.admission
    correlation: Any = None
    try:
        with admission.body(call.holder) as counted:
            counted.received(len(raw))
            frame = await _frame(raw, call.service.settings.max_body_bytes)
            correlation = frame.id  # known from here on, so refusals carry it too
            async with admission.request(call.holder):
                caller = await websocket.app.state.gate.admit_frame(websocket.scope)
                content = await _answer(replace(call, caller=caller), address, frame)
    except KatoError as error:
        errors.note(error, websocket.scope)
        content = {"type": "error"} | errors.envelope(error, request_id)
    except Exception:  # the outermost boundary of a frame; the socket stays open
        log.exception("frame crashed")
        content = {"type": "error"} | errors.crash_envelope(request_id)
    return content if correlation is None else content | {"id": correlation}


async def _frame(raw: bytes, limit: int) -> Frame:
    if len(raw) > limit:
        raise BodyTooLargeError(
            f"the frame exceeds {limit} bytes (MAX_BODY_BYTES); send less at once"
        )
    try:
        return await json_bodies.read(raw, partial(_validated, Frame))
    except InvalidInputError as error:
        raise error.in_frame() from error


async def _answer(call: Call, address: Address, frame: Frame) -> dict[str, Any]:
    if frame.type not in _TYPES:
        reason = f"must be one of {', '.join(_TYPES)}"
        raise InvalidInputError((Finding(("type",), reason),))
    reply_type, scope, answer = _TYPES[frame.type]
    call.caller.require(scope)
    try:
        payload = await answer(call, address, frame.payload)
    except InvalidInputError as error:
        raise error.in_frame("payload") from error
    return {"type": reply_type, "payload": payload}


async def _observe(call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    body = _validated(ObservationBody, payload)
    return await processing.observed(call, await address.id(call), body)


async def _learn(call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    body = _validated(RepeatableBody, payload)
    return rendering.learned(await processing.learned(call, await address.id(call), body))


async def _get_stm(call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    _validated(Body, payload)
    return processing.stm_of(await address.state(call))


async def _get_predictions(
    call: Call, address: Address, payload: Mapping[str, Any]
) -> dict[str, Any]:
    body = _validated(PredictionsPayload, payload)
    state = await address.state(call)
    result = await processing.predicted(
        call, state, limit=body.limit, recall_threshold=body.recall_threshold
    )
    return await processing.predictions_of(call, state, result)


async def _clear_stm(call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    body = _validated(RepeatableBody, payload)
    return await processing.stm_cleared(call, await address.id(call), body)


async def _ping(_call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"session_id": address.session_id}


def _validated(model: type[B], value: Any) -> B:
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise refused_body(exc, model, value) from exc


_Answer = Callable[[Call, Address, Mapping[str, Any]], Awaitable[dict[str, Any]]]
_TYPES: dict[str, tuple[str, Scope, _Answer]] = {
    "observe": ("observation_result", Scope.WRITE, _observe),
    "learn": ("learn_result", Scope.WRITE, _learn),
    "get_stm": ("stm", Scope.READ, _get_stm),
    "get_predictions": ("predictions", Scope.READ, _get_predictions),
    "clear_stm": ("stm_cleared", Scope.WRITE, _clear_stm),
    "ping": ("pong", Scope.READ, _ping),
}
"""By type of frame: the type of its reply, what its caller needs, and what answers it."""
