"""Names of vectors: their own, and those that imported ones have brought along (decision 0054)."""

import struct
from collections.abc import Sequence
from hashlib import sha1
from math import hypot

from kato_service.domain.spelling import VECTOR_PREFIX
from kato_service.knowledge.vectors.vector_store import Near

ROUNDING = 2.0**-22
"""How far components may differ, relative to the largest one, and be the same in float32."""


def vector_symbol(vector: Sequence[float]) -> str:
    """``VCTR|`` and the SHA-1 of the components as little-endian float64; −0.0 counts as 0.0."""
    packed = struct.pack(f"<{len(vector)}d", *(component + 0.0 for component in vector))
    return f"{VECTOR_PREFIX}{sha1(packed, usedforsecurity=False).hexdigest()}"


def names_of(symbol: str, vector: Sequence[float], others: Sequence[Near]) -> tuple[str, ...]:
    """The symbols of an observed vector, each once: its own, then those of *others*, best first.

    If an imported vector is the same one, its name comes instead of *symbol*; and a vector that
    was observed here before it is left out if an imported one among *others* is the same.
    """
    imported = [one for one in others if one.symbol != vector_symbol(one.vector)]
    if not imported:
        return symbol, *(one.symbol for one in others)
    own = next((one.symbol for one in imported if _is_same(one.vector, vector)), symbol)
    kept = [one for one in others if one in imported or not _has_twin(one, imported)]
    return tuple(dict.fromkeys((own, *(one.symbol for one in kept))))


def _has_twin(one: Near, imported: Sequence[Near]) -> bool:
    return any(_is_same(other.vector, one.vector) for other in imported)


def _is_same(imported: Sequence[float], observed: Sequence[float]) -> bool:
    """Whether both are one vector, as far as Qdrant kept it: in float32, or only its direction."""
    if _is_close(imported, observed):
        return True
    length = hypot(*observed)
    if not length or abs(hypot(*imported) - 1.0) > ROUNDING:
        return False
    return _is_close(imported, [component / length for component in observed])


def _is_close(one: Sequence[float], other: Sequence[float]) -> bool:
    most = ROUNDING * max(map(abs, other))
    return all(abs(a - b) <= most for a, b in zip(one, other, strict=True))
