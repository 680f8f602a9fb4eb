"""Vectors in a Qdrant server: those of all users in one collection for each size of vectors.

Importing this takes half a second; `deferred_vectors` does it when a server is configured.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from itertools import chain

from kato_service.domain.shares import Holder
from kato_service.errors import VectorsClearedError
from kato_service.knowledge.vectors.dimensions import Dimensions, Remembered
from kato_service.knowledge.vectors.older_collections import WATCHING, OlderCollections, Watching
from kato_service.knowledge.vectors.qdrant_calls import CollectionMissingError, QdrantCalls
from kato_service.knowledge.vectors.shared_collections import SharedCollections
from kato_service.knowledge.vectors.vector_places import VectorPlaces
from kato_service.knowledge.vectors.vector_scores import (
    best_of,
    check_dimension,
    direction,
    in_order,
    nearest,
)
from kato_service.knowledge.vectors.vector_store import (
    Near,
    Stored,
    Vector,
    VectorPage,
    VectorStore,
    page_size,
)


class QdrantStore(VectorStore):
    """A `VectorStore`."""

    def __init__(
        self,
        calls: QdrantCalls,
        dimensions: Dimensions,
        *,
        instance: str = "kato",
        places: VectorPlaces | None = None,
        watching: Watching = WATCHING,
    ) -> None:
        """Args:
        instance: Its processor id.
        places: Bounds how many knowledge bases have vectors; None: any number.
        watching: How long collections of earlier versions are watched.
        """
        self._dimensions = dimensions
        self._places = places
        self._shared = SharedCollections(calls, instance)
        self._older = OlderCollections(calls, instance, self._shared, dimensions, watching=watching)
        self._agreed = Remembered()

    async def open(self) -> None:
        """Nothing to do: collections are created when the first vectors come."""

    async def run(self) -> None:
        await self._older.run()

    async def take_over(self) -> None:
        """One pass over the collections of earlier versions."""
        await self._older.take_over()

    async def reserve(self, kb: str, caller: Holder | None) -> None:
        if self._places is not None:
            await self._places.reserve(kb, caller, self._dimensions)

    async def store(
        self,
        kb: str,
        cleared: int,
        vectors: Mapping[str, Vector],
        labels: Mapping[str, str] = {},  # never changed
    ) -> None:
        if not vectors:
            return
        dimension = await self._agree(kb, cleared, len(next(iter(vectors.values()))))
        for vector in vectors.values():
            check_dimension(vector, dimension)
        known = await self.known(kb, cleared, vectors)
        wanted = {**{one.symbol: one.label for one in known.values() if one.label}, **labels}
        new = {
            symbol: vector
            for symbol, vector in vectors.items()
            if known.get(symbol) != Stored(symbol, vector, wanted.get(symbol))
        }
        if not new:
            return
        try:
            await self._shared.write(kb, cleared, new, wanted)
        except CollectionMissingError as exc:
            raise VectorsClearedError("the vectors were removed meanwhile") from exc

    async def neighbors(
        self, kb: str, cleared: int, vector: Vector, *, limit: int, min_score: float
    ) -> tuple[Near, ...]:
        dimension = await self.dimension(kb, cleared)
        if dimension is None or limit < 1:
            return ()
        check_dimension(vector, dimension)
        towards = direction(vector)

        async def shared(count: int, least: float) -> list[tuple[float, Stored]]:
            return await self._shared.nearest(kb, cleared, towards, count, least)

        async def older(count: int, least: float) -> list[tuple[float, Stored]]:
            return await self._older.nearest(kb, cleared, towards, count, least)

        if not await self._older.exists(kb, cleared):
            return await nearest(shared, vector, limit=limit, min_score=min_score)
        # The older one first: what is dropped there meanwhile was copied before.
        found = [
            await nearest(each, vector, limit=limit, min_score=min_score)
            for each in (older, shared)
        ]
        by_symbol = {one.symbol: one for one in chain.from_iterable(found)}
        return tuple(best_of(by_symbol.values(), limit))

    async def known(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, Stored]:
        dimension = await self.dimension(kb, cleared)
        if dimension is None:
            return {}
        older = await self._older.known(kb, cleared, symbols)
        return {**older, **await self._shared.known(kb, cleared, dimension, symbols)}

    async def labels(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, str]:
        dimension = await self.dimension(kb, cleared)
        if dimension is None:
            return {}
        return await self._shared.labels(kb, cleared, dimension, symbols)

    async def pages(self, kb: str, cleared: int) -> AsyncIterator[VectorPage]:
        dimension = await self.dimension(kb, cleared)
        if dimension is None:
            return
        symbols = await self._symbols(kb, cleared, dimension)
        size = page_size(dimension)
        for some in (symbols[i : i + size] for i in range(0, len(symbols), size)):
            known = await self.known(kb, cleared, some)
            if len(known) < len(some):
                raise VectorsClearedError("the vectors were cleared meanwhile")
            yield [known[symbol] for symbol in some]

    async def drop_before(self, kb: str, cleared: int) -> None:
        if not cleared:
            return
        # The dimensions first: whoever copies older vectors meanwhile sees that they are gone.
        await self._dimensions.drop_before(kb, cleared)
        await self._older.drop_before(kb, cleared)
        await self._shared.drop_before(kb, cleared)
        if self._places is not None and await self.dimension(kb, cleared) is None:
            self._places.give_back(kb)

    async def count(self, kb: str, cleared: int) -> int:
        dimension = await self.dimension(kb, cleared)
        if dimension is None:
            return 0
        if await self._older.exists(kb, cleared):
            return len(await self._symbols(kb, cleared, dimension))
        return await self._shared.count(kb, cleared, dimension)

    async def dimension(self, kb: str, cleared: int) -> int | None:
        known = self._agreed.get(kb, cleared)
        if known is None:
            known = await self._dimensions.of(kb, cleared)
            if known is None:
                return await self._older.dimension(kb, cleared)
            self._remember(kb, cleared, known)
        return known

    async def close(self) -> None:
        await self._dimensions.close()

    async def _agree(self, kb: str, cleared: int, wanted: int) -> int:
        """The dimension of *kb*: what it is already, else *wanted*."""
        known = await self.dimension(kb, cleared)
        fixed = self._agreed.get(kb, cleared)
        if fixed is not None:
            return fixed
        agreed = await self._dimensions.agree(kb, cleared, known or wanted)
        self._remember(kb, cleared, agreed)
        return agreed

    def _remember(self, kb: str, cleared: int, dimension: int) -> None:
        self._agreed.keep(kb, cleared, dimension)
        if self._places is not None:
            self._places.taken(kb)

    async def _symbols(self, kb: str, cleared: int, dimension: int) -> list[str]:
        """All symbols, in the order of an export."""
        found: list[str] = []
        async for page in self._older.symbols(kb, cleared):
            found += page
        try:
            async for page in self._shared.symbols(kb, cleared, dimension):
                found += page
        except CollectionMissingError:
            pass
        return await asyncio.to_thread(in_order, found)
