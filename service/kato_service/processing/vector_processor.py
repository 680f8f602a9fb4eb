"""Vectors of observations: their symbols, their storage, their neighbours (processor.md §4)."""

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha1

import structlog

from kato_service.domain.deadline import Deadline, within
from kato_service.domain.genes import Genes
from kato_service.errors import (
    DeadlineExceededError,
    InvalidInputError,
    LimitExceededError,
    StoreUnavailableError,
    VectorDimensionError,
    VectorNotFoundError,
    VectorsClearedError,
    VectorsDisabledError,
)
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.stores.qdrant_store import QdrantStore
from kato_service.processing.limits import ObservationLimits
from kato_service.search.vector_search_engine import VectorSearchEngine

log = structlog.get_logger()

Vector = tuple[float, ...]
ATTEMPTS = 5
"""Clears by others that one observation outlives."""
MAX_SWEPT = 10_000
_TOO_LATE = "the vectors were not stored in time"
_SLOW = "qdrant did not answer in time"


class VectorProcessor:
    """*store* None: vectors are refused."""

    def __init__(
        self, knowledge: KnowledgeBases, store: QdrantStore | None, limits: ObservationLimits
    ) -> None:
        self._knowledge = knowledge
        self._store = store
        self._engine = None if store is None else VectorSearchEngine(store)
        self._limits = limits
        self._swept: dict[str, int] = {}
        """By knowledge base the clear whose predecessors' collections were dropped; the oldest are
        forgotten, and looked for again."""

    def check(self, vectors: Sequence[Vector]) -> None:
        """Refuse what can never be stored together.

        Raises:
            VectorsDisabledError: This instance takes no vectors.
            LimitExceededError: Too many, or too long.
            VectorDimensionError: Not all of one dimension.
            InvalidInputError: One is empty or zero.
        """
        if not vectors:
            return
        if self._store is None:
            raise VectorsDisabledError("this instance does not take vectors")
        self._check_limits(vectors)
        if not all(any(vector) for vector in vectors):
            raise InvalidInputError(
                "a vector is empty or zero: it has no direction to compare",
                [
                    {
                        "location": ["body", "vectors"],
                        "reason": "must have a component that is not 0",
                    }
                ],
            )
        check_one_dimension(vectors)

    async def check_known(self, kb: str, vectors: Sequence[Vector], *, deadline: Deadline) -> None:
        """Refuse vectors of another dimension than those the knowledge base has.

        Raises:
            VectorDimensionError: They are.
            StoreUnavailableError: A store did not answer.
        """
        if not vectors or self._store is None:
            return
        cleared = await self._cleared(kb, deadline)
        async with within(deadline, _TOO_LATE):
            known = await self._store.dimension(kb, cleared)
        if known is not None and known != len(vectors[0]):
            raise VectorDimensionError.between(len(vectors[0]), known)

    async def symbols(
        self, kb: str, vectors: Sequence[Vector], genes: Genes, *, deadline: Deadline
    ) -> tuple[str, ...]:
        """Store *vectors*; their symbols and those of their neighbours, each once.

        Vector by vector its own symbol, then its neighbours, best first; sorted where the genes
        say so.

        Raises:
            StoreUnavailableError: A store did not answer; repeating is safe.
        """
        if not vectors:
            return ()
        for _ in range(ATTEMPTS):
            cleared = await self._cleared(kb, deadline)
            try:
                async with within(deadline, _TOO_LATE):
                    found = await self._stored((kb, cleared), vectors, genes)
            except VectorsClearedError:
                continue
            return tuple(sorted(found)) if genes.sort_symbols else found
        raise StoreUnavailableError("the vectors were cleared again and again: repeat")

    async def get(self, kb: str, symbol: str, *, deadline: Deadline) -> Vector:
        """The components as they were given.

        Raises:
            VectorNotFoundError: None was stored under *symbol*.
        """
        if self._store is None:
            raise VectorNotFoundError("this instance does not take vectors")
        cleared = await self._cleared(kb, deadline)
        async with within(deadline, _SLOW):
            return await self._store.get(kb, cleared, symbol)

    async def sweep(self, kb: str, *, deadline: Deadline) -> None:
        """Drop the vectors that a clear left behind; what fails or takes too long now is done at
        the next use, as the clear itself is done already."""
        if self._store is None:
            return
        try:
            await self._cleared(kb, deadline)
        except (StoreUnavailableError, DeadlineExceededError) as error:
            log.warning("cleared vectors not dropped yet", reason=error.message)

    async def _stored(
        self, place: tuple[str, int], vectors: Sequence[Vector], genes: Genes
    ) -> tuple[str, ...]:
        store, engine = self._parts()
        by_symbol = {vector_symbol(vector): vector for vector in vectors}
        await store.store(*place, by_symbol)
        found: dict[str, None] = {}
        for symbol, vector in by_symbol.items():
            others = await engine.others_near(
                place,
                symbol,
                vector,
                limit=genes.vector_neighbors,
                min_score=genes.vector_min_score,
            )
            found.update(dict.fromkeys((symbol, *others)))
        return tuple(found)

    async def _cleared(self, kb: str, deadline: Deadline) -> int:
        """The revision of the last clear; what is older is dropped on the way, once."""
        async with self._knowledge.get(kb).reading(deadline=deadline) as view:
            cleared = view.cleared
        if self._swept.get(kb) != cleared:
            async with within(deadline, _SLOW):
                await self._parts()[0].drop_before(kb, cleared)
            self._swept[kb] = cleared
            if len(self._swept) > MAX_SWEPT:
                del self._swept[next(iter(self._swept))]
        return cleared

    def _parts(self) -> tuple[QdrantStore, VectorSearchEngine]:
        if self._store is None or self._engine is None:
            raise VectorsDisabledError("this instance does not take vectors")
        return self._store, self._engine

    def _check_limits(self, vectors: Iterable[Vector]) -> None:
        given = tuple(vectors)
        if len(given) > self._limits.max_vectors:
            raise LimitExceededError(
                f"an observation has at most {self._limits.max_vectors} vectors"
            )
        if any(len(vector) > self._limits.max_vector_dimensions for vector in given):
            raise LimitExceededError(
                f"a vector has at most {self._limits.max_vector_dimensions} dimensions"
            )


def vector_symbol(vector: Sequence[float]) -> str:
    """``VCTR|`` and the SHA-1 of the little-endian float64 components, −0.0 as 0.0."""
    packed = struct.pack(f"<{len(vector)}d", *(component + 0.0 for component in vector))
    return f"VCTR|{sha1(packed, usedforsecurity=False).hexdigest()}"


def check_one_dimension(vectors: Iterable[Vector]) -> None:
    """Refuse vectors that cannot be in one knowledge base.

    Raises:
        VectorDimensionError: They have different dimensions.
    """
    given = sorted({len(vector) for vector in vectors})
    if len(given) > 1:
        raise VectorDimensionError.between(given[0], given[1])
