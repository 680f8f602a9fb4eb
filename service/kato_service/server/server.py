"""The server that runs the application in one process."""

import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from kato_service.server.http_protocol import BoundedHttpProtocol
from kato_service.server.websocket_protocol import BoundedWebSocketProtocol
from kato_service.service import Service
from kato_service.settings import Settings

KEEP_ALIVE_S = 75
"""Longer than the pauses of ordinary clients, so that they find their connection again."""
BACKLOG = 65_535
"""Connections that may wait to be accepted; the kernel takes its own limit where that is less. Of
what is beyond, clients learn nothing but a time-out or a reset."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class KatoServer(uvicorn.Server):
    """Tells the service at once when it is asked to end, and leaves the closing to its owner."""

    def __init__(self, service: Service, app: FastAPI) -> None:
        super().__init__(_config(service.settings, app))
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
