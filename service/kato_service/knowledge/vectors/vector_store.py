"""The port of vectors: what `qdrant_store` and `embedded_vectors` implement."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from kato_service.domain.shares import Holder
from kato_service.errors import VectorNotFoundError

Vector = tuple[float, ...]
PAGE_COMPONENTS = 2**18
"""Components of the vectors that are read at once, which bounds the memory this takes."""
PAGE_VECTORS = 1000


class Stored(NamedTuple):
    """A vector as it is stored."""

    symbol: str
    vector: Vector
    """The components as they were given, float64."""
    label: str | None = None
    """What people call it."""


VectorPage = Sequence[Stored]


class Near(NamedTuple):
    """A stored vector that is near another one."""

    symbol: str
    score: float
    """The cosine similarity, at `vector_scores.SCORE_DIGITS` decimals."""
    vector: Vector
    """The components as they were given, float64."""
    label: str | None = None


class VectorStore(Protocol):
    """The vectors of all knowledge bases of an instance.

    Every call names a knowledge base and the revision of its last clear, just read from its log:
    what was stored before that revision does not exist any more.
    """

    async def open(self) -> None:
        """Make the store usable; may take as long as it takes to move older data."""

    async def run(self) -> None:
        """Whatever is to be done in the background, until cancelled."""

    async def reserve(self, kb: str, caller: Holder | None) -> None:
        """Make sure that *kb*, which has no vectors yet, may have some.

        Raises:
            VectorLimitExceededError: Too many have, of the instance or of *caller*.
        """

    async def store(
        self, kb: str, cleared: int, vectors: Mapping[str, Vector], labels: Mapping[str, str] = ...
    ) -> None:
        """Make *vectors* durable and searchable; repeating it changes nothing.

        Args:
            vectors: float64 components by symbol, all of the same dimension.
            labels: By symbol. A stored vector keeps its label unless it gets another one.

        Raises:
            VectorDimensionError: Vectors of this knowledge base have another dimension.
            VectorsClearedError: What they belong to was dropped: read *cleared* again and repeat.
            StoreUnavailableError: The store did not answer; repeating is safe.
        """

    async def neighbors(
        self, kb: str, cleared: int, vector: Vector, *, limit: int, min_score: float
    ) -> tuple[Near, ...]:
        """Up to *limit* stored vectors whose cosine similarity is at least *min_score*.

        Best first, equal ones by symbol; the vector's own symbol is among them if it is stored.

        Raises:
            VectorDimensionError: Vectors of this knowledge base have another dimension.
        """

    async def get(self, kb: str, cleared: int, symbol: str) -> Stored:
        """The vector that is stored under *symbol*.

        Raises:
            VectorNotFoundError: There is none since the last clear.
        """
        found = await self.known(kb, cleared, [symbol])
        if symbol not in found:
            raise VectorNotFoundError(f"no vector {symbol!r}")
        return found[symbol]

    async def known(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, Stored]:
        """The vectors of those *symbols* that have one."""

    async def labels(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, str]:
        """The labels of those *symbols* that have one."""

    def pages(self, kb: str, cleared: int) -> AsyncIterator[VectorPage]:
        """All vectors in an order that depends on their symbols alone, a bounded number at a time.

        Raises:
            VectorsClearedError: A clear dropped them meanwhile.
        """

    async def drop_before(self, kb: str, cleared: int) -> None:
        """Drop what became garbage with the clear at *cleared*, or earlier."""

    async def count(self, kb: str, cleared: int) -> int:
        """How many vectors are stored since the last clear."""

    async def dimension(self, kb: str, cleared: int) -> int | None:
        """Dimension of the vectors stored since the last clear; None: there are none."""

    async def close(self) -> None: ...


def page_size(dimension: int) -> int:
    """How many vectors to read at once."""
    return max(1, min(PAGE_VECTORS, PAGE_COMPONENTS // dimension))
