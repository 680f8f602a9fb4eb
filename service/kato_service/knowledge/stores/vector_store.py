"""The port of vectors: what `qdrant_store` implements, which describes its methods."""

from collections.abc import Mapping
from typing import Protocol

from kato_service.domain.shares import Holder

Vector = tuple[float, ...]


class VectorStore(Protocol):
    async def reserve(self, kb: str, caller: Holder | None) -> None: ...

    async def store(self, kb: str, cleared: int, vectors: Mapping[str, Vector]) -> None: ...

    async def neighbors(
        self, kb: str, cleared: int, vector: Vector, *, limit: int, min_score: float
    ) -> tuple[tuple[str, float], ...]: ...

    async def get(self, kb: str, cleared: int, symbol: str) -> Vector: ...

    async def drop_before(self, kb: str, cleared: int) -> None: ...

    async def dimension(self, kb: str, cleared: int) -> int | None: ...
