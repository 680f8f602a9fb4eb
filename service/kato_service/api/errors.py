"""Errors as answers: every refusal and failure has the same envelope (http-api.md §1)."""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kato_service import json_text
from kato_service.errors import (
    KatoError,
    MalformedRequestError,
    OverloadedError,
    UnsupportedMediaTypeError,
)

log = structlog.get_logger()

_ID_BYTES = 16
"""Random bytes of a request id that no client chose."""
HEADER_SAFE = re.compile(r"[\x21-\x7e]{1,128}")
"""What a client's request id, or a session id that is echoed in a header, may look like."""
_ROUTING = {
    404: ("NOT_FOUND", "not found: there is no operation at this path; /docs lists all operations"),
    405: ("METHOD_NOT_ALLOWED", "this path does not allow the method; see the Allow header"),
}
"""Code and message for what the router refuses, by status."""


def envelope(error: KatoError, request_id: str) -> dict[str, Any]:
    """*error* as JSON."""
    return _envelope(
        error.code, error.message, request_id, retryable=error.retryable, details=error.details
    )


def answered(error: KatoError, scope: Scope) -> Response:
    """The answer to a request that ended with *error*."""
    note(error, scope)
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, MalformedRequestError):
        headers["Connection"] = "close"  # what follows on the connection cannot be trusted
    if isinstance(error, UnsupportedMediaTypeError):
        headers["Accept-Encoding"] = "gzip"
    if error.challenge is not None:
        headers["WWW-Authenticate"] = error.challenge
    return _response(error.status_code, envelope(error, request_id_of(scope)), headers)


def note(error: KatoError, scope: Scope) -> None:
    """Count what was refused, and tell the audit log whom it concerns."""
    if isinstance(error, OverloadedError):
        scope["app"].state.service.metrics.shed(error.limit)
    elif error.challenge is not None:
        scope["app"].state.gate.refused(scope, error)


async def denied(error: KatoError, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket before it opens, with the envelope if the server can send one."""
    if "websocket.http.response" in scope.get("extensions", {}):
        answer = answered(error, scope)
        answer.headers["X-Request-ID"] = request_id_of(scope)
        await answer(scope, receive, send)
        return
    await send({"type": "websocket.close", "code": 1008, "reason": error.code})


def crashed(scope: Scope) -> Response:
    """The answer to a bug of the service; what happened is in the log only."""
    return _response(500, crash_envelope(request_id_of(scope)))


def crash_envelope(request_id: str) -> dict[str, Any]:
    return _envelope(
        "INTERNAL_ERROR", "unexpected error in the service; report the request_id", request_id
    )


def refusal(
    message: str, request_id: str, *, code: str = "VALIDATION_ERROR", retryable: bool = False
) -> dict[str, Any]:
    """The envelope for bytes that never became a request."""
    return _envelope(code, message, request_id, retryable=retryable)


def request_id_from(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The request id in *headers*, whose names are in lower case; a new one if none is valid."""
    for name, value in headers:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            return text if HEADER_SAFE.fullmatch(text) else _new_id()
    return _new_id()


def _new_id() -> str:
    """An id for log lines; it need not be secret."""
    return random.randbytes(_ID_BYTES).hex()


def request_id_of(scope: Scope) -> str:
    return str(scope.get("state", {}).get("request_id", ""))


class AnsweredErrors:
    """Around the routes: answers what rises from them, unless an answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except (KatoError, HTTPException) as error:
            if has_begun:
                raise RuntimeError("the answer had begun") from error
            await _answer_to(error, scope)(scope, receive, send)


def _answer_to(error: KatoError | HTTPException, scope: Scope) -> Response:
    if isinstance(error, HTTPException):
        return _unrouted(error, scope)
    if error.status_code >= 500:
        log.warning("request failed", code=error.code, reason=error.message)
    return answered(error, scope)


def _unrouted(error: HTTPException, scope: Scope) -> Response:
    """The answer to a request for which the router found no operation."""
    status = error.status_code
    if status not in _ROUTING:
        raise error
    code, message = _ROUTING[status]
    content = _envelope(code, message, request_id_of(scope))
    headers = dict(error.headers or {})
    if status == 405:
        headers["Allow"] = ", ".join(_methods(scope))
    return _response(status, content, headers)


def _methods(scope: Scope) -> list[str]:
    """All methods of a path; the framework lists only those of the first route that has it."""
    routes = [one for one in scope["app"].routes if one.matches(scope)[0] is not Match.NONE]
    return sorted(set().union(*(getattr(one, "methods", None) or () for one in routes)))


def _envelope(
    code: str,
    message: str,
    request_id: str,
    *,
    retryable: bool = False,
    details: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    error = {
        "code": code,
        "message": message,
        "retryable": retryable,
        "request_id": request_id,
        "details": list(details),
    }
    return {"error": error, "detail": message}


def _response(
    status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    return Response(json_text.text(content), status, headers, media_type="application/json")
