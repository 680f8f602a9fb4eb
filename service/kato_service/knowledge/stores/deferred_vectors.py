"""A store of vectors that is made when the first vector is stored, or found to be stored.

Until then it is empty, and knows it without Qdrant's client, whose import doubles the time of a
start.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from kato_service.connections.circuit import Circuit
from kato_service.domain.shares import Holder
from kato_service.errors import VectorNotFoundError
from kato_service.knowledge.stores.vector_places import VectorPlaces
from kato_service.knowledge.stores.vector_store import Near, Vector, VectorPage, VectorStore

if TYPE_CHECKING:
    from kato_service.connections.qdrant_pool import QdrantConnectionPool

_STORE = "kato_service.knowledge.stores.qdrant_store"


class DeferredVectors:
    """A `VectorStore`."""

    def __init__(
        self,
        pool: "QdrantConnectionPool",
        *,
        timeout_s: float,
        circuit: Circuit | None,
        places: VectorPlaces | None,
    ) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._circuit = circuit
        self._places = places
        self._made: VectorStore | None = None

    async def reserve(self, kb: str, caller: Holder | None) -> None:
        await (await self._store()).reserve(kb, caller)

    async def store(self, kb: str, cleared: int, vectors: Mapping[str, Vector]) -> None:
        if vectors:
            await (await self._store()).store(kb, cleared, vectors)

    async def neighbors(
        self, kb: str, cleared: int, vector: Vector, *, limit: int, min_score: float
    ) -> tuple[Near, ...]:
        if self._pool.is_unused:
            return ()
        store = await self._store()
        return await store.neighbors(kb, cleared, vector, limit=limit, min_score=min_score)

    async def get(self, kb: str, cleared: int, symbol: str) -> Vector:
        if self._pool.is_unused:
            raise VectorNotFoundError(f"no vector {symbol!r}")
        return await (await self._store()).get(kb, cleared, symbol)

    async def known(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, Vector]:
        if self._pool.is_unused:
            return {}
        return await (await self._store()).known(kb, cleared, symbols)

    async def pages(self, kb: str, cleared: int) -> AsyncIterator[VectorPage]:
        if self._pool.is_unused:
            return
        async for page in (await self._store()).pages(kb, cleared):
            yield page

    async def drop_before(self, kb: str, cleared: int) -> None:
        if not self._pool.is_unused:
            await (await self._store()).drop_before(kb, cleared)

    async def dimension(self, kb: str, cleared: int) -> int | None:
        if self._pool.is_unused:
            return None
        return await (await self._store()).dimension(kb, cleared)

    async def _store(self) -> VectorStore:
        if self._made is None:
            client = await self._pool.client()
            module = await asyncio.to_thread(import_module, _STORE)
            # Two callers may get here together, but a store must be one: it knows dimensions.
            if self._made is None:
                store = module.QdrantStore(
                    client, timeout_s=self._timeout_s, circuit=self._circuit, places=self._places
                )
                self._made = store
        return self._made
