"""All paths of the API, mounted on the application."""

from fastapi import FastAPI

from kato_service.api import errors, legacy, patterns, processing, sessions, websocket
from kato_service.api.intake.operations import add
from kato_service.api.intake.session_middleware import SessionMiddleware
from kato_service.settings import Settings


def include_routers(app: FastAPI, settings: Settings) -> None:
    """Add operations, WebSockets, error answers and middleware; `health` adds its own paths.

    Requests are matched against the paths in this order, so the busiest come first.
    """
    if settings.enable_v2_features:
        _include_sessions(app, "/v2/sessions", tag="sessions")
        _include_sessions(app, "/sessions", tag="sessions of later clients")
    _include_legacy(app)
    app.router.add_api_websocket_route("/{path:path}", websocket.unknown_socket)
    app.router.redirect_slashes = False
    errors.install(app)
    app.add_middleware(SessionMiddleware, settings=settings)


def _include_legacy(app: FastAPI) -> None:
    add(app, "/v1", (*legacy.OPERATIONS, legacy.STATUS), tag="legacy")
    add(app, "", legacy.OPERATIONS, tag="legacy")
    for path in ("/v1/ws", "/ws"):
        app.router.add_api_websocket_route(path, websocket.legacy_socket)


def _include_sessions(app: FastAPI, prefix: str, *, tag: str) -> None:
    add(app, prefix + "/{session_id}", processing.OPERATIONS, tag=tag)
    add(app, prefix, sessions.OPERATIONS, tag=tag)
    add(app, prefix + "/{session_id}", patterns.OPERATIONS, tag=tag)
    app.router.add_api_websocket_route(prefix + "/{session_id}/ws", websocket.session_socket)
