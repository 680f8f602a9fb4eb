"""An operation as a row of a table, and how it becomes a route that can be documented."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from kato_service.access.scopes import Scope
from kato_service.api.intake import bodies
from kato_service.api.intake.guards import Need, guard
from kato_service.api.intake.strict_route import StrictRoute
from kato_service.errors import (
    AuthUnavailableError,
    BodyTimeoutError,
    BodyTooLargeError,
    CrossOriginError,
    DeadlineExceededError,
    ForbiddenError,
    HostNotAllowedError,
    InvalidInputError,
    KatoError,
    MalformedRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    StoreUnavailableError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)

BY_ANYONE: tuple[type[KatoError], ...] = (
    MalformedRequestError,
    CrossOriginError,
    HostNotAllowedError,
    KatoError,
)
"""Errors that even the operations that need no credentials may answer with."""
BY_CALLERS: tuple[type[KatoError], ...] = (
    *BY_ANYONE,
    UnauthorizedError,
    ForbiddenError,
    AuthUnavailableError,
    RateLimitedError,
)
"""Errors of every operation that needs credentials."""
ALWAYS: tuple[type[KatoError], ...] = (
    *BY_CALLERS,
    InvalidInputError,
    StoreUnavailableError,
    OverloadedError,
    DeadlineExceededError,
)
"""Errors of every operation on sessions."""
ASKING_NO_STORE: tuple[type[KatoError], ...] = (*BY_CALLERS, InvalidInputError, OverloadedError)
"""Errors of operations that need credentials and answer from what the process has."""
WITH_BODY: tuple[type[KatoError], ...] = (
    BodyTooLargeError,
    BodyTimeoutError,
    UnsupportedMediaTypeError,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of `OPERATIONS` in the module of its subject; `routes` mounts it under prefixes."""

    methods: tuple[str, ...]
    path: str
    endpoint: Callable[..., Awaitable[Response]]
    summary: str
    answer: type[BaseModel]
    """Documents the JSON of its answer; `rendering` writes it."""
    errors: tuple[type[KatoError], ...] = ()
    """Errors it may answer with, in addition to those of every operation."""
    scope: Scope = field(kw_only=True)
    """What its callers need (docs/access.md)."""
    audited: bool = field(default=False, kw_only=True)
    """Whether the audit log has a line about every call."""
    always: tuple[type[KatoError], ...] = field(default=ALWAYS, kw_only=True)
    """Errors of every operation of its kind."""
    streamed: Callable[[], ASGIApp] | None = field(default=None, kw_only=True)
    """Makes the application for bodies that are streams of lines; None: it takes none."""
    uncompressed: bool = field(default=False, kw_only=True)
    """Whether a success may forbid everybody to compress it."""
    lines: bool = field(default=False, kw_only=True)
    """Whether a success is a stream of lines, of which *answer* documents one."""
    takes: type[BaseModel] | None = field(default=None, kw_only=True)
    """Documents a line of its body, if that can only be a stream of lines; some answer has it."""


@dataclass(frozen=True, slots=True)
class Described:
    """What the OpenAPI documents say about a route, beyond what its operation shows."""

    errors: tuple[type[KatoError], ...]
    """Errors that it may answer with."""
    older: bool = False
    """It belongs to the document of the older paths."""
    naming: frozenset[str] = frozenset()
    """Query parameters that name a user, a session or a knowledge base; headers may, too."""
    also: tuple[int, ...] = ()
    """Other statuses whose answers have the form of a success."""
    also_text: bool = False
    """A request that does not prefer JSON gets text."""
    uncompressed: bool = False
    """As in `Operation`."""
    lines: bool = False
    """As in `Operation`."""
    takes: type[BaseModel] | None = None
    """As in `Operation`."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Clients that share a prefix, and how their paths are documented."""

    prefix: str
    answers: Mapping[type[BaseModel], type[BaseModel]] = field(default_factory=dict)
    """Answers that differ from those of the tables."""
    older: bool = True
    naming: frozenset[str] = frozenset()
    """As in `Described`."""


def describe(route: BaseRoute, described: Described) -> None:
    """Note what the documents say about *route*."""
    documented: Any = route
    documented.described = described


def described(route: BaseRoute) -> Described | None:
    """What was noted; None for a route that no document has."""
    found: Described | None = getattr(route, "described", None)
    return found


def add(
    app: Starlette,
    generation: Generation,
    operations: Iterable[Operation],
    *,
    tag: str,
    below: str = "",
) -> None:
    """Mount *operations* under the prefix of *generation* and *below*; *tag* groups them."""
    for operation in operations:
        placed = replace(operation, path=generation.prefix + below + operation.path)
        for method in operation.methods:
            _add(app, method, placed, generation, tag)


def _add(
    app: Starlette, method: str, operation: Operation, generation: Generation, tag: str
) -> None:
    path = operation.path
    operation_id = _operation_id(method, operation, generation)
    route = StrictRoute(
        path,
        operation.endpoint,
        method,
        operation_id=operation_id,
        summary=operation.summary,
        tags=[tag],
        response_model=generation.answers.get(operation.answer, operation.answer),
    )
    if operation.streamed is not None:
        route.app = _by_kind_of_body(operation, route.app)
    app.router.routes.append(route)
    # An empty part of a path leads to no operation.
    missing = (NotFoundError,) if "{" in path else ()
    # Bodies of reads are read too: on the older paths they may name whom the request is for.
    errors = (*operation.errors, *missing, *operation.always, *WITH_BODY)
    describe(
        route,
        Described(
            errors,
            older=generation.older,
            naming=generation.naming,
            uncompressed=operation.uncompressed,
            lines=operation.lines,
            takes=operation.takes,
        ),
    )
    audited = operation_id if operation.audited else None
    guard(route, Need(operation.scope, audited, naming=generation.naming))


def _by_kind_of_body(operation: Operation, whole: ASGIApp) -> ASGIApp:
    """What is streamed for bodies that are streams of lines, *whole* for every other."""
    assert operation.streamed is not None
    lines = operation.streamed()

    async def app(scope: Connection, receive: Receive, send: Send) -> None:
        if bodies.is_lines(scope):
            await lines(scope, receive, send)
            return
        if operation.takes is not None:
            # Nothing is wrong with what is in it: the operation says that it takes no such body.
            scope["state"]["has_body"] = False
        await whole(scope, receive, send)

    return app


def _operation_id(method: str, operation: Operation, generation: Generation) -> str:
    """The name that generated clients give to the operation."""
    if not generation.older:
        name: str = operation.endpoint.__name__
        return name if method == operation.methods[0] else f"{name}_by_{method.lower()}"
    parts = [part.strip("{}").partition(":")[0] for part in operation.path.split("/") if part]
    words = [part.replace("-", "_") for part in parts]
    return "_".join((method.lower(), *(words or ("root",))))
