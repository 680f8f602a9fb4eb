"""All paths of the API, mounted on the application."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.websockets import WebSocket

from kato_service.access.addresses import ClientAddresses
from kato_service.access.scopes import Scope
from kato_service.api import errors, legacy, patterns, processing, sessions, websocket
from kato_service.api.intake.gate import Gate
from kato_service.api.intake.guards import Need, guard
from kato_service.api.intake.operations import add
from kato_service.api.intake.session_middleware import SessionMiddleware
from kato_service.service import Service
from kato_service.settings import Settings

Socket = Callable[[WebSocket], Awaitable[None]]
DOCUMENTS = ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")
"""Paths that the framework adds."""


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


def include_routers(app: FastAPI, settings: Settings, gate: Gate) -> None:
    """Add operations, WebSockets, error answers and middleware; `health` adds its own paths.

    Requests are matched against the paths in this order, so the busiest come first.
    """
    if settings.enable_v2_features:
        _include_sessions(app, "/v2/sessions", tag="sessions")
        _include_sessions(app, "/sessions", tag="sessions of later clients")
    _include_legacy(app)
    app.router.add_api_websocket_route("/{path:path}", websocket.unknown_socket)
    guard(app.router.routes[-1], Need(Scope.OPEN, any_query=True))
    app.router.redirect_slashes = False
    errors.install(app)
    app.add_middleware(SessionMiddleware, settings=settings, gate=gate)


def guard_documents(app: FastAPI) -> None:
    """Open what describes the API: it is the same for every instance, and browsers that read it
    can send no credentials before a person gave them any."""
    for route in app.routes:
        if getattr(route, "path", "") in DOCUMENTS:
            guard(route, Need(Scope.OPEN, any_query=True))


def _include_legacy(app: FastAPI) -> None:
    add(app, "/v1", (*legacy.OPERATIONS, legacy.STATUS), tag="legacy")
    add(app, "", legacy.OPERATIONS, tag="legacy")
    for path in ("/v1/ws", "/ws"):
        _include_socket(app, path, websocket.legacy_socket, Scope.READ)


def _include_sessions(app: FastAPI, prefix: str, *, tag: str) -> None:
    add(app, prefix + "/{session_id}", processing.OPERATIONS, tag=tag)
    add(app, prefix, sessions.OPERATIONS, tag=tag)
    add(app, prefix + "/{session_id}", patterns.OPERATIONS, tag=tag)
    _include_socket(app, prefix + "/{session_id}/ws", websocket.session_socket, Scope.READ)


def _include_socket(app: FastAPI, path: str, endpoint: Socket, scope: Scope) -> None:
    """*scope* is what opening it needs; every frame needs its own."""
    app.router.add_api_websocket_route(path, endpoint)
    guard(app.router.routes[-1], Need(scope))
