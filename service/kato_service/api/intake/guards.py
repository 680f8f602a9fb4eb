"""What a caller needs to reach a route: checked around every route, in this one place."""

import re
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from kato_service.access.scopes import Caller, Scope
from kato_service.api import errors
from kato_service.api.intake.gate import Gate
from kato_service.api.intake.identity import SESSIONS, Claims, claims_outside
from kato_service.api.intake.queries import known_parameters, require_known, require_utf_8
from kato_service.errors import ForbiddenError, InvalidInputError, KatoError
from kato_service.sessions.state import label_of

CUT_SHORT = "cut_short"
"""True in the state of a request whose stream ended with a failure, after its status was sent."""
_PATTERN_NAME = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Need:
    """What a route asks of its callers."""

    scope: Scope
    audited: str | None = None
    """What the audit log calls it; None: it is no administrative call."""
    naming: frozenset[str] = frozenset()
    """Query parameters by which requests may name a user, a session or a knowledge base; where
    there are any, headers and bodies may do so, too."""
    any_query: bool = False
    """Whether it ignores its query, as probes and pages must, instead of refusing what it does not
    know."""


def guard(route: BaseRoute, need: Need) -> None:
    """Let only callers with *need* reach *route*, and only with a path and a query that it reads
    as they were sent."""
    guarded: Any = route
    inner: ASGIApp = guarded.app
    known = known_parameters(route) | need.naming

    async def app(connection: Connection, receive: Receive, send: Send) -> None:
        caller: Caller = connection["state"]["caller"]
        try:
            caller.require(need.scope)
            require_utf_8(connection)
            if connection["query_string"] and not need.any_query:
                require_known(connection, known)
            if need.naming:
                connection["state"]["claims"] = claims_outside(connection)
        except (ForbiddenError, InvalidInputError) as error:
            if need.audited is not None and isinstance(error, InvalidInputError):
                _note(connection, need.audited, error.status_code)
            if connection["type"] != "websocket":
                raise
            await errors.denied(error, connection, receive, send)
            return
        if need.audited is None:
            await inner(connection, receive, send)
            return
        watched = _Watched(send)
        try:
            await inner(connection, receive, watched.send)
        except KatoError as error:
            watched.status = error.status_code
            raise
        finally:
            is_whole = watched.is_whole and not connection["state"].get(CUT_SHORT)
            _note(connection, need.audited, watched.status, is_whole=is_whole)

    guarded.app = app
    guarded.need = need


def need_of(route: BaseRoute) -> Need | None:
    need: Need | None = getattr(route, "need", None)
    return need


def open_paths(app: Starlette) -> frozenset[str]:
    """The paths that need no credentials.

    Raises:
        LookupError: A route has no guard: nobody said what it needs.
    """
    found = set()
    for route in app.routes:
        need, path = need_of(route), str(getattr(route, "path", route))
        if need is None:
            raise LookupError(f"the route {path} has no guard")
        if need.scope is Scope.OPEN and "{" not in path:
            found.add(path)
    return frozenset(found)


class _Watched:
    """Notes the status of an answer, and whether it came to its end."""

    def __init__(self, send: Send) -> None:
        self.status = 500
        self.is_whole = False
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
        if message["type"] == "http.response.body":
            self.is_whole = not message.get("more_body", False)


def _note(connection: Connection, action: str, status: int, *, is_whole: bool = True) -> None:
    caller: Caller = connection["state"]["caller"]
    gate: Gate = connection["app"].state.gate
    given = HTTPConnection(connection)
    claims: Claims = connection["state"].get("claims", ())
    named = next((claim.value for claim in claims if claim.kind == SESSIONS), None)
    session_id = given.path_params.get("session_id") or named
    target = {"session": label_of(session_id)} if session_id else {}
    if user_id := given.path_params.get("user_id"):
        target["of_user"] = label_of(user_id)
    name = str(given.path_params.get("name", "")).removeprefix("PTRN|")
    if _PATTERN_NAME.fullmatch(name):
        target["pattern"] = name
    gate.access.audit.called(caller, action, status, is_whole=is_whole, **target)
