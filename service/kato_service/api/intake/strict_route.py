"""Routes that parse bodies strictly and call operations (decision 0017).

FastAPI documents every operation, and reads the parameters of those that take a query. The others
take only a path and a body; they are called directly, because FastAPI's general way to resolve
parameters takes longer than an observation.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kato_service import json_text
from kato_service.api import errors
from kato_service.api.intake import large_json
from kato_service.api.intake.calls import call_of, label
from kato_service.api.shapes.requests import unknown_fields_ignored
from kato_service.errors import InvalidInputError

Endpoint = Callable[..., Awaitable[Response]]


class StrictRoute(APIRoute):
    """The route of one operation, for one method."""

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if _only_path_and_body(endpoint, self.param_convertors):
            # APIRoute has documented the operation by now; only the call is replaced.
            self.app = _directly(path, endpoint)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            begin(request, self.path)
            return await handler(_StrictRequest(request.scope, request.receive))

        return handle


@dataclass(frozen=True, slots=True)
class _BodyReader:
    """Parses and validates the body that an operation takes."""

    adapter: TypeAdapter[Any]
    required: bool

    async def read(self, raw: bytes) -> Any:
        """The validated body; None if there is none. Raises InvalidInputError."""
        if len(raw) <= large_json.AT_ONCE_BYTES:
            return self.value(raw, json_text.parsed)
        async with _READING:
            return await asyncio.to_thread(self.value, raw, large_json.parsed)

    def value(self, raw: bytes, parsed: Callable[[bytes], Any]) -> Any:
        """Do what `read` does, in the calling thread, with the parser *parsed*."""
        try:
            found = parsed(raw) if raw else None
        except JSONDecodeError as exc:
            raise errors.not_json(exc.msg) from exc
        if found is None:
            if self.required:
                raise errors.invalid_input([_MISSING])
            return None
        try:
            return self.adapter.validate_python(found)
        except ValidationError as exc:
            raise _refused(exc) from exc


_MISSING = {"type": "missing", "loc": ("body",), "msg": "Field required"}
_READING = asyncio.Semaphore(2)
"""Large bodies that are parsed at once: a parsed one takes many times its bytes in memory."""


class _StrictRequest(Request):
    """The request that FastAPI reads a body from, with our parsers instead of its own."""

    async def json(self) -> Any:
        raw = await self.body()
        if len(raw) <= large_json.AT_ONCE_BYTES:
            return json_text.parsed(raw)
        # Validated in the same thread, too; FastAPI accepts an instance of the model as it is.
        reader = _body_reader(self.scope["route"].endpoint)
        assert reader is not None
        try:
            return await reader.read(raw)
        except InvalidInputError as exc:
            raise errors.RefusedBodyError(exc) from exc


def _directly(path: str, endpoint: Endpoint) -> ASGIApp:
    """The operation as an ASGI application; its errors rise to the handlers of `errors`."""
    reader = _body_reader(endpoint)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        begin(request, path)
        values = dict(request.path_params)
        if reader is not None:
            values["body"] = await reader.read(await request.body())
        response = await endpoint(call_of(request), **values)
        await response(scope, receive, send)

    return app


def begin(connection: HTTPConnection, path: str) -> None:
    """Name the route in log lines, and set whether its bodies may have unknown fields.

    Every request, and every WebSocket, on a route begins with this.
    """
    label(connection, path)
    unknown_fields_ignored.set(not path.startswith("/v2/"))


def _only_path_and_body(endpoint: Endpoint, in_path: Mapping[str, Any]) -> bool:
    """Whether an operation takes only its call, strings from the path, and a body."""
    taken = inspect.signature(endpoint).parameters
    rest = taken.keys() - {"call", "body"}
    return "call" in taken and all(one in in_path and taken[one].annotation is str for one in rest)


def _body_reader(endpoint: Endpoint) -> _BodyReader | None:
    body = inspect.signature(endpoint).parameters.get("body")
    if body is None:
        return None
    return _BodyReader(TypeAdapter(body.annotation), required=body.default is body.empty)


def _refused(exc: ValidationError) -> InvalidInputError:
    found = exc.errors(include_url=False, include_input=False)
    return errors.invalid_input([{**error, "loc": ("body", *error["loc"])} for error in found])
