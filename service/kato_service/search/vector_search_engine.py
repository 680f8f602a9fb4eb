"""Which stored vectors are near an observed one (processor.md §4)."""

from collections.abc import Sequence

from kato_service.knowledge.vectors.vector_store import Near, VectorStore


class VectorSearchEngine:
    def __init__(self, store: VectorStore) -> None:
        self._store = store

    async def others_near(
        self,
        collection: tuple[str, int],
        symbol: str,
        vector: Sequence[float],
        *,
        limit: int,
        min_score: float,
    ) -> tuple[Near, ...]:
        """Up to *limit* vectors other than that of *symbol*, best first, equal ones by symbol.

        Args:
            collection: Knowledge base, and the revision of its last clear.
            vector: float64, of the dimension of the collection.
            min_score: The least cosine similarity of a neighbour.

        Raises:
            StoreUnavailableError: Qdrant did not answer.
        """
        if limit < 1:
            return ()
        kb, cleared = collection
        found = await self._store.neighbors(
            kb, cleared, tuple(vector), limit=limit + 1, min_score=min_score
        )
        others = [one for one in found if one.symbol != symbol]
        return tuple(others[:limit])
