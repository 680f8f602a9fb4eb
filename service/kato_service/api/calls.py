"""What an operation is called with."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

import structlog
from fastapi import Depends
from starlette.requests import HTTPConnection

from kato_service.domain.deadline import Deadline, within
from kato_service.errors import DeadlineExceededError, OutcomeUnknownError
from kato_service.metrics import Metrics
from kato_service.processing.kato_processor import KatoProcessor
from kato_service.sessions.session_manager import SessionManager
from kato_service.sessions.state import Change, SessionState, label_of
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
    session = {"session": label_of(session_id)} if session_id else {}
    structlog.contextvars.bind_contextvars(route=route, **session)
