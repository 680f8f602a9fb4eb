"""Connections to Qdrant.

Qdrant's client is imported when the pool is opened: its import takes half a second.
"""

import asyncio
import math
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import StoreUnavailableError

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient

    from kato_service.connections.qdrant_transport import CountingTransport


@dataclass(frozen=True, slots=True)
class QdrantOptions:
    url: str = field(repr=False)
    grpc_port: int = 6334
    api_key: str | None = field(default=None, repr=False)
    pool_size: int = 20
    timeout_s: float = 10.0
    prefer_grpc: bool = False


class QdrantConnectionPool:
    name = "qdrant"
    backend = "qdrant"

    def __init__(self, options: QdrantOptions) -> None:
        self._options = options
        self._client: AsyncQdrantClient | None = None
        self._transport = _transport(options.pool_size)

    @property
    def client(self) -> "AsyncQdrantClient":
        """The client.

        Raises:
            StoreUnavailableError: The pool was not opened.
        """
        if self._client is None:
            raise StoreUnavailableError("the connection to qdrant is not open yet; retry later")
        return self._client

    async def open(self) -> None:
        await asyncio.to_thread(import_module, "qdrant_client")
        self._client = self._made()

    async def check(self) -> None:
        from kato_service.connections.qdrant_failures import FAILURES

        try:
            await self.client.get_collections()
        except FAILURES as exc:
            raise StoreUnavailableError("qdrant did not answer") from exc

    def usage(self) -> PoolUsage:
        return self._transport.usage()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _made(self) -> "AsyncQdrantClient":
        from qdrant_client import AsyncQdrantClient

        options = self._options
        return AsyncQdrantClient(
            url=options.url,
            grpc_port=options.grpc_port,
            prefer_grpc=options.prefer_grpc,
            api_key=options.api_key,
            timeout=math.ceil(options.timeout_s),
            check_compatibility=False,
            transport=self._transport,
        )


def _transport(pool_size: int) -> "CountingTransport":
    from kato_service.connections.qdrant_transport import CountingTransport

    return CountingTransport(pool_size)
