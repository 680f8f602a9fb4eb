"""Which session a request on the older paths selects, by its headers (http-api.md §3)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection, Request

from kato_service.access.scopes import Caller
from kato_service.api.intake.calls import Call, call_of
from kato_service.api.shapes import rendering
from kato_service.api.shapes.body import UserId
from kato_service.api.wording import invalid_input
from kato_service.sessions.state import SessionState

_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)


@dataclass(slots=True)
class Address:
    """The session that a request or a WebSocket selects."""

    session_id: str | None
    """None: the default session of ``user_id``, as long as its id is not needed."""
    user_id: str | None = None
    """None: the default session is the instance's own."""

    @classmethod
    def of(cls, connection: HTTPConnection) -> "Address":
        """The address in the headers.

        Raises:
            InvalidInputError: The user that the address needs is not valid.
            ForbiddenError: A header names a user as whom the caller may not act, even one that the
                address does not need.
        """
        caller: Caller = connection.state.caller
        named = list(_named_users(connection))
        for given, _, prefix in named:
            caller.acting_as(_utf8(prefix + given))
        if session_id := connection.headers.get("x-session-id"):
            return cls(session_id)
        return cls(None, _user_id(*named[0]) if named else None)

    async def id(self, call: Call) -> str:
        """The id of the session, for a change; a default session is created if it is missing.

        To be called once the request is known to be valid: until then nothing may be created.

        Raises:
            SessionLimitExceededError: It would have to be created, and a limit is reached.
            ForbiddenError: The caller may not act as its user.
        """
        if self.session_id is None:
            self.session_id = await call.default_id(self.user_id)
        return self.session_id

    async def state(self, call: Call) -> SessionState:
        """The session, for a read; a default session that is missing is blank and stays missing.

        Raises:
            SessionNotFoundError: There is no session of the given id.
            ForbiddenError: The caller may not act as the user of a default session.
        """
        if self.session_id is not None:
            return await call.load(self.session_id)
        state = await call.default(self.user_id)
        self.session_id = rendering.session_id(state)
        return state

    async def missing(self, call: Call) -> SessionState | None:
        """The blank state of a default session that does not exist; None: it exists."""
        if self.session_id is None:
            state = await self.state(call)
            if not state.session_id:
                return state
        return None


def _named_users(connection: HTTPConnection) -> Iterator[tuple[str, str, str]]:
    """The users that headers name, the one that counts first: value, header, and its prefix."""
    for name, prefix in (("X-User-ID", ""), ("X-Node-ID", ""), ("X-Test-ID", "test_")):
        yield from ((one, name, prefix) for one in connection.headers.getlist(name) if one)


async def _addressed(request: Request) -> Address:
    return Address.of(request)


async def _shown(request: Request) -> SessionState:
    return await Address.of(request).state(call_of(request))


Addressed = Annotated[Address, Depends(_addressed)]
Shown = Annotated[SessionState, Depends(_shown)]
"""The session, for a read."""


def _user_id(given: str, header: str, prefix: str) -> str:
    try:
        return _USER_ID.validate_python(prefix + _utf8(given))
    except ValidationError as exc:
        found = [_unprefixed(error, header, prefix) for error in exc.errors(include_url=False)]
        raise invalid_input(found, part="header") from exc


def _unprefixed(error: Mapping[str, Any], header: str, prefix: str) -> dict[str, Any]:
    """*error* about a user id as one about the *header* that the prefix was put before."""
    context = dict(error.get("ctx", {}))
    if "max_length" in context:
        context["max_length"] -= len(prefix)
    return {**error, "loc": (header,), "ctx": context}


def _utf8(header: str) -> str:
    """*header*, which the server decoded as Latin-1, as UTF-8 if its bytes are."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header
