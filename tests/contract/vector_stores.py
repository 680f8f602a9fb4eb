"""The stores of vectors that the contract is checked with."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient
from qdrant_client import AsyncQdrantClient

from kato_service.knowledge.stores.sqlite_file import SqliteFile
from kato_service.knowledge.vectors.dimensions import Dimensions
from kato_service.knowledge.vectors.embedded_vectors import EmbeddedVectors
from kato_service.knowledge.vectors.mongo_dimensions import MongoDimensions
from kato_service.knowledge.vectors.qdrant_calls import QdrantCalls
from kato_service.knowledge.vectors.qdrant_store import QdrantStore
from kato_service.knowledge.vectors.sqlite_dimensions import SqliteDimensions
from kato_service.knowledge.vectors.vector_store import VectorStore

KINDS = ["embedded", "qdrant and sqlite", "qdrant and mongodb"]

NewStore = Callable[[], VectorStore]
"""Gives the store of one more process; embedded, it is the only one."""


def qdrant_client(url: str) -> AsyncQdrantClient:
    return AsyncQdrantClient(url=url, check_compatibility=False, timeout=60)


@asynccontextmanager
async def sqlite_dimensions(path: Path) -> AsyncIterator[SqliteDimensions]:
    dimensions = SqliteDimensions(SqliteFile(path, busy_timeout_s=5))
    yield dimensions
    await dimensions.close()


@asynccontextmanager
async def vector_stores(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, instance: str
) -> AsyncIterator[NewStore]:
    async with AsyncExitStack() as stack:
        if kind == "embedded":
            embedded = EmbeddedVectors(tmp_path / "vectors")
            stack.push_async_callback(embedded.close)
            yield lambda: embedded
            return
        url = request.getfixturevalue("qdrant_url")
        dimensions: Dimensions
        if kind == "qdrant and sqlite":
            path = tmp_path / "dimensions.sqlite"
            dimensions = await stack.enter_async_context(sqlite_dimensions(path))
        else:
            mongo: AsyncMongoClient = AsyncMongoClient(request.getfixturevalue("mongo_url"))
            stack.push_async_callback(mongo.close)
            dimensions = MongoDimensions(mongo[f"d{uuid4().hex}"])

        def new() -> VectorStore:
            client = qdrant_client(url)
            stack.push_async_callback(client.close)
            return QdrantStore(QdrantCalls(client), dimensions, instance=instance)

        yield new
