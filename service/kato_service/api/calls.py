"""What an operation is called with, and how a request becomes that call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Protocol, TypeVar

import structlog
from fastapi import Depends
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from kato_service.api import errors, json_text, large_json
from kato_service.api.models import unknown_fields_ignored
from kato_service.domain.deadline import Deadline, within
from kato_service.errors import DeadlineExceededError, OutcomeUnknownError
from kato_service.metrics import Metrics
from kato_service.processing.kato_processor import KatoProcessor
from kato_service.sessions.manager import SessionManager
from kato_service.sessions.state import Change, SessionState
from kato_service.settings import Settings

A = TypeVar("A")
_SLOW = "the store of sessions did not answer in time"


class Service(Protocol):
    """The opened service, as ``app.state.service`` holds it."""

    @property
    def settings(self) -> Settings: ...
    @property
    def sessions(self) -> SessionManager: ...
    @property
    def processor(self) -> KatoProcessor: ...
    @property
    def metrics(self) -> Metrics: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """How answers are spelled for a generation of clients."""

    ok: str = "ok"
    user_field: str = "user_id"
    nested: bool = False
    """``missing`` and ``extras`` event by event."""


@dataclass(frozen=True, slots=True)
class Call:
    service: Service
    deadline: Deadline
    dialect: Dialect

    async def change(
        self, session_id: str, plan: Callable[[SessionState], Awaitable[Change[A]]]
    ) -> A:
        answer = await self.service.sessions.change(session_id, plan, deadline=self.deadline)
        self.service.metrics.answered(answer)
        return answer

    async def load(self, session_id: str) -> SessionState:
        async with self.reading():
            return await self.service.sessions.load(session_id)

    def reading(self) -> AbstractAsyncContextManager[None]:
        """For reads of sessions: given up at the deadline."""
        return within(self.deadline, _SLOW)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """For writes of one step, which may have happened when they are given up."""
        try:
            async with within(self.deadline, _SLOW):
                yield
        except DeadlineExceededError as exc:
            unknown = f"{exc.message}; outcome unknown, repeating is safe"
            raise OutcomeUnknownError(unknown) from exc


def call_of(connection: HTTPConnection) -> Call:
    path: str = connection.scope["path"]
    return Call(connection.app.state.service, connection.state.deadline, _dialect(path))


CURRENT = Dialect()
LEGACY = Dialect(ok="okay")
LATER = Dialect(ok="okay", user_field="node_id", nested=True)
Called = Annotated[Call, Depends(call_of)]


def _dialect(path: str) -> Dialect:
    if path.startswith("/v2/"):
        return CURRENT
    return LATER if path.startswith("/sessions") else LEGACY


class StrictRoute(APIRoute):
    """A route whose bodies are parsed strictly and whose log lines name it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            label(request, self.path)
            unknown_fields_ignored.set(not self.path.startswith("/v2/"))
            return await handler(_StrictRequest(request.scope, request.receive))

        return handle


def label(connection: HTTPConnection, route: str) -> None:
    """Name route and session in every log line of this request."""
    structlog.contextvars.bind_contextvars(route=route)
    if session_id := connection.path_params.get("session_id"):
        structlog.contextvars.bind_contextvars(session=session_label(session_id))


def session_label(session_id: str) -> str:
    """What logs may know of a session id."""
    return sha256(session_id.encode()).hexdigest()[:8]


class _StrictRequest(Request):
    async def json(self) -> Any:
        raw = await self.body()
        if len(raw) <= large_json.AT_ONCE_BYTES:
            return json_text.parsed(raw)
        async with _READING:
            return await asyncio.to_thread(_read, raw, self.scope["route"].endpoint)


_READING = asyncio.Semaphore(2)
"""Large bodies that are read at once: a parsed one takes many times its bytes."""


def _read(raw: bytes, endpoint: Callable[..., Any]) -> Any:
    """The body as its model, ready for the endpoint.

    Raises:
        RefusedBodyError: It is not what the endpoint takes.
    """
    value = large_json.parsed(raw)
    model = endpoint.__annotations__["body"]
    try:
        return TypeAdapter(model).validate_python(value)
    except ValidationError as exc:
        found = exc.errors(include_url=False, include_input=False)
        located = [{**error, "loc": ("body", *error["loc"])} for error in found]
        raise errors.RefusedBodyError(errors.invalid_input(located)) from exc
