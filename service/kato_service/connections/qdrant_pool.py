"""Connections to Qdrant, or the Qdrant client's own engine over local files.

Qdrant's client is imported where it is first needed; see `local_vectors`.
"""

import asyncio
import math
import sqlite3
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from kato_service.connections.local_vectors import LocalVectors
from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import SettingsError, StoreUnavailableError

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient

    from kato_service.connections.qdrant_transport import CountingTransport


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
        self._local = LocalVectors(options.path)
        self._opening = asyncio.Lock()
        self._transport = None if options.url is None else _transport(options.pool_size)
        self.backend = "local" if options.url is None else "qdrant"

    @property
    def is_unused(self) -> bool:
        """Whether no vector was ever stored in these local files."""
        return self._options.url is None and self._client is None

    async def client(self) -> "AsyncQdrantClient":
        """The client. For local files without vectors, the first call makes it.

        Raises:
            StoreUnavailableError: The pool was not opened, or the files cannot be used.
        """
        async with self._opening:
            if self._client is None:
                self._client = await self._opened_late()
        return self._client

    async def open(self) -> None:
        if self._options.url is not None:
            await asyncio.to_thread(import_module, "qdrant_client")
            self._client = self._remote(self._options.url)
            return
        await asyncio.to_thread(self._local.lock)
        if self._local.are_stored:
            self._client = await asyncio.to_thread(self._embedded)

    async def check(self) -> None:
        if self._options.url is None:
            return
        from kato_service.connections.qdrant_failures import FAILURES

        client = await self.client()
        try:
            await client.get_collections()
        except FAILURES as exc:
            raise StoreUnavailableError("qdrant did not answer") from exc

    def usage(self) -> PoolUsage:
        return PoolUsage() if self._transport is None else self._transport.usage()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
        self._local.unlock()

    async def _opened_late(self) -> "AsyncQdrantClient":
        if self._options.url is not None:
            raise StoreUnavailableError("the connection to qdrant is not open yet; retry later")
        try:
            return await asyncio.to_thread(self._embedded)
        except (SettingsError, OSError, sqlite3.Error) as exc:
            raise StoreUnavailableError("the files of vectors cannot be opened") from exc

    def _embedded(self) -> "AsyncQdrantClient":
        from qdrant_client import AsyncQdrantClient

        self._local.prepare()
        self._local.unlock()  # the engine locks the same file
        try:
            return AsyncQdrantClient(
                path=str(self._options.path), force_disable_check_same_thread=True
            )
        except RuntimeError as exc:
            raise self._local.in_use() from exc
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise self._local.damaged() from exc

    def _remote(self, url: str) -> "AsyncQdrantClient":
        from qdrant_client import AsyncQdrantClient

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


def _transport(pool_size: int) -> "CountingTransport":
    from kato_service.connections.qdrant_transport import CountingTransport

    return CountingTransport(pool_size)
