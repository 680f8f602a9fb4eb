"""What an operation is called with: the service, the deadline, and the client's dialect."""

from collections.abc import AsyncIterator
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
from kato_service.sessions.changes import Plan
from kato_service.sessions.state import SessionState, label_of

A = TypeVar("A")
_SLOW = "the session store did not answer before the deadline"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, or one frame of a WebSocket, on its way through an operation."""

    service: Service
    deadline: Deadline
    dialect: Dialect

    async def change(self, session_id: str, plan: Plan[A]) -> A:
        """The answer of *plan*, once its change is stored; see `SessionManager.change`."""
        answer = await self.service.sessions.change(session_id, plan, deadline=self.deadline)
        self.service.metrics.answered(answer)
        return answer

    async def load(self, session_id: str) -> SessionState:
        """The session, for reading; raises SessionNotFoundError."""
        async with self.reading():
            return await self.service.sessions.load(session_id)

    def reading(self) -> AbstractAsyncContextManager[None]:
        """Around a read of sessions: ends it at the deadline."""
        return within(self.deadline, _SLOW)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Around a write that is one call to the store.

        At the deadline it ends with OutcomeUnknownError: the store may still apply the call.
        """
        try:
            async with within(self.deadline, _SLOW):
                yield
        except DeadlineExceededError as exc:
            unknown = f"{exc.message}; outcome unknown, repeating is safe"
            raise OutcomeUnknownError(unknown) from exc


def call_of(connection: HTTPConnection) -> Call:
    """The call of a request that passed `SessionMiddleware`, which set its deadline."""
    path: str = connection.scope["path"]
    return Call(connection.app.state.service, connection.state.deadline, dialect_of(path))


async def _called(connection: HTTPConnection) -> Call:
    """Async, so that FastAPI calls it on the event loop and not in a thread."""
    return call_of(connection)


Called = Annotated[Call, Depends(_called)]


def label(connection: HTTPConnection, route: str) -> None:
    """Name route and session in every log line of this request."""
    session_id = connection.path_params.get("session_id")
    session = {"session": label_of(session_id)} if session_id else {}
    structlog.contextvars.bind_contextvars(route=route, **session)
