"""Embedded vectors in memory, while they are searched: the knowledge bases used last.

Importing this imports numpy.
"""

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kato_service.knowledge.vectors.vector_store import Vector

KEPT_BYTES = 64 * 2**20
"""Of all matrices together; the one used last stays even if it is larger."""
BYTES_PER_SYMBOL = 250
"""About what a symbol takes in a list and a set."""
_FEWEST_ROWS = 16

Key = tuple[str, int]
Floats = NDArray[np.float32]


class VectorMatrix:
    """The directions of all vectors of a knowledge base, float32, with their symbols."""

    def __init__(self, dimension: int) -> None:
        self._symbols: list[str] = []
        self._known: set[str] = set()
        self._rows: Floats = np.zeros((_FEWEST_ROWS, dimension), dtype=np.float32)

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + BYTES_PER_SYMBOL * len(self._symbols)

    def add(self, vectors: Mapping[str, bytes]) -> None:
        """Add those that are missing: exact components by symbol, little-endian float64."""
        new = {symbol: one for symbol, one in vectors.items() if symbol not in self._known}
        if not new:
            return
        components = np.frombuffer(b"".join(new.values()), dtype="<f8").reshape(len(new), -1)
        # Scaled first: squares of very large or very small components would overflow or vanish.
        scaled = components / np.abs(components).max(axis=1, keepdims=True)
        scaled /= np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
        count, end = len(self._symbols), len(self._symbols) + len(scaled)
        if end > len(self._rows):
            grown = (max(2 * len(self._rows), end), self._rows.shape[1])
            rows: Floats = np.zeros(grown, dtype=np.float32)
            rows[:count] = self._rows[:count]
            self._rows = rows
        self._rows[count:end] = scaled
        self._symbols += new
        self._known.update(new)

    def nearest(self, towards: Vector, limit: int, min_score: float) -> list[tuple[float, str]]:
        """Up to *limit* symbols of at least this score in float32, best first."""
        count = len(self._symbols)
        if not count:
            return []
        scores = self._rows[:count] @ np.asarray(towards, dtype=np.float32)
        if limit < count:
            chosen = np.argpartition(scores, count - limit)[count - limit :]
        else:
            chosen = np.arange(count)
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
        return [
            (float(scores[row]), self._symbols[row]) for row in chosen if scores[row] >= min_score
        ]


class VectorMatrices:
    """Used by one thread."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[Key, VectorMatrix] = OrderedDict()

    def new(self, dimension: int) -> VectorMatrix:
        """An empty matrix, which is not kept yet."""
        return VectorMatrix(dimension)

    def get(self, key: Key) -> VectorMatrix | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: Key, matrix: VectorMatrix) -> None:
        self._kept[key] = matrix
        self._kept.move_to_end(key)
        total = sum(each.nbytes for each in self._kept.values())
        while total > self._kept_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            total -= dropped.nbytes

    def forget(self, key: Key) -> None:
        self._kept.pop(key, None)

    def forget_before(self, kb: str, cleared: int) -> None:
        """Forget what became garbage with the clear at *cleared*."""
        for key in [(base, at) for base, at in self._kept if base == kb and at < cleared]:
            del self._kept[key]
