"""All paths of the API, mounted on the application."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from kato_service.access.addresses import ClientAddresses
from kato_service.access.scopes import Scope
from kato_service.api import (
    errors,
    later,
    legacy,
    patterns,
    processing,
    sessions,
    symbols,
    websocket,
)
from kato_service.api.answers import stateless
from kato_service.api.bulk import operation
from kato_service.api.compression.compressed_answers import CompressedAnswers
from kato_service.api.intake.gate import Gate
from kato_service.api.intake.guards import Need, guard
from kato_service.api.intake.identity import FIELDS
from kato_service.api.intake.operations import Generation, Operation, add
from kato_service.api.intake.prefix import Prefix
from kato_service.api.intake.session_middleware import SessionMiddleware
from kato_service.api.intake.strict_route import RoutesByPath, keep_apart
from kato_service.api.monitoring import event_socket, paths
from kato_service.api.shapes.later_responses import LATER
from kato_service.api.users import configuration, exporting, importing, knowledge, users
from kato_service.api.vectors import operations as vectors
from kato_service.service import Service
from kato_service.settings.settings import Settings

Socket = Callable[[WebSocket], Awaitable[None]]
Tables = tuple[tuple[Operation, ...], tuple[Operation, ...], tuple[Operation, ...]]
"""Operations on the memory of a session, on sessions, and on knowledge."""
_CURRENT = Generation("/v2/sessions", older=False)
_STATELESS = Generation("/v2", older=False)
_CURRENT_ROOT = Generation("", older=False)
_USERS = Generation("/v2/users", older=False)
_ANONYMOUS = Generation("/v2/anonymous", older=False)
_LATER = Generation("/sessions", LATER, naming=frozenset(FIELDS) - {"session_id"})
_LEGACY = Generation("/v1", naming=frozenset(FIELDS))
_UNPREFIXED = replace(_LEGACY, prefix="")
_TABLES: Tables = (
    processing.OPERATIONS,
    (*sessions.OPERATIONS, sessions.EDITING),
    (*patterns.OPERATIONS, *vectors.OPERATIONS),
)
_LATER_TABLES: Tables = (
    (*later.spoken(processing.OPERATIONS), later.FINALIZE),
    later.spoken(sessions.OPERATIONS),
    patterns.OPERATIONS,
)
_MONITORING = Generation("")
_STREAMED = re.compile(f"{operation.PATH}|/v2/(users/.+|anonymous){importing.PATH}")
"""Paths that take in bodies as streams of lines."""


def make_gate(service: Service) -> Gate:
    """What lets requests in."""
    settings = service.settings
    return Gate(
        service.access,
        service.metrics,
        service.rate_limits,
        settings.rate_limit_by,
        ClientAddresses(settings.trusted_proxies),
    )


def entrance(app: Starlette, settings: Settings, gate: Gate, prefix: Prefix) -> ASGIApp:
    """The way from the server to the routes of *app*."""
    routes = RoutesByPath(app.routes, app.router.app)
    # Compression is inside the outermost, which counts what is answered and adds headers.
    inner = CompressedAnswers(errors.AnsweredErrors(routes))
    return SessionMiddleware(inner, settings, gate, prefix, streamed=_STREAMED)


def include_routers(app: Starlette, settings: Settings) -> None:
    """Add operations and WebSockets; `health` adds its own paths.

    Paths with parameters are tried in this order, so the busiest come first.
    """
    if settings.enable_v2_features:
        _include_sessions(app, _CURRENT, _TABLES, tags=("memory", "sessions", "knowledge"))
        add(app, _STATELESS, stateless.OPERATIONS, tag="stateless")
        add(app, _CURRENT_ROOT, (operation.OPERATION,), tag="knowledge")
        _include_users(app)
        _include_sessions(app, _LATER, _LATER_TABLES, tags=("later sessions",) * 3)
        # It acts on nobody's sessions, so nothing in the request can name any.
        nameless = replace(_LATER, naming=frozenset())
        add(app, nameless, (later.TEST,), tag="later sessions")
    _include_legacy(app)
    add(app, _MONITORING, paths.OPERATIONS, tag="monitoring")
    _include_socket(app, _UNPREFIXED, "/ws/events", event_socket.events)
    keep_apart(app.router.routes)
    app.router.routes.append(WebSocketRoute("/{path:path}", websocket.unknown_socket))
    guard(app.router.routes[-1], Need(Scope.OPEN, any_query=True))
    app.router.redirect_slashes = False


def _include_users(app: Starlette) -> None:
    add(app, _USERS, users.LIST, tag="users")
    of_users = (
        *users.OF_USERS,
        *configuration.OF_USERS,
        *knowledge.OF_USERS,
        *exporting.OF_USERS,
        *importing.OF_USERS,
    )
    add(app, _USERS, of_users, tag="users", below="/{user_id}")
    of_nobody = (
        *users.OF_NOBODY,
        *knowledge.OF_NOBODY,
        *exporting.OF_NOBODY,
        *importing.OF_NOBODY,
    )
    add(app, _ANONYMOUS, of_nobody, tag="users")


def _include_legacy(app: Starlette) -> None:
    add(app, _LEGACY, (*legacy.OPERATIONS, legacy.STATUS), tag="v1")
    add(app, _UNPREFIXED, (*legacy.OPERATIONS, *symbols.OPERATIONS), tag="unprefixed")
    for clients in (_LEGACY, _UNPREFIXED):
        _include_socket(app, clients, "/ws", websocket.legacy_socket)


def _include_sessions(
    app: Starlette, clients: Generation, tables: Tables, *, tags: tuple[str, str, str]
) -> None:
    one = "/{session_id}"
    for operations, below, tag in zip(tables, (one, "", one), tags, strict=True):
        add(app, clients, operations, tag=tag, below=below)
    _include_socket(app, clients, f"{one}/ws", websocket.session_socket)


def _include_socket(app: Starlette, clients: Generation, path: str, endpoint: Socket) -> None:
    """Opening it needs the scope `read`; every frame needs its own."""
    app.router.routes.append(WebSocketRoute(f"{clients.prefix}{path}", endpoint))
    guard(app.router.routes[-1], Need(Scope.READ, naming=clients.naming))
