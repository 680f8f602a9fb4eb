"""The port of vectors: what `qdrant_store` implements, which describes its methods."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from kato_service.domain.shares import Holder

Vector = tuple[float, ...]
VectorPage = Sequence[tuple[str, Vector]]
"""Symbols with their components."""


class Near(NamedTuple):
    """A stored vector that is near another one."""

    symbol: str
    score: float
    """The cosine similarity."""
    vector: Vector
    """The components as they were given, float64."""


class VectorStore(Protocol):
    async def reserve(self, kb: str, caller: Holder | None) -> None: ...

    async def store(self, kb: str, cleared: int, vectors: Mapping[str, Vector]) -> None: ...

    async def neighbors(
        self, kb: str, cleared: int, vector: Vector, *, limit: int, min_score: float
    ) -> tuple[Near, ...]: ...

    async def get(self, kb: str, cleared: int, symbol: str) -> Vector: ...

    async def known(
        self, kb: str, cleared: int, symbols: Collection[str]
    ) -> Mapping[str, Vector]: ...

    def pages(self, kb: str, cleared: int) -> AsyncIterator[VectorPage]: ...

    async def drop_before(self, kb: str, cleared: int) -> None: ...

    async def dimension(self, kb: str, cleared: int) -> int | None: ...
