"""What an operation is called with: the service, the caller, the deadline, the client's dialect.

Operations reach sessions through their call only, which shows a caller its own and no others
(docs/access.md).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import structlog
from starlette.requests import HTTPConnection

from kato_service.access.scopes import Caller
from kato_service.api.intake.identity import UNNAMED, Claims, Identity, settled
from kato_service.api.shapes.dialect import LATER, Dialect, dialect_of
from kato_service.domain.deadline import Deadline, within
from kato_service.domain.genes import GeneValue
from kato_service.domain.shares import Holder
from kato_service.errors import DeadlineExceededError, OutcomeUnknownError
from kato_service.service import Service
from kato_service.sessions.changes import Plan
from kato_service.sessions.state import Change, Sees, SessionState, label_of
from kato_service.sessions.store import Listed

A = TypeVar("A")
_SLOW = "the session store did not answer before the deadline"


@dataclass(frozen=True, slots=True)
class Changed(Generic[A]):
    """A change that is made."""

    before: SessionState
    after: SessionState
    answer: A


@dataclass(frozen=True, slots=True)
class Call:
    """One request, or one frame of a WebSocket, on its way through an operation."""

    service: Service
    deadline: Deadline
    dialect: Dialect
    caller: Caller
    holder: Holder
    """Who it counts for, where one caller may hold only a part of what all share."""
    claims: Claims = ()
    identity: Identity = UNNAMED
    """Whom its claims name, on the older paths."""

    def also_naming(self, claims: Claims) -> "Call":
        """The call with more claims; raises what `settled` raises."""
        if not claims:
            return self
        every = (*self.claims, *claims)
        identity = settled(every, self.caller, self.service.settings.processor_id)
        return replace(self, claims=every, identity=identity)

    async def change(self, session_id: str, plan: Plan[A]) -> A:
        """The answer of *plan*, once its change is stored; see `SessionManager.change`."""
        self.identity.require_session(session_id)
        answer = await self.service.sessions.change(
            session_id, plan, deadline=self.deadline, sees=self._sees
        )
        self.service.metrics.answered(answer)
        self.service.feed.answered(answer)
        return answer

    async def changed(self, session_id: str, plan: Plan[A]) -> "Changed[A]":
        """The answer of *plan*, as `change` gives it, with the session before and after.

        The session is not read again afterwards: that may fail, and the change is made.
        """
        seen: list[SessionState] = []

        async def noted(state: SessionState) -> Change[A]:
            change = await plan(state)
            seen[:] = [state, change.state or state]
            return change

        answer = await self.change(session_id, noted)
        before, after = seen
        return Changed(before, after, answer)

    async def load(self, session_id: str) -> SessionState:
        """The session, for reading; raises SessionNotFoundError."""
        self.identity.require_session(session_id)
        async with self.reading():
            return await self.service.sessions.load(session_id, sees=self._sees)

    async def exists(self, session_id: str) -> bool:
        self.identity.require_session(session_id)
        async with self.reading():
            return await self.service.sessions.exists(session_id, sees=self._sees)

    async def create(
        self,
        *,
        user_id: str | None,
        ttl_s: int | None,
        metadata: Mapping[str, Any],
        overrides: Mapping[str, GeneValue],
    ) -> SessionState:
        """A new session of the user that the caller acts as; see `SessionManager.create`.

        On ``/sessions`` it is one for clients of later versions.

        Raises:
            ForbiddenError: The caller may not act as *user_id*.
        """
        user_id = self._user(user_id)
        self.identity.require_no_session()
        async with self.writing():
            return await self.service.sessions.create(
                user_id=user_id,
                caller=self.holder,
                ttl_s=ttl_s,
                metadata=metadata,
                overrides=overrides,
                later=self.dialect is LATER,
            )

    async def default_id(self, user_id: str | None) -> str:
        """The id of the default session of the user that the caller acts as; created if missing.

        Raises:
            ForbiddenError: The caller may not act as *user_id*.
            SessionLimitExceededError: It would have to be created, and a limit is reached.
        """
        user_id = self._user(user_id)
        async with self.writing():
            return await self.service.sessions.default_id(user_id, caller=self.holder)

    async def default(self, user_id: str | None) -> SessionState:
        """The default session of the user that the caller acts as, for reading.

        A blank one, stored nowhere, if it is missing.

        Raises:
            ForbiddenError: The caller may not act as *user_id*.
        """
        user_id = self._user(user_id)
        async with self.reading():
            return await self.service.sessions.default(user_id)

    async def blank(self, user_id: str | None, overrides: Mapping[str, GeneValue]) -> SessionState:
        """A session of the user that the caller acts as, stored nowhere, with genes of its own.

        Raises:
            ForbiddenError: The caller may not act as *user_id*.
        """
        user_id = self._user(user_id)
        async with self.reading():
            return replace(await self.service.sessions.blank(user_id), overrides=overrides)

    async def page(
        self, *, user_id: str | None, limit: int, cursor: str | None
    ) -> tuple[tuple[Listed, ...], str | None]:
        """A page of the sessions of *user_id*, or of all that the caller may know of.

        Raises:
            ForbiddenError: The caller may not act as *user_id*.
        """
        user_id = self._user(user_id)
        self.identity.require_no_session()
        sessions = self.service.sessions
        async with self.reading():
            if self._means_all(user_id):
                return await sessions.page(user_id=None, limit=limit, cursor=cursor)
            return await sessions.page_of(user_id, limit=limit, cursor=cursor)

    async def count(self) -> int:
        """The sessions of the user that the call names, or all that the caller may know of."""
        user_id = self._user(None)
        self.identity.require_no_session()
        async with self.reading():
            if self._means_all(user_id):
                return await self.service.sessions.count()
            return await self.service.sessions.count_of(user_id)

    async def extend(self, session_id: str, ttl_s: int | None) -> SessionState:
        """See `SessionManager.extend`."""
        self.identity.require_session(session_id)
        async with self.writing():
            return await self.service.sessions.extend(session_id, ttl_s, sees=self._sees)

    async def delete(self, session_id: str) -> None:
        self.identity.require_session(session_id)
        await self.service.sessions.delete(session_id, deadline=self.deadline, sees=self._sees)

    @property
    def _sees(self) -> Sees | None:
        if self.identity.restricts_users:
            return self._sees_named
        return None if self.caller.is_admin else self.caller.sees

    def _sees_named(self, user: str | None) -> bool:
        """As `Caller.sees`; raises InvalidInputError if the call names another user."""
        if not self.caller.sees(user):
            return False
        self.identity.require_user(user)
        return True

    def _user(self, user_id: str | None) -> str | None:
        """The user to act as, where a call selects by user.

        Raises:
            ForbiddenError: The caller may not act as the one that is named.
            InvalidInputError: The call names the knowledge base of another user.
        """
        user_id = self.caller.acting_as(self.identity.user_id or user_id)
        self.identity.require_base(user_id)
        return user_id

    def _means_all(self, user_id: str | None) -> bool:
        """Whether a list is one of everybody's sessions: nobody is named, and the caller may."""
        return user_id is None and self.caller.is_admin and self.identity.base is None

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
    """The call of a request that passed `SessionMiddleware`, which set deadline and caller.

    Raises:
        ForbiddenError, InvalidInputError: What it names is refused; see `settled`.
    """
    scope = connection.scope
    state: dict[str, Any] = scope["state"]
    service: Service = scope["app"].state.service
    dialect = dialect_of(scope["path"])
    call = Call(service, state["deadline"], dialect, state["caller"], state["holder"])
    return call.also_naming(state.get("claims", ()))


def label(connection: HTTPConnection, route: str) -> None:
    """Name route and session in every log line of this request."""
    session_id = connection.path_params.get("session_id")
    session = {"session": label_of(session_id)} if session_id else {}
    structlog.contextvars.bind_contextvars(route=route, **session)
