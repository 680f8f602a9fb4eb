"""Frames of a WebSocket: what a client sends, and the answers of the processor (http-api.md §2)."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeVar
from uuid import uuid4

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api import legacy, processing
from kato_service.api.answers.asking import asked
from kato_service.api.answers.predicting import predicted, predictions_of
from kato_service.api.intake import json_bodies
from kato_service.api.intake.calls import Call
from kato_service.api.intake.strict_route import refused_body
from kato_service.api.session_address import Address
from kato_service.api.shapes import rendering
from kato_service.api.shapes.body import Body
from kato_service.api.shapes.dialect import CURRENT, LEGACY
from kato_service.api.shapes.requests import (
    NoBody,
    ObservationBody,
    OlderPredictionsBody,
    PredictionsBody,
    RepeatableBody,
)
from kato_service.errors import BodyTooLargeError, InvalidInputError

B = TypeVar("B", bound=Body)
FrameId = str | int | float
MAX_ID_CHARS = 256
_EDGE_BYTES = 4096
"""At either end of a frame that is not parsed, where its id is looked for."""


def _echoable(value: Any) -> Any:
    # A larger integer has become a float by now, and would come back as another text.
    number = type(value) in (int, float) and abs(value) < 2**64
    text = isinstance(value, str) and len(value) <= MAX_ID_CHARS
    if value is not None and not number and not text:
        raise ValueError(
            f"must be a text of at most {MAX_ID_CHARS} characters, or a number below 2^64"
        )
    return value


Id = Annotated[Any, AfterValidator(_echoable)]
_ID: TypeAdapter[FrameId | None] = TypeAdapter(Id)


class Frame(Body):
    """What a client sends."""

    type: str
    payload: dict[str, Any] | None = Field(default=None)
    id: Id = None
    """Chosen by the client; every reply carries it."""


async def parsed(raw: bytes, limit: int) -> Any:
    """The JSON of a frame.

    Raises:
        BodyTooLargeError: It has more than *limit* bytes.
        InvalidInputError: It is not JSON.
    """
    if len(raw) > limit:
        raise BodyTooLargeError(
            f"the frame exceeds {limit} bytes (MAX_BODY_BYTES); send less at once"
        )
    try:
        return await json_bodies.read(raw, lambda value: value)
    except InvalidInputError as error:
        raise error.in_frame() from error


def frame_of(value: Any) -> Frame:
    """The frame in its JSON; raises InvalidInputError."""
    try:
        return validated(Frame, value)
    except InvalidInputError as error:
        raise error.in_frame() from error


def validated(model: type[B], payload: Any) -> B:
    """The payload of a frame as *model*; raises InvalidInputError, as for the body of a request."""
    try:
        return model.model_validate(payload)
    except ValidationError as exc:
        raise refused_body(exc, model, payload) from exc


def id_of(value: Any) -> FrameId | None:
    """The id in the JSON of a frame, whatever else is wrong with it; None: none that is valid."""
    return _valid_id(value.get("id")) if isinstance(value, dict) else None


def id_in(raw: bytes) -> FrameId | None:
    """The id of a frame that cannot be parsed, or is too large to be, as far as its edges show it.

    A frame has three fields, so its id is next to the beginning or to the end, with at most the
    type between.
    """
    found = _FIRST.match(raw, 0, _EDGE_BYTES)
    if found is None and _is_closed(raw):
        found = _LAST.search(raw, max(0, len(raw) - _EDGE_BYTES))
    if found is None:
        return None
    try:
        return _valid_id(json_text.parsed(found["id"]))
    except json.JSONDecodeError:
        return None


async def answer(call: Call, address: Address, frame: Frame) -> dict[str, Any]:
    """The reply to a frame of one of `TYPES`."""
    reply_type, scope, answered = TYPES[frame.type]
    call.caller.require(scope)
    return {"type": reply_type, "payload": await answered(call, address, frame.payload or {})}


async def _observe(call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    body = validated(ObservationBody, payload)
    return await processing.observed(call, await address.id(call), body)


async def _learn(call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    body = validated(RepeatableBody, payload)
    if call.dialect is LEGACY:
        return await legacy.learn_content(call, address, body)
    return rendering.learned(await processing.learned(call, await address.id(call), body))


async def _get_stm(call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    validated(NoBody, payload)
    return processing.stm_of(await address.state(call))


async def _get_predictions(
    call: Call, address: Address, payload: Mapping[str, Any]
) -> dict[str, Any]:
    body = validated(PredictionsBody if call.dialect is CURRENT else OlderPredictionsBody, payload)
    chosen = asked(call, body, "body")
    state = await address.state(call)
    unique_id = getattr(body, "unique_id", None)
    processing.require_last(state, unique_id, "body")
    result = await predicted(call, state, chosen)
    checked = {} if unique_id is None else {"unique_id": unique_id}
    return await predictions_of(call, state, result, chosen) | checked


async def _clear_stm(call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    body = validated(RepeatableBody, payload)
    if call.dialect is LEGACY and body.unique_id is None and await address.missing(call):
        return {"status": "cleared", "session_id": None, "unique_id": uuid4().hex}
    return await processing.stm_cleared(call, await address.id(call), body)


async def _ping(_call: Call, address: Address, payload: Mapping[str, Any]) -> dict[str, Any]:
    validated(NoBody, payload)
    return {"session_id": address.session_id}


def _is_closed(raw: bytes) -> bool:
    """Whether the last brace closes the frame and not its payload; for a large one, taken so."""
    if len(raw) > json_bodies.AT_ONCE_BYTES:
        return True
    outside = _STRING.sub(b"", raw)
    return outside.count(b"{") == outside.count(b"}")


def _valid_id(value: Any) -> FrameId | None:
    try:
        return _ID.validate_python(value)
    except ValidationError:
        return None


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A text, or one that never ends."""
_TEXT = rb'"(?:[^"\\]|\\.)*+"'
_ID_FIELD = rb'"id"[ \t\r\n]*+:[ \t\r\n]*+(?P<id>' + _TEXT + rb"|-?\d[\d.eE+-]*+)[ \t\r\n]*+"
_TYPE_FIELD = rb'"type"[ \t\r\n]*+:[ \t\r\n]*+' + _TEXT + rb"[ \t\r\n]*+"
_FIRST = re.compile(
    rb"[ \t\r\n]*+\{[ \t\r\n]*+(?:" + _TYPE_FIELD + rb",[ \t\r\n]*+)?" + _ID_FIELD + rb"[,}]",
    re.DOTALL,
)
_LAST = re.compile(
    rb",[ \t\r\n]*+" + _ID_FIELD + rb"(?:,[ \t\r\n]*+" + _TYPE_FIELD + rb")?\}[ \t\r\n]*\Z",
    re.DOTALL,
)

Answer = Callable[[Call, Address, Mapping[str, Any]], Awaitable[dict[str, Any]]]
TYPES: dict[str, tuple[str, Scope, Answer]] = {
    "observe": ("observation_result", Scope.WRITE, _observe),
    "learn": ("learn_result", Scope.WRITE, _learn),
    "get_stm": ("stm", Scope.READ, _get_stm),
    "get_predictions": ("predictions", Scope.READ, _get_predictions),
    "clear_stm": ("stm_cleared", Scope.WRITE, _clear_stm),
    "ping": ("pong", Scope.READ, _ping),
}
"""By type of frame: the type of its reply, what its caller needs, and what answers it."""
