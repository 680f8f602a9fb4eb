"""Near duplicates: which stored vector an observed one stands for (processor.md §4)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from kato_service.knowledge.vectors.vector_store import Vector, VectorStore
from kato_service.processing.vectors.vector_names import vector_symbol

Place = tuple[str, int]
"""A knowledge base, and the revision of its last clear."""


@dataclass(frozen=True, slots=True)
class BroughtVectors:
    """What an observation brings, each vector once."""

    vectors: Mapping[str, Vector]
    """By symbol, in the order in which they came."""
    labels: Mapping[str, str]

    @classmethod
    def of(cls, vectors: Sequence[Vector], labels: Sequence[str | None] = ()) -> "BroughtVectors":
        """*labels*: those of the vectors, in their order; there may be fewer."""
        named = [(vector_symbol(vector), vector) for vector in vectors]
        given = {
            symbol: label
            for (symbol, _), label in zip(named, labels, strict=False)
            if label is not None
        }
        return cls(dict(named), given)


class VectorAbsorber:
    """Gives, for each observed vector, the symbol of the vector that it stands for."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._deciding: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By knowledge base: held while a request decides which vectors are absorbed."""

    async def stored(self, place: Place, brought: BroughtVectors, least: float) -> dict[str, str]:
        """Store the vectors, but those that a stored one is near to.

        One after the other, so that each may be absorbed by those before it. Requests of this
        process wait for each other; other replicas do not.

        Args:
            least: The least cosine similarity of what absorbs them; 0.0: nothing does.
        """
        if not least:
            await self._store.store(*place, brought.vectors, brought.labels)
            return {symbol: symbol for symbol in brought.vectors}
        own: dict[str, str] = {}
        async with self._deciding.setdefault(place[0], asyncio.Lock()):
            known = await self._store.known(*place, brought.vectors)
            for symbol, vector in brought.vectors.items():
                own[symbol] = symbol
                if symbol not in known:
                    own[symbol] = await self._nearest(place, symbol, vector, least)
                if own[symbol] == symbol:
                    label = {key: brought.labels[key] for key in brought.labels if key == symbol}
                    await self._store.store(*place, {symbol: vector}, label)
        return own

    async def looked_up(
        self, place: Place, brought: BroughtVectors, least: float
    ) -> dict[str, str]:
        """The same without storing anything: the vectors do not absorb each other."""
        if not least:
            return {symbol: symbol for symbol in brought.vectors}
        known = await self._store.known(*place, brought.vectors)
        return {
            symbol: symbol if symbol in known else await self._nearest(place, symbol, vector, least)
            for symbol, vector in brought.vectors.items()
        }

    async def _nearest(self, place: Place, symbol: str, vector: Vector, least: float) -> str:
        """The symbol of the nearest stored vector, if it is near enough; else *symbol*."""
        near = await self._store.neighbors(*place, vector, limit=1, min_score=least)
        return near[0].symbol if near else symbol
