"""What there is to know about stored vectors: the nearest ones, labels, the dimension."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from kato_service.domain.deadline import Deadline, within
from kato_service.errors import VectorDimensionError
from kato_service.knowledge.vectors.vector_store import Near, Vector, VectorStore

_SLOW = "the vectors were not read before the deadline; retry later"


@dataclass(frozen=True, slots=True)
class VectorFacts:
    """What there is to know about the vectors of a knowledge base."""

    dimension: int | None
    """None: there are no vectors, and the first one decides."""
    count: int


class VectorLookups:
    def __init__(
        self,
        store: VectorStore | None,
        check: Callable[[Vector], None],
        place: Callable[[str, Deadline], Awaitable[tuple[str, int]]],
    ) -> None:
        """Args:
        store: None: there are no vectors.
        check: Refuses a vector to search for that could not be stored.
        place: Gives, for a knowledge base, where its vectors are.
        """
        self._store = store
        self._check = check
        self._place = place

    async def facts(self, kb: str, *, deadline: Deadline) -> VectorFacts:
        """How many vectors the knowledge base has, and of which dimension."""
        if self._store is None:
            return VectorFacts(None, 0)
        place = await self._place(kb, deadline)
        async with within(deadline, _SLOW):
            dimension = await self._store.dimension(*place)
            return VectorFacts(dimension, await self._store.count(*place))

    async def nearest(
        self, kb: str, vector: Vector, *, limit: int, min_score: float, deadline: Deadline
    ) -> tuple[Near, ...]:
        """Up to *limit* stored vectors of at least *min_score*, best first, equal ones by symbol.

        Raises:
            VectorsDisabledError: This instance accepts no vectors.
            LimitExceededError: The vector is too long.
            InvalidInputError: It is empty or all zeros.
            VectorDimensionError: Those of the knowledge base have another dimension.
        """
        self._check(vector)
        if self._store is None:
            return ()
        place = await self._place(kb, deadline)
        async with within(deadline, _SLOW):
            known = await self._store.dimension(*place)
            if known is None:
                return ()
            if known != len(vector):
                raise VectorDimensionError.between(len(vector), known, "vector")
            return await self._store.neighbors(*place, vector, limit=limit, min_score=min_score)

    async def labels(
        self, kb: str, symbols: Collection[str], *, deadline: Deadline
    ) -> Mapping[str, str]:
        """The labels of those *symbols* that have one."""
        if self._store is None:
            return {}
        place = await self._place(kb, deadline)
        async with within(deadline, _SLOW):
            return await self._store.labels(*place, symbols)
