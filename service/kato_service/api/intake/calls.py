"""What an operation is called with."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

import structlog
from fastapi import Depends
from starlette.requests import HTTPConnection

from kato_service.api.shapes.dialect import Dialect, dialect_of
from kato_service.domain.deadline import Deadline, within
from kato_service.errors import DeadlineExceededError, OutcomeUnknownError
from kato_service.service import Service
from kato_service.sessions.state import Change, SessionState, label_of

A = TypeVar("A")
_SLOW = "the store of sessions did not answer in time"


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
    return Call(connection.app.state.service, connection.state.deadline, dialect_of(path))


async def _called(connection: HTTPConnection) -> Call:
    """On the loop: FastAPI takes what is not async to a thread."""
    return call_of(connection)


Called = Annotated[Call, Depends(_called)]


def label(connection: HTTPConnection, route: str) -> None:
    """Name route and session in every log line of this request."""
    session_id = connection.path_params.get("session_id")
    session = {"session": label_of(session_id)} if session_id else {}
    structlog.contextvars.bind_contextvars(route=route, **session)
