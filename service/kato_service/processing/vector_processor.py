"""Vectors of observations: their symbols, storage and neighbours (processor.md §4)."""

from collections.abc import Mapping, Sequence

import structlog

from kato_service.domain.deadline import Deadline, within
from kato_service.domain.genes import Genes
from kato_service.domain.shares import Holder
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
from kato_service.findings import Part
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.processing.limits import ObservationLimits
from kato_service.processing.vectors.absorbing import BroughtVectors, VectorAbsorber
from kato_service.processing.vectors.vector_names import names_of
from kato_service.search.vector_search_engine import VectorSearchEngine

log = structlog.get_logger()

Vector = tuple[float, ...]
ATTEMPTS = 5
"""Tries to store vectors while other requests clear the knowledge base."""
MAX_SWEPT = 10_000
"""Knowledge bases whose last sweep is kept in mind."""
_ALL_ZEROS = "must not be all zeros: a zero vector has no direction to compare"
_TOO_LATE = "qdrant did not store the vectors before the deadline; retry later"
_SLOW = "qdrant did not answer before the deadline; retry later"


class VectorProcessor:
    """Turns the vectors of an observation into symbols.

    A clear is an entry of the log and nothing else: what is stored belongs to its revision. What
    belongs to earlier ones is dropped afterwards, at the latest when a process uses the knowledge
    base next.
    """

    def __init__(
        self, knowledge: KnowledgeBases, store: VectorStore | None, limits: ObservationLimits
    ) -> None:
        """*store* None: vectors are refused."""
        self._knowledge = knowledge
        self._store = store
        self._engine = None if store is None else VectorSearchEngine(store)
        self._absorber = None if store is None else VectorAbsorber(store)
        self._limits = limits
        self._swept: dict[str, int] = {}
        """By knowledge base: the clear up to which older vectors were dropped. The oldest entries
        are forgotten, which costs one more look into the store."""

    async def run(self) -> None:
        """What the store does in the background, until cancelled."""
        if self._store is not None:
            await self._store.run()

    def check(self, vectors: Sequence[Vector]) -> None:
        """Refuse *vectors* that could not be stored whatever the knowledge base holds.

        Raises:
            VectorsDisabledError: This instance accepts no vectors.
            LimitExceededError: There are too many, or one is too long.
            InvalidInputError: One is empty or all zeros.
        """
        if not vectors:
            return
        if self._store is None:
            raise _disabled("vectors")
        self._check_limits(vectors)
        for position, vector in enumerate(vectors):
            _check_direction(vector, "vectors", position)

    def check_searched(self, vector: Vector) -> None:
        """Refuse a *vector* to search for that could not be stored; raises as `check`."""
        if self._store is None:
            raise _disabled("vector")
        self._check_length(vector, "vector")
        _check_direction(vector, "vector")

    async def check_known(
        self,
        kb: str,
        vectors: Sequence[Vector],
        *,
        caller: Holder | None = None,
        deadline: Deadline,
    ) -> None:
        """Refuse *vectors* that do not fit those of the knowledge base, or would be its first ones
        while too many others have some.

        Args:
            caller: Who sends them, for whom the first ones count.

        Raises:
            VectorDimensionError: Those have another dimension.
            VectorLimitExceededError: They would be the first ones, and a limit is reached.
            StoreUnavailableError: A store did not answer.
        """
        if not vectors or self._store is None:
            return
        cleared = await self.cleared(kb, deadline)
        async with within(deadline, _TOO_LATE):
            known = await self._store.dimension(kb, cleared)
            if known is None:
                await self._store.reserve(kb, caller)
        if known is not None and known != len(vectors[0]):
            raise VectorDimensionError.between(len(vectors[0]), known)

    async def check_dimension(
        self, kb: str, vectors: Sequence[Vector], *, deadline: Deadline
    ) -> None:
        """Refuse *vectors* that cannot be compared with those of the knowledge base.

        Raises:
            VectorDimensionError: Those have another dimension.
            StoreUnavailableError: A store did not answer.
        """
        if not vectors or self._store is None:
            return
        place = await self.place(kb, deadline)
        async with within(deadline, _SLOW):
            known = await self._store.dimension(*place)
        if known is not None and known != len(vectors[0]):
            raise VectorDimensionError.between(len(vectors[0]), known)

    async def known_symbols(
        self, kb: str, vectors: Sequence[Vector], genes: Genes, *, deadline: Deadline
    ) -> tuple[str, ...]:
        """As `symbols`, without storing *vectors*: they are no neighbours of each other.

        Raises:
            StoreUnavailableError: A store did not answer.
        """
        if not vectors:
            return ()
        brought = BroughtVectors.of(vectors)
        for _ in range(ATTEMPTS):
            place = await self.place(kb, deadline)
            try:
                async with within(deadline, _SLOW):
                    found = await self._neighbourhood(place, brought, genes)
            except VectorsClearedError:
                continue  # another request cleared the knowledge base meanwhile
            return tuple(sorted(found)) if genes.sort_symbols else found
        raise StoreUnavailableError(
            "other requests kept clearing this knowledge base while vectors were looked up; retry"
        )

    async def symbols(
        self,
        kb: str,
        vectors: Sequence[Vector],
        genes: Genes,
        *,
        user: str | None = None,
        labels: Sequence[str | None] = (),
        deadline: Deadline,
    ) -> tuple[str, ...]:
        """Store *vectors* and return the symbols that they bring into the event.

        Args:
            user: Whose knowledge base it is.
            labels: Those of the vectors, in their order.

        Returns:
            Vector by vector its own symbol, then its neighbours', best first; each symbol once.
            Sorted instead if the genes say so.

        Raises:
            StoreUnavailableError: A store did not answer; repeating is safe.
        """
        if not vectors:
            return ()
        base = self._knowledge.get(kb, user)
        cleared = await self._last_known_clear(base, deadline)
        brought = BroughtVectors.of(vectors, labels)
        for _ in range(ATTEMPTS):
            try:
                async with within(deadline, _TOO_LATE):
                    found = await self._stored((kb, cleared), brought, genes)
            except VectorsClearedError:
                cleared = await self._begun(base, deadline)
                continue
            # The log is read after the vectors are durable: if there was no clear until now, they
            # are not among those that one left.
            stored_at, cleared = cleared, await self._begun(base, deadline)
            if cleared == stored_at:
                return tuple(sorted(found)) if genes.sort_symbols else found
            await self._drop_before(kb, cleared, deadline)
        raise StoreUnavailableError(
            "other requests kept clearing this knowledge base while its vectors were stored; retry"
        )

    async def get(self, kb: str, symbol: str, *, deadline: Deadline) -> Vector:
        """The components of the vector with the given *symbol*, as they were sent.

        Raises:
            VectorNotFoundError: No vector is stored under it.
        """
        if self._store is None:
            raise VectorNotFoundError("this instance accepts no vectors")
        cleared = await self.cleared(kb, deadline)
        async with within(deadline, _SLOW):
            return (await self._store.get(kb, cleared, symbol)).vector

    async def sweep(self, kb: str, *, deadline: Deadline) -> None:
        """Drop the vectors that a clear left.

        The clear is complete without this: what fails or takes too long is dropped at the next use.
        """
        if self._store is None:
            return
        try:
            await self.cleared(kb, deadline)
        except (StoreUnavailableError, DeadlineExceededError) as error:
            log.warning("cleared vectors not dropped yet", reason=error.message)

    async def _stored(
        self, place: tuple[str, int], brought: BroughtVectors, genes: Genes
    ) -> tuple[str, ...]:
        own = await self._parts()[2].stored(place, brought, genes.vector_absorb_similarity)
        return await self._near(place, brought, own, genes)

    async def _neighbourhood(
        self, place: tuple[str, int], brought: BroughtVectors, genes: Genes
    ) -> tuple[str, ...]:
        store, _, absorber = self._parts()
        if await store.dimension(*place) is None:
            return tuple(brought.vectors)
        own = await absorber.looked_up(place, brought, genes.vector_absorb_similarity)
        return await self._near(place, brought, own, genes)

    async def _near(
        self,
        place: tuple[str, int],
        brought: BroughtVectors,
        own: Mapping[str, str],
        genes: Genes,
    ) -> tuple[str, ...]:
        """The symbols of vectors and of their neighbours, each once.

        Args:
            own: For the symbol of each vector, that of the vector it stands for.
        """
        _, engine, _ = self._parts()
        found: dict[str, None] = {}
        for symbol, vector in brought.vectors.items():
            others = await engine.others_near(
                place,
                own[symbol],
                vector,
                limit=genes.vector_neighbors,
                min_score=genes.vector_min_score,
            )
            found.update(dict.fromkeys(names_of(own[symbol], vector, others)))
        return tuple(found)

    async def place(self, kb: str, deadline: Deadline) -> tuple[str, int]:
        """Where the vectors of the knowledge base are; nothing is dropped."""
        async with self._knowledge.get(kb).reading(deadline=deadline) as knowledge:
            return kb, knowledge.cleared

    async def _last_known_clear(self, base: SuperKnowledgeBase, deadline: Deadline) -> int:
        """The revision of the last clear that this process has seen, without asking the log."""
        known = self._swept.get(base.id)
        if known is None or base.is_blank:
            return await self._begun(base, deadline)
        return known

    async def _begun(self, base: SuperKnowledgeBase, deadline: Deadline) -> int:
        """As `cleared`, of a log that exists: one that is created later begins after what was
        erased, and looks for vectors there."""
        cleared = await self.cleared(base.id, deadline)
        if not base.is_blank:
            return cleared
        await base.open(deadline=deadline)
        return await self.cleared(base.id, deadline)

    async def cleared(self, kb: str, deadline: Deadline) -> int:
        """The revision of the last clear; vectors from before it are dropped first, once."""
        async with self._knowledge.get(kb).reading(deadline=deadline) as knowledge:
            cleared = knowledge.cleared
        if self._swept.get(kb) != cleared:
            await self._drop_before(kb, cleared, deadline)
            self._swept[kb] = cleared
            if len(self._swept) > MAX_SWEPT:
                del self._swept[next(iter(self._swept))]
        return cleared

    async def _drop_before(self, kb: str, cleared: int, deadline: Deadline) -> None:
        async with within(deadline, _SLOW):
            await self._parts()[0].drop_before(kb, cleared)

    def _parts(self) -> tuple[VectorStore, VectorSearchEngine, VectorAbsorber]:
        if self._store is None or self._engine is None or self._absorber is None:
            raise _disabled("vectors")
        return self._store, self._engine, self._absorber

    def _check_limits(self, vectors: Sequence[Vector]) -> None:
        most = self._limits.max_vectors
        if len(vectors) > most:
            reason = f"must have at most {most} items (MAX_VECTORS_PER_OBSERVATION)"
            raise LimitExceededError.at("vectors", reason=reason)
        for position, vector in enumerate(vectors):
            self._check_length(vector, "vectors", position)

    def _check_length(self, vector: Vector, *place: Part) -> None:
        longest = self._limits.max_vector_dimensions
        if len(vector) > longest:
            reason = f"must have at most {longest} components (MAX_VECTOR_DIMENSIONS)"
            raise LimitExceededError.at(*place, reason=reason)


def _check_direction(vector: Vector, *place: Part) -> None:
    if not any(vector):
        reason = _ALL_ZEROS if vector else "must have at least one component"
        raise InvalidInputError.at(*place, reason=reason)


def _disabled(field: str) -> VectorsDisabledError:
    reason = "must be left out: this instance accepts no vectors"
    return VectorsDisabledError.at(field, reason=reason)
