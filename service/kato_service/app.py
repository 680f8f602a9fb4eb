"""The application over an opened service, and the server that runs it."""

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from kato_service import __version__
from kato_service.api.health import add_health
from kato_service.api.routes import include_routers
from kato_service.assembly import running_service
from kato_service.http_protocol import BoundedHttpProtocol
from kato_service.logs import configure_logs
from kato_service.service import Service
from kato_service.settings import Settings, read_settings
from kato_service.websocket_protocol import BoundedWebSocketProtocol

log = structlog.get_logger()

KEEP_ALIVE_S = 75
"""Longer than the pauses of ordinary clients, so that they find their connection again."""
BACKLOG = 65_535
"""Connections that may wait to be accepted; the kernel takes its own limit where that is less. Of
what is beyond, clients learn nothing but a time-out or a reset."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DESCRIPTION = """Deterministic pattern memory: observe events, learn patterns, get traceable
predictions. Errors come in one envelope; see `Refusal`."""


def serve(sockets: list[socket.socket]) -> NoReturn:
    """Serve in this process until told to end, then end it.

    Raises:
        SettingsError: The environment is wrong.
    """
    settings = read_settings()
    configure_logs(level=settings.log_level, style=settings.log_format)
    uvloop.run(_serve(settings, sockets))
    # Everything is closed and durable: threads that still match must not hold the process up.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


async def _serve(settings: Settings, sockets: list[socket.socket]) -> None:
    async with running_service(settings) as service:
        log.info(
            "service starting",
            version=__version__,
            url=settings.url,
            engine=service.engine_name,
            processor_id=settings.processor_id,
            **{name: found.backend for name, found in service.stores().items()},
        )
        if reason := service.searcher.slower_because:
            log.warning("the compiled engine is missing, the slower one runs", reason=reason)
        await KatoServer(service).serve(sockets)
        log.info("service stopping")


def make_app(service: Service) -> FastAPI:
    app = FastAPI(
        title="KATO",
        version=__version__,
        description=_DESCRIPTION,
        # Metrics are ours; asking for every request whether somebody traces it takes its time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    include_routers(app, service.settings)
    add_health(app)
    return app


class KatoServer(uvicorn.Server):
    """Tells the service at once when it is asked to end, and leaves the closing to its owner."""

    def __init__(self, service: Service) -> None:
        super().__init__(_config(service.settings, make_app(service)))
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _spare_what_stays()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As in the base class, which however ends the process before the service is closed."""
        known = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in known.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.stop()
        super().handle_exit(sig, frame)


def _spare_what_stays() -> None:
    """Let no later collection of garbage go through modules and routes: it takes 80 ms, and the
    event loop stands still meanwhile."""
    gc.collect()
    gc.freeze()


def _config(settings: Settings, app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        backlog=BACKLOG,
        http=BoundedHttpProtocol,
        ws=BoundedWebSocketProtocol,
        # Longer frames are refused by an envelope; only absurd ones end the socket.
        ws_max_size=2 * settings.max_body_bytes,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_grace_s)),
    )
