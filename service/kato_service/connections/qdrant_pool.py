"""Connections to Qdrant, or the Qdrant client's own engine over local files."""

import asyncio
import math
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from grpc import StatusCode  # type: ignore[import-untyped]  # ships no types
from grpc.aio import AioRpcError  # type: ignore[import-untyped]  # ships no types
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import SettingsError, StoreUnavailableError

_UNANSWERED = (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class QdrantOptions:
    url: str | None = field(default=None, repr=False)
    """None: files under *path*, without a server."""
    path: Path = Path("vectors")
    grpc_port: int = 6334
    api_key: str | None = field(default=None, repr=False)
    pool_size: int = 20
    timeout_s: float = 10.0
    prefer_grpc: bool = False


class QdrantConnectionPool:
    name = "qdrant"

    def __init__(self, options: QdrantOptions) -> None:
        self._options = options
        self._client: AsyncQdrantClient | None = None
        self._transport = _CountingTransport(options.pool_size)
        self.backend = "local" if options.url is None else "qdrant"

    @property
    def client(self) -> AsyncQdrantClient:
        """The client; it exists once the pool was opened."""
        if self._client is None:
            raise StoreUnavailableError("the connection to qdrant is not open yet; retry later")
        return self._client

    async def open(self) -> None:
        if self._options.url is None:
            self._client = await asyncio.to_thread(self._local)
        else:
            self._client = self._remote(self._options.url)

    async def check(self) -> None:
        if self._options.url is None:
            return
        try:
            await self.client.get_collections()
        except (ApiException, QdrantException, AioRpcError, httpx.HTTPError) as exc:
            raise StoreUnavailableError("qdrant did not answer") from exc

    def usage(self) -> PoolUsage:
        if self._options.url is None:
            return PoolUsage()
        return self._transport.usage()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _local(self) -> AsyncQdrantClient:
        self._options.path.mkdir(parents=True, exist_ok=True)
        try:
            return AsyncQdrantClient(
                path=str(self._options.path), force_disable_check_same_thread=True
            )
        except RuntimeError as exc:
            raise SettingsError(
                "DATA_DIR: another process uses its vectors; accepted: a folder that no other"
                " process uses"
            ) from exc

    def _remote(self, url: str) -> AsyncQdrantClient:
        options = self._options
        return AsyncQdrantClient(
            url=url,
            grpc_port=options.grpc_port,
            prefer_grpc=options.prefer_grpc,
            api_key=options.api_key,
            timeout=math.ceil(options.timeout_s),
            check_compatibility=False,
            transport=self._transport,
        )


def is_busy(exc: Exception) -> bool:
    """Whether no connection of the pool became free in time, so that nothing was sent."""
    return isinstance(_source(exc), httpx.PoolTimeout)


def is_unanswered(exc: Exception) -> bool:
    """Whether Qdrant did not answer, or could not be reached."""
    if isinstance(exc, AioRpcError):
        return exc.code() in _UNANSWERED
    silent = isinstance(_source(exc), (httpx.TransportError, TimeoutError, OSError))
    return silent and not is_busy(exc)


def _source(exc: Exception) -> Exception:
    """The error that Qdrant's client wrapped in one of its own."""
    return exc.source if isinstance(exc, ResponseHandlingException) else exc


class _CountingTransport(httpx.AsyncHTTPTransport):
    """Counts the requests in progress: httpx does not tell how many connections it has."""

    def __init__(self, max_size: int) -> None:
        super().__init__(
            limits=httpx.Limits(max_connections=max_size, max_keepalive_connections=max_size)
        )
        self._max = max_size
        self._in_flight = 0
        self._most = 0

    def usage(self) -> PoolUsage:
        """An estimate: httpx keeps as many connections as were ever in use at once."""
        in_use = min(self._in_flight, self._max)
        return PoolUsage(in_use, min(self._most, self._max) - in_use, self._max)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._in_flight += 1
        self._most = max(self._most, self._in_flight)
        try:
            return await super().handle_async_request(request)
        finally:
            self._in_flight -= 1
