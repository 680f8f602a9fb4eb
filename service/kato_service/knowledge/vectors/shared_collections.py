"""The collections that all users of an instance share, one for each size of vectors.

A vector is stored in the collection of the least size that holds it, with zeros at its end, which
change no cosine. So nobody can cause more collections than there are sizes, whatever dimensions
users choose. Every point says whose it is: each search, scroll and deletion filters by that.
"""

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid5

from qdrant_client.models import (
    Distance,
    FieldCondition,
    Filter,
    FilterSelector,
    HnswConfigDiff,
    IntegerIndexParams,
    IntegerIndexType,
    KeywordIndexParams,
    KeywordIndexType,
    MatchValue,
    PointStruct,
    Range,
    Record,
    ScoredPoint,
    VectorParams,
)

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.vectors.qdrant_calls import (
    CollectionExistsError,
    CollectionMissingError,
    QdrantCalls,
)
from kato_service.knowledge.vectors.vector_scores import direction, packed, unpacked
from kato_service.knowledge.vectors.vector_store import Stored, Vector

LEAST_SIZE = 16
SCROLLED = 1000
"""Symbols that are listed at once."""
_POINTS = UUID("5f0d7a52-3a0c-5b8e-9c37-0d2f7b1f6a41")
"""The namespace of the ids of points."""
_INDEXES: Mapping[str, KeywordIndexParams | IntegerIndexParams] = {
    "kb": KeywordIndexParams(type=KeywordIndexType.KEYWORD, is_tenant=True),
    "cleared": IntegerIndexParams(type=IntegerIndexType.INTEGER, lookup=True, range=True),
    "dimension": IntegerIndexParams(type=IntegerIndexType.INTEGER, lookup=True, range=False),
}


class SharedCollections:
    def __init__(self, calls: QdrantCalls, instance: str) -> None:
        """*instance*: its processor id; instances that share a Qdrant share no collection."""
        self._calls = calls
        self._instance = instance
        self._name = re.compile(rf"kato\.{re.escape(instance)}\.(?P<size>[0-9]+)")
        self._ready: set[str] = set()
        """Collections that have their indexes."""
        self._creating = asyncio.Lock()

    async def write(
        self, kb: str, cleared: int, vectors: Mapping[str, Vector], labels: Mapping[str, str]
    ) -> None:
        """Make *vectors*, all of one dimension, durable and searchable.

        Raises:
            CollectionMissingError: Somebody removed the collection; repeating creates it.
            StoreUnavailableError: Qdrant did not answer.
        """
        name = self._collection(len(next(iter(vectors.values()))))
        await self._ensure(name)
        points = [_point(kb, cleared, one, labels) for one in vectors.items()]
        try:
            async with self._calls.mapped_errors():
                await self._calls.client.upsert(name, points=points, wait=True)
        except CollectionMissingError:
            self._ready.discard(name)
            raise

    async def nearest(
        self, kb: str, cleared: int, towards: Vector, limit: int, min_score: float
    ) -> list[tuple[float, Stored]]:
        """Up to *limit* points of *kb* by their score in float32, best first."""
        dimension = len(towards)
        among = _of(kb, cleared, dimension)
        found = await self._calls.nearest(
            self._collection(dimension), _sized(towards), limit, min_score, among
        )
        return [(point.score, stored_in(point)) for point in found]

    async def known(
        self, kb: str, cleared: int, dimension: int, symbols: Collection[str]
    ) -> dict[str, Stored]:
        """What is stored under *symbols*."""
        ids = [_point_id(kb, cleared, symbol) for symbol in symbols]
        try:
            async with self._calls.mapped_errors():
                found = await self._calls.client.retrieve(
                    self._collection(dimension), ids, with_payload=True
                )
        except CollectionMissingError:
            return {}
        # The ids say whose they are; a point that says otherwise is nobody's.
        own = (point for point in found if _is_of(point, kb, cleared, dimension))
        return {one.symbol: one for one in map(stored_in, own)}

    async def labels(
        self, kb: str, cleared: int, dimension: int, symbols: Collection[str]
    ) -> dict[str, str]:
        """The labels of those *symbols* that have one."""
        asked, found = list(symbols), {}
        shown = [*_owner(kb, cleared, dimension), "symbol", "label"]
        for some in (asked[i : i + SCROLLED] for i in range(0, len(asked), SCROLLED)):
            ids = [_point_id(kb, cleared, symbol) for symbol in some]
            try:
                async with self._calls.mapped_errors():
                    points = await self._calls.client.retrieve(
                        self._collection(dimension), ids, with_payload=shown
                    )
            except CollectionMissingError:
                return {}
            own = (one.payload or {} for one in points if _is_of(one, kb, cleared, dimension))
            found.update({one["symbol"]: one["label"] for one in own if one.get("label")})
        return found

    async def symbols(self, kb: str, cleared: int, dimension: int) -> AsyncIterator[list[str]]:
        """The symbols of all its vectors, a bounded number at a time.

        Raises:
            CollectionMissingError: There is no such collection.
        """
        offset: Any = None
        while True:
            async with self._calls.mapped_errors():
                points, offset = await self._calls.client.scroll(
                    self._collection(dimension),
                    scroll_filter=_of(kb, cleared, dimension),
                    limit=SCROLLED,
                    offset=offset,
                    with_payload=["symbol"],
                )
            yield [(point.payload or {})["symbol"] for point in points]
            if offset is None:
                return

    async def count(self, kb: str, cleared: int, dimension: int) -> int:
        """How many vectors of *kb* there are."""
        try:
            async with self._calls.mapped_errors():
                answer = await self._calls.client.count(
                    self._collection(dimension), _of(kb, cleared, dimension), exact=True
                )
        except CollectionMissingError:
            return 0
        return answer.count

    async def drop_before(self, kb: str, cleared: int) -> None:
        """Delete the points of *kb* from before the clear at *cleared*."""
        which = FilterSelector(filter=_before(kb, cleared))
        for name in await self._existing():
            with suppress(CollectionMissingError):
                async with self._calls.mapped_errors():
                    await self._calls.client.delete(name, points_selector=which, wait=True)

    async def _existing(self) -> list[str]:
        async with self._calls.mapped_errors():
            answer = await self._calls.client.get_collections()
        return [each.name for each in answer.collections if self._name.fullmatch(each.name)]

    def _collection(self, dimension: int) -> str:
        return f"kato.{self._instance}.{size_for(dimension)}"

    async def _ensure(self, name: str) -> None:
        """Create the collection and its indexes, as far as they are missing."""
        if name in self._ready:
            return
        async with self._creating:
            if name not in self._ready:
                missing = _INDEXES.keys() - await self._indexed(name)
                for field in sorted(missing):
                    async with self._calls.mapped_errors():
                        await self._calls.client.create_payload_index(
                            name, field, field_schema=_INDEXES[field], wait=True
                        )
                self._ready.add(name)

    async def _indexed(self, name: str) -> set[str]:
        """Create the collection unless it exists; gives the fields that have an index."""
        try:
            async with self._calls.mapped_errors():
                found = await self._calls.client.get_collection(name)
        except CollectionMissingError:
            with suppress(CollectionExistsError):  # another replica was faster
                async with self._calls.mapped_errors():
                    await self._create(name)
            return set()
        size, vectors = int(name.rpartition(".")[2]), found.config.params.vectors
        if not isinstance(vectors, VectorParams) or vectors.size != size:
            raise StoreUnavailableError(
                f"collection {name!r} in qdrant was not created by this service; use another"
                " PROCESSOR_ID, or delete the collection"
            )
        return set(found.payload_schema)

    async def _create(self, name: str) -> None:
        # No graph: every search is exact, and of one knowledge base, which the index finds.
        await self._calls.client.create_collection(
            name,
            vectors_config=VectorParams(
                size=int(name.rpartition(".")[2]), distance=Distance.COSINE
            ),
            hnsw_config=HnswConfigDiff(m=0, payload_m=0),
        )


def size_for(dimension: int) -> int:
    """The size of the collection that holds vectors of *dimension*: 16, 24, 32, 48, 64, 96, …"""
    size = LEAST_SIZE
    while size < dimension:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size


def components_in(payload: Mapping[str, Any] | None) -> Vector:
    """The exact components that the payload of a point holds."""
    return unpacked(b64decode((payload or {})["components"]))


def stored_in(point: ScoredPoint | Record) -> Stored:
    """What a point holds, in a shared collection or in one of a single knowledge base."""
    payload = point.payload or {}
    return Stored(str(payload["symbol"]), components_in(payload), payload.get("label"))


def _point(
    kb: str, cleared: int, one: tuple[str, Vector], labels: Mapping[str, str]
) -> PointStruct:
    symbol, vector = one
    payload: dict[str, Any] = {
        **_owner(kb, cleared, len(vector)),
        "symbol": symbol,
        # As text: a number in JSON may come back as a neighbouring double.
        "components": b64encode(packed(vector)).decode(),
    }
    if symbol in labels:
        payload["label"] = labels[symbol]
    return PointStruct(
        id=_point_id(kb, cleared, symbol), vector=_sized(direction(vector)), payload=payload
    )


def _point_id(kb: str, cleared: int, symbol: str) -> str:
    """Different for every knowledge base, clear and symbol: a knowledge base has no ``:``."""
    return str(uuid5(_POINTS, f"{kb}:{cleared}:{symbol}"))


def _sized(towards: Vector) -> list[float]:
    return [*towards, *(0.0,) * (size_for(len(towards)) - len(towards))]


def _owner(kb: str, cleared: int, dimension: int) -> dict[str, Any]:
    return {"kb": kb, "cleared": cleared, "dimension": dimension}


def _of(kb: str, cleared: int, dimension: int) -> Filter:
    """The points of *kb* since the clear at *cleared*."""
    return Filter(
        must=[
            FieldCondition(key=key, match=MatchValue(value=value))
            for key, value in _owner(kb, cleared, dimension).items()
        ]
    )


def _before(kb: str, cleared: int) -> Filter:
    own = FieldCondition(key="kb", match=MatchValue(value=kb))
    return Filter(must=[own, FieldCondition(key="cleared", range=Range(lt=cleared))])


def _is_of(point: Record, kb: str, cleared: int, dimension: int) -> bool:
    return _owner(kb, cleared, dimension).items() <= (point.payload or {}).items()
