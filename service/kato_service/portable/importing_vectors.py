"""An import of vectors: store what is missing, compare with the source.

A vector is stored under its symbol, so storing it again changes nothing: an import that was
interrupted is repeated.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice

from kato_service.domain.shares import Holder
from kato_service.errors import TransferError, VectorsClearedError
from kato_service.knowledge.vectors.vector_store import Stored, VectorStore
from kato_service.portable.importing import Comparison, was_cleared
from kato_service.portable.vectors import NamedVector, VectorSource, VectorSurvey, fitting

BATCH_COMPONENTS = 2**18
"""Components that are stored at once: bounds memory, and the size of a request."""
BATCH_VECTORS = 50


class VectorImport:
    """The import of one source of vectors into one knowledge base."""

    def __init__(
        self,
        source: VectorSource,
        store: VectorStore,
        target: tuple[str, int],
        survey: VectorSurvey,
        *,
        caller: Holder | None = None,
    ) -> None:
        """Args:
        target: The knowledge base, and the revision of its last clear.
        caller: Counts for a knowledge base that gets its first vectors.
        """
        self._source = source
        self._store = store
        self._target = target
        self.survey = survey
        self._caller = caller

    async def check(self) -> int:
        """Check that no symbol stands for another vector; gives how many are stored already.

        Raises:
            TransferError: One does, or too many knowledge bases have vectors.
            StoreUnavailableError: Source or target did not answer.
        """
        dimension = await self._store.dimension(*self._target)
        if dimension is None:
            await self._store.reserve(self._target[0], self._caller)
            return 0
        if dimension != self.survey.dimension:
            raise TransferError(
                f"{self._source.name}: its vectors have dimension {self.survey.dimension}, those"
                f" of the knowledge base {dimension}: import them for another user, or clear it"
            )
        stored = 0
        async for batch in self._batches():
            known = await self._known(batch)
            for one in batch:
                found = known.get(one.symbol)
                if found is not None and found.vector != one.components:
                    raise TransferError(
                        f"{one.where}: the name {one.symbol} belongs to another vector in the"
                        " knowledge base: import it for another user, or clear the knowledge base"
                    )
            stored += len(known)
        return stored

    async def stored(self) -> AsyncIterator[int]:
        """Store what is not stored yet; gives how many vectors are, after each batch, which is
        durable by itself, whatever ends the import.

        Raises:
            StoreUnavailableError: Source or target did not answer; repeat the import.
            OutcomeUnknownError: The knowledge base was cleared meanwhile.
        """
        done = 0
        async for batch in self._batches():
            known = await self._known(batch)
            missing = {one.symbol: one.components for one in batch if one.symbol not in known}
            labels = {one.symbol: one.label for one in batch if one.label is not None}
            try:
                await self._store.store(*self._target, missing, labels)
            except VectorsClearedError as exc:
                raise was_cleared() from exc
            done += len(batch)
            yield done

    async def compare(self) -> Comparison:
        """Compare the source with what is stored now."""
        found = Comparison()
        async for batch in self._batches():
            known = await self._known(batch)
            for one in batch:
                stored = known.get(one.symbol)
                if stored is not None and stored.vector == one.components:
                    found.equal += 1
                else:
                    found.differs(f"{one.where}: {one.symbol}")
        return found

    async def _known(self, batch: Sequence[NamedVector]) -> Mapping[str, Stored]:
        return await self._store.known(*self._target, [one.symbol for one in batch])

    async def _batches(self) -> AsyncIterator[Sequence[NamedVector]]:
        dimension = self.survey.dimension
        if dimension is None:
            return
        size = max(1, min(BATCH_VECTORS, BATCH_COMPONENTS // dimension))
        async for batch in fitting(self._source, dimension):
            vectors = iter(batch)
            while some := list(islice(vectors, size)):
                yield some
