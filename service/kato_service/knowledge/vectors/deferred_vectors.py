"""Vectors in a Qdrant server whose client is not open, or not imported, yet."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from kato_service.connections.circuit import Circuit
from kato_service.domain.shares import Holder
from kato_service.knowledge.vectors.dimensions import Dimensions
from kato_service.knowledge.vectors.vector_places import VectorPlaces
from kato_service.knowledge.vectors.vector_store import (
    Near,
    Stored,
    Vector,
    VectorPage,
    VectorStore,
)

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient

_STORE = "kato_service.knowledge.vectors.qdrant_store"


class DeferredVectors(VectorStore):
    """A `VectorStore` that is made when it is first used."""

    def __init__(
        self,
        client: Callable[[], "AsyncQdrantClient"],
        dimensions: Dimensions,
        *,
        instance: str,
        timeout_s: float,
        circuit: Circuit | None,
        places: VectorPlaces | None,
    ) -> None:
        self._client = client
        self._dimensions = dimensions
        self._instance = instance
        self._timeout_s = timeout_s
        self._circuit = circuit
        self._places = places
        self._made: VectorStore | None = None

    async def open(self) -> None:
        """Nothing to do: the pool opens the client."""

    async def run(self) -> None:
        await (await self._store()).run()

    async def reserve(self, kb: str, caller: Holder | None) -> None:
        await (await self._store()).reserve(kb, caller)

    async def store(
        self,
        kb: str,
        cleared: int,
        vectors: Mapping[str, Vector],
        labels: Mapping[str, str] = {},  # never changed
    ) -> None:
        await (await self._store()).store(kb, cleared, vectors, labels)

    async def neighbors(
        self, kb: str, cleared: int, vector: Vector, *, limit: int, min_score: float
    ) -> tuple[Near, ...]:
        store = await self._store()
        return await store.neighbors(kb, cleared, vector, limit=limit, min_score=min_score)

    async def known(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, Stored]:
        return await (await self._store()).known(kb, cleared, symbols)

    async def labels(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, str]:
        return await (await self._store()).labels(kb, cleared, symbols)

    async def pages(self, kb: str, cleared: int) -> AsyncIterator[VectorPage]:
        async for page in (await self._store()).pages(kb, cleared):
            yield page

    async def drop_before(self, kb: str, cleared: int) -> None:
        await (await self._store()).drop_before(kb, cleared)

    async def count(self, kb: str, cleared: int) -> int:
        return await (await self._store()).count(kb, cleared)

    async def dimension(self, kb: str, cleared: int) -> int | None:
        return await (await self._store()).dimension(kb, cleared)

    async def close(self) -> None:
        await self._dimensions.close()

    async def _store(self) -> VectorStore:
        if self._made is None:
            client = self._client()
            module = await asyncio.to_thread(import_module, _STORE)
            # Two callers may get here together, but a store must be one: it knows dimensions.
            if self._made is None:
                calls = module.QdrantCalls(client, timeout_s=self._timeout_s, circuit=self._circuit)
                self._made = module.QdrantStore(
                    calls, self._dimensions, instance=self._instance, places=self._places
                )
        return self._made
