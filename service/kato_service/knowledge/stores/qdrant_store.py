"""Vectors in Qdrant, server or local mode: one collection per knowledge base and clear.

Importing this takes half a second; `deferred_vectors` does it when the first vector arrives.

Candidates come from Qdrant's exact search. Their scores are computed again in float64 from the
components as they were given, so that order and ties do not depend on the server's arithmetic.
"""

import asyncio
import math
import re
import sqlite3
import struct
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from operator import mul
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from grpc import StatusCode  # type: ignore[import-untyped]  # ships no types
from grpc.aio import AioRpcError  # type: ignore[import-untyped]  # ships no types
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse
from qdrant_client.models import (
    Distance,
    PointStruct,
    Record,
    ScoredPoint,
    SearchParams,
    VectorParams,
)

from kato_service.connections.circuit import Circuit
from kato_service.connections.qdrant_failures import is_busy, is_unanswered
from kato_service.domain.shares import Holder
from kato_service.errors import (
    StoreUnavailableError,
    VectorDimensionError,
    VectorNotFoundError,
    VectorsClearedError,
)
from kato_service.knowledge.stores.vector_places import VectorPlaces
from kato_service.knowledge.stores.vector_store import Near, Vector, VectorPage

OPERATION_TIMEOUT_S = 10.0
"""Seconds that one call may take."""
SCORE_ERROR = 1e-4
"""How far a score in float32 may be from the exact one (with 4096 dimensions)."""
SCORE_DIGITS = 12
"""Decimals of a score: scores that agree in all of them are equal."""
PAGE_COMPONENTS = 2**18
"""Components of the vectors that are read at once, which bounds the memory this takes."""
PAGE_VECTORS = 1000
_UNWRITABLE = "the files of vectors cannot be written; free some space on their disk"
_COLLECTION = re.compile(r"kato_(?P<kb>.+)_(?P<cleared>[0-9]+)")


class QdrantStore:
    def __init__(
        self,
        client: AsyncQdrantClient,
        *,
        timeout_s: float = OPERATION_TIMEOUT_S,
        circuit: Circuit | None = None,
        places: VectorPlaces | None = None,
    ) -> None:
        """*places*: bounds how many knowledge bases have vectors; None: any number."""
        self._client = client
        self._places = places
        self._circuit = circuit or Circuit("qdrant")
        self._timeout_s = timeout_s
        self._dimensions: dict[str, int] = {}
        """Dimensions of collections that exist; a collection never changes its dimension."""

    async def store(self, kb: str, cleared: int, vectors: Mapping[str, Vector]) -> None:
        """Make *vectors* durable and searchable.

        Args:
            cleared: Revision of the knowledge base's last clear, just read from the log.
            vectors: float64 components by symbol, all of the same dimension.

        Raises:
            VectorDimensionError: Vectors of this knowledge base have another dimension.
            VectorsClearedError: Its collection was dropped: read *cleared* again and repeat.
            StoreUnavailableError: Qdrant did not answer; repeating is safe.
        """
        if not vectors:
            return
        name = collection_name(kb, cleared)
        points = [_point(symbol, vector) for symbol, vector in vectors.items()]
        dimension = await self._ensure_collection(name, len(next(iter(vectors.values()))))
        for vector in vectors.values():
            _check_dimension(vector, dimension)
        try:
            async with self._mapped_errors():
                await self._client.upsert(name, points=points, wait=True)
        except _CollectionMissingError as exc:
            self._dimensions.pop(name, None)
            raise VectorsClearedError("the vectors were cleared meanwhile") from exc

    async def neighbors(
        self, kb: str, cleared: int, vector: Vector, *, limit: int, min_score: float
    ) -> tuple[Near, ...]:
        """Up to *limit* stored vectors whose cosine similarity is at least *min_score*.

        Best first, equal ones by symbol; the vector's own symbol is among them if it is stored.
        """
        dimension = await self.dimension(kb, cleared)
        if dimension is None or limit < 1:
            return ()
        _check_dimension(vector, dimension)
        direction = _direction(vector)
        # Qdrant's float32 scores may cut a tie, or the threshold, in the wrong place. So more are
        # fetched than needed, until the last one is certainly worse than the last that is returned.
        fetched = 2 * limit + 8
        while True:
            points = await self._search(kb, cleared, direction, fetched, min_score - SCORE_ERROR)
            best = sorted((_near(direction, point) for point in points), key=_rank)[:limit]
            if len(points) < fetched or points[-1].score < best[-1].score - SCORE_ERROR:
                return tuple(one for one in best if one.score >= min_score)
            fetched *= 4

    async def get(self, kb: str, cleared: int, symbol: str) -> Vector:
        """The components as they were given, float64.

        Raises:
            VectorNotFoundError: None was stored under *symbol* since the last clear.
        """
        found = await self.known(kb, cleared, [symbol])
        if symbol not in found:
            raise VectorNotFoundError(f"no vector {symbol!r}")
        return found[symbol]

    async def known(self, kb: str, cleared: int, symbols: Collection[str]) -> dict[str, Vector]:
        """The components of those *symbols* that have a vector."""
        name, ids = collection_name(kb, cleared), [_point_id(symbol) for symbol in symbols]
        try:
            async with self._mapped_errors():
                found = await self._client.retrieve(name, ids, with_payload=True)
        except _CollectionMissingError:
            return {}
        return {_symbol(point): components_in(point.payload) for point in found}

    async def pages(self, kb: str, cleared: int) -> AsyncIterator[VectorPage]:
        """All vectors in a fixed order, a bounded number at a time.

        Raises:
            VectorsClearedError: A clear dropped them meanwhile.
        """
        name, offset = collection_name(kb, cleared), None
        dimension = await self.dimension(kb, cleared)
        if dimension is None:
            return
        while True:
            try:
                async with self._mapped_errors():
                    points, offset = await self._client.scroll(
                        name, limit=page_size(dimension), offset=offset, with_payload=True
                    )
            except _CollectionMissingError as exc:
                raise VectorsClearedError("the vectors were cleared meanwhile") from exc
            yield [(_symbol(point), components_in(point.payload)) for point in points]
            if offset is None:
                return

    async def drop_before(self, kb: str, cleared: int) -> None:
        """Drop the collections that became garbage with the clear at *cleared*, or earlier."""
        for found in await self._collections():
            if found["kb"] == kb and int(found["cleared"]) < cleared:
                await self._drop(found.string)

    async def reserve(self, kb: str, caller: Holder | None) -> None:
        """Make sure that *kb*, which has no vectors yet, may have some.

        Raises:
            VectorLimitExceededError: Too many have, of the instance or of *caller*.
        """
        if self._places is not None:
            existing = [found["kb"] for found in await self._collections()]
            self._places.reserve(kb, caller, existing)

    async def _collections(self) -> list[re.Match[str]]:
        """Names of collections that hold vectors of knowledge bases."""
        async with self._mapped_errors():
            answer = await self._client.get_collections()
        found = (_COLLECTION.fullmatch(collection.name) for collection in answer.collections)
        return [one for one in found if one is not None]

    async def dimension(self, kb: str, cleared: int) -> int | None:
        """Dimension of the vectors stored since the last clear; None: there are none."""
        return await self._dimension(collection_name(kb, cleared))

    async def _dimension(self, name: str) -> int | None:
        if name not in self._dimensions:
            try:
                async with self._mapped_errors():
                    collection = await self._client.get_collection(name)
            except _CollectionMissingError:
                return None
            vectors = collection.config.params.vectors
            if not isinstance(vectors, VectorParams):
                raise StoreUnavailableError(
                    f"collection {name!r} in qdrant was not created by this service; use another"
                    " PROCESSOR_ID, or delete the collection"
                )
            self._dimensions[name] = vectors.size
        return self._dimensions[name]

    async def _ensure_collection(self, name: str, dimension: int) -> int:
        """Create the collection if it is missing; gives the dimension that it has."""
        known = await self._dimension(name)
        if known is not None:
            return known
        try:
            async with self._mapped_errors():
                await self._client.create_collection(
                    name, vectors_config=VectorParams(size=dimension, distance=Distance.COSINE)
                )
        except _CollectionExistsError:
            pass  # another replica was faster: its dimension counts
        except StoreUnavailableError:
            await self._undo_creation(name)
            raise
        made = await self._dimension(name)
        if made is None:
            raise VectorsClearedError("the vectors were cleared meanwhile")
        return made

    async def _undo_creation(self, name: str) -> None:
        """Drop a collection that local mode keeps in memory although it could not write its files:
        a restart would forget it, and all that was stored in it by then."""
        if self._is_local:
            with suppress(StoreUnavailableError):
                await self._drop(name)

    async def _search(
        self, kb: str, cleared: int, direction: Vector, limit: int, min_score: float
    ) -> Sequence[ScoredPoint]:
        try:
            async with self._mapped_errors():
                answer = await self._client.query_points(
                    collection_name(kb, cleared),
                    query=list(direction),
                    limit=limit,
                    score_threshold=min_score,
                    search_params=None if self._is_local else SearchParams(exact=True),
                )
        except _CollectionMissingError:
            return ()
        return answer.points

    async def _drop(self, name: str) -> None:
        self._dimensions.pop(name, None)
        try:
            async with self._mapped_errors():
                await self._client.delete_collection(name)
        except _CollectionMissingError:
            return

    @property
    def _is_local(self) -> bool:
        """Whether this is local mode, which always searches exactly, and warns if asked to."""
        options = self._client.init_options
        return options.get("path") is not None or options.get("location") == ":memory:"

    @asynccontextmanager
    async def _mapped_errors(self) -> AsyncIterator[None]:
        try:
            with self._circuit.guarding(is_unanswered):
                async with asyncio.timeout(self._timeout_s):
                    yield
        except TimeoutError as exc:
            raise StoreUnavailableError("qdrant did not answer in time") from exc
        except (ApiException, QdrantException, AioRpcError) as exc:
            raise _mapped(exc) from exc
        except (OSError, sqlite3.Error) as exc:  # the files of local mode
            raise StoreUnavailableError(_UNWRITABLE) from exc
        except ValueError as exc:  # how local mode reports both
            if "not found" in str(exc):
                raise _CollectionMissingError from exc
            if "already exists" in str(exc):
                raise _CollectionExistsError from exc
            raise


class _CollectionMissingError(Exception):
    """Never leaves this module, in which every caller handles it."""


class _CollectionExistsError(Exception):
    """Never leaves this module: another replica created the collection first."""


def collection_name(kb: str, cleared: int) -> str:
    return f"kato_{kb}_{cleared}"


def page_size(dimension: int) -> int:
    """How many vectors to read at once."""
    return max(1, min(PAGE_VECTORS, PAGE_COMPONENTS // dimension))


def _mapped(exc: Exception) -> Exception:
    if is_busy(exc):
        return StoreUnavailableError("every connection to qdrant is in use; retry later")
    status = exc.status_code if isinstance(exc, UnexpectedResponse) else None
    code = exc.code() if isinstance(exc, AioRpcError) else None
    if status == 404 or code is StatusCode.NOT_FOUND:
        return _CollectionMissingError()
    if status == 409 or code is StatusCode.ALREADY_EXISTS:
        return _CollectionExistsError()
    return StoreUnavailableError(f"qdrant failed: {type(exc).__name__} {status or code or ''}")


def _check_dimension(vector: Vector, dimension: int) -> None:
    if len(vector) != dimension:
        raise VectorDimensionError.between(len(vector), dimension)


def _point(symbol: str, vector: Vector) -> PointStruct:
    # As text: a number in JSON may come back as a neighbouring double.
    exact = b64encode(struct.pack(f"<{len(vector)}d", *vector)).decode()
    payload = {"symbol": symbol, "components": exact}
    return PointStruct(id=_point_id(symbol), vector=list(_direction(vector)), payload=payload)


def _point_id(symbol: str) -> str:
    return str(uuid5(NAMESPACE_DNS, symbol))


def _symbol(point: ScoredPoint | Record) -> str:
    return str((point.payload or {})["symbol"])


def components_in(payload: Mapping[str, Any] | None) -> Vector:
    """The exact components that the payload of a point holds."""
    packed = b64decode((payload or {})["components"])
    return struct.unpack(f"<{len(packed) // 8}d", packed)


def _direction(vector: Vector) -> Vector:
    """The vector of length 1 in the same direction; every finite vector except zero has one."""
    # Scaled first: squares of very large or very small components would overflow or vanish.
    largest = max(map(abs, vector))
    scaled = [component / largest for component in vector]
    length = math.hypot(*scaled)
    return tuple(component / length for component in scaled)


def _near(direction: Vector, point: ScoredPoint) -> Near:
    components = components_in(point.payload)
    score = math.fsum(map(mul, direction, _direction(components)))
    return Near(_symbol(point), round(score, SCORE_DIGITS), components)


def _rank(one: Near) -> tuple[float, str]:
    """Best first, equal ones by symbol."""
    return -one.score, one.symbol
