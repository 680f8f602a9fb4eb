"""uvicorn, set up to serve the application in one process."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from kato_service.access.addresses import ClientAddresses
from kato_service.server.garbage import begin_collecting
from kato_service.server.http_protocol import BoundedHttpProtocol
from kato_service.server.open_connections import OpenConnections
from kato_service.server.tls import Certificate
from kato_service.server.websocket_protocol import BoundedWebSocketProtocol
from kato_service.service import BACKLOG, Service

log = structlog.get_logger()

KEEP_ALIVE_S = 75
"""Seconds that an idle connection stays open: longer than ordinary clients pause."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class KatoServer(uvicorn.Server):
    """Tells the service as soon as a signal asks it to end, and returns when everything is served.

    What comes after (closing the stores) is up to the caller of `serve`.
    """

    def __init__(self, service: Service, app: ASGIApp) -> None:
        super().__init__(_config(service, app))
        self._service = service
        self._was_ready = False
        self._watch: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        settings = self._service.settings
        if settings.tls_cert_file is not None and settings.tls_key_file is not None:
            certificate = Certificate(settings.tls_cert_file, settings.tls_key_file)
            self.config.ssl = certificate.context
            self._watch = asyncio.create_task(certificate.watch())
        await super().startup(sockets)
        begin_collecting()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        self._log_readiness()
        return await super().on_tick(counter)

    def _log_readiness(self) -> None:
        ready = self._service.ready
        if ready == self._was_ready:
            return
        self._was_ready = ready
        if ready:
            log.info("service ready", url=self._service.settings.url)
        elif not self._service.stopping:
            log.warning("service not ready", reason="sessions cannot be used; see store lines")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals while the server runs.

        The base class raises them again afterwards, which ends the process before the service is
        closed.
        """
        known = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in known.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.stop()
        super().handle_exit(sig, frame)


def _config(service: Service, app: ASGIApp) -> uvicorn.Config:
    settings = service.settings
    proxies = ClientAddresses(settings.trusted_proxies)
    open_connections = OpenConnections(proxies, service.metrics.shed)

    class Http(BoundedHttpProtocol):
        places = open_connections

    class WebSockets(BoundedWebSocketProtocol):
        places = open_connections

    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        backlog=BACKLOG,
        http=Http,
        ws=WebSockets,
        # Frames above max_body_bytes are refused with an envelope; only those twice as large end
        # the socket.
        ws_max_size=2 * settings.max_body_bytes,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_grace_s)),
    )
