"""The application on an opened service, and the process that serves it."""

import gc
import logging
import os
import socket
import sys
from typing import NoReturn

import structlog
import uvloop
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from kato_service import __version__
from kato_service.api.console.paths import add_console
from kato_service.api.documents.paths import add_documents
from kato_service.api.health import add_health
from kato_service.api.intake.guards import open_paths
from kato_service.api.intake.prefix import Prefix, first_segments
from kato_service.api.routes import entrance, include_routers, make_gate
from kato_service.api.streams.compute_turns import ComputeTurns
from kato_service.assembly import running_service
from kato_service.logs import configure_logs
from kato_service.server.server import KatoServer
from kato_service.service import Service
from kato_service.settings.settings import Settings, read_settings
from kato_service.traces.opening import opened_traces

log = structlog.get_logger()


def serve(sockets: list[socket.socket]) -> NoReturn:
    """Serve in this process until a signal asks it to end, then exit.

    Raises:
        SettingsError: The environment is wrong.
    """
    gc.disable()  # until the server listens
    settings = read_settings()
    configure_logs(level=settings.log_level, style=settings.log_format)
    uvloop.run(_serve(settings, sockets))
    # Everything is closed and durable: do not wait for threads that are still matching.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


async def _serve(settings: Settings, sockets: list[socket.socket]) -> None:
    async with opened_traces(settings) as traces, running_service(settings, traces) as service:
        log.info(
            "service starting",
            version=__version__,
            url=settings.url,
            auth=settings.auth,
            engine=service.engine_name,
            processor_id=settings.processor_id,
            **{name: found.backend for name, found in service.stores().items()},
        )
        if reason := service.searcher.slower_because:
            log.warning("compiled engine not available, slower one used", reason=reason)
        await KatoServer(service, traces.app(make_app(service))).serve(sockets)
        log.info("service stopping")


class Application(Starlette):
    """Starlette as the register of the routes, and our own way to them (decision 0098)."""

    entrance: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self.entrance(scope, receive, send)


def make_app(service: Service) -> Application:
    """The application with all paths."""
    app = Application()
    app.state.service = service
    app.state.gate = make_gate(service)
    app.state.turns = ComputeTurns()
    prefix = Prefix(service.settings)
    include_routers(app, service.settings)
    add_health(app)
    add_documents(app, service.settings)
    add_console(app, service.settings)
    app.state.gate.open_paths = open_paths(app)
    prefix.own_segments = first_segments(app)
    app.entrance = entrance(app, service.settings, app.state.gate, prefix)
    return app
