"""How near two vectors are, the same wherever they are stored.

A store supplies candidates by scores in float32. They are computed again in float64 from the
components as they were given, so that order and ties do not depend on anybody's arithmetic.
"""

import math
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from operator import mul
from uuid import NAMESPACE_DNS, uuid5

from kato_service.errors import VectorDimensionError
from kato_service.knowledge.vectors.vector_store import Near, Stored, Vector

SCORE_ERROR = 1e-4
"""How far a score in float32 may be from the exact one (with 4096 dimensions)."""
SCORE_DIGITS = 12
"""Decimals of a score: scores that agree in all of them are equal."""
COMPONENT_BYTES = 8
Candidates = Callable[[int, float], Awaitable[Sequence[tuple[float, Stored]]]]
"""Gives up to so many stored vectors of at least this score in float32, best first, with it."""


async def nearest(
    candidates: Candidates, vector: Vector, *, limit: int, min_score: float
) -> tuple[Near, ...]:
    """Up to *limit* of the candidates whose exact score is at least *min_score*, best first."""
    towards = direction(vector)
    # Scores in float32 may cut a tie, or the threshold, in the wrong place. So more are fetched
    # than needed, until the last one is certainly worse than the last that is returned.
    fetched = 2 * limit + 8
    while True:
        found = await candidates(fetched, min_score - SCORE_ERROR)
        best = best_of((near(towards, one) for _, one in found), limit)
        if len(found) < fetched or found[-1][0] < best[-1].score - SCORE_ERROR:
            return tuple(one for one in best if one.score >= min_score)
        fetched *= 4


def near(towards: Vector, stored: Stored) -> Near:
    """*stored* with its score; *towards* has length 1."""
    score = math.fsum(map(mul, towards, direction(stored.vector)))
    return Near(stored.symbol, round(score, SCORE_DIGITS), stored.vector, stored.label)


def best_of(found: Iterable[Near], limit: int) -> list[Near]:
    """The first *limit* of *found*: best first, equal ones by symbol."""
    return sorted(found, key=lambda one: (-one.score, one.symbol))[:limit]


def direction(vector: Vector) -> Vector:
    """The vector of length 1 in the same direction; every finite vector except zero has one."""
    # Scaled first: squares of very large or very small components would overflow or vanish.
    largest = max(map(abs, vector))
    scaled = [component / largest for component in vector]
    length = math.hypot(*scaled)
    return tuple(component / length for component in scaled)


def check_dimension(vector: Vector, dimension: int) -> None:
    """Raises VectorDimensionError if *vector* does not have *dimension*."""
    if len(vector) != dimension:
        raise VectorDimensionError.between(len(vector), dimension)


def packed(vector: Vector) -> bytes:
    """The exact components, little-endian float64."""
    return struct.pack(f"<{len(vector)}d", *vector)


def unpacked(components: bytes) -> Vector:
    return struct.unpack(f"<{len(components) // COMPONENT_BYTES}d", components)


def in_order(symbols: Iterable[str]) -> list[str]:
    """*symbols*, each once, in the order in which vectors are exported."""
    return sorted(set(symbols), key=id_of_symbol)


def id_of_symbol(symbol: str) -> str:
    """The id of the point in a collection of one knowledge base (see `older_collections`). Exports
    keep that order."""
    return str(uuid5(NAMESPACE_DNS, symbol))
