"""What an operation is called with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Protocol, TypeVar

import structlog
from fastapi import Depends
from starlette.requests import HTTPConnection

from kato_service.domain.deadline import Deadline
from kato_service.metrics import Metrics
from kato_service.processing.kato_processor import KatoProcessor
from kato_service.sessions.manager import SessionManager
from kato_service.sessions.state import Change, SessionState
from kato_service.settings import Settings

A = TypeVar("A")


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
        return await self.service.sessions.load(session_id)


def call_of(connection: HTTPConnection) -> Call:
    path: str = connection.scope["path"]
    return Call(connection.app.state.service, connection.state.deadline, _dialect(path))


CURRENT = Dialect()
LEGACY = Dialect(ok="okay")
LATER = Dialect(ok="okay", user_field="node_id", nested=True)


async def _called(connection: HTTPConnection) -> Call:
    """On the loop: FastAPI takes what is not async to a thread."""
    return call_of(connection)


Called = Annotated[Call, Depends(_called)]


def _dialect(path: str) -> Dialect:
    if path.startswith("/v2/"):
        return CURRENT
    return LATER if path.startswith("/sessions") else LEGACY


def label(connection: HTTPConnection, route: str) -> None:
    """Name route and session in every log line of this request."""
    session_id = connection.path_params.get("session_id")
    session = {"session": session_label(session_id)} if session_id else {}
    structlog.contextvars.bind_contextvars(route=route, **session)


@lru_cache(maxsize=4096)
def session_label(session_id: str) -> str:
    """What logs may know of a session id."""
    return sha256(session_id.encode()).hexdigest()[:8]
