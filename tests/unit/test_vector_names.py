"""Names of observed vectors: their own, or that of an imported vector which is the same one."""

import struct

import pytest

from kato_service.knowledge.vectors.vector_store import Near, Vector
from kato_service.processing.vectors.vector_names import names_of, vector_symbol

VECTOR = (0.1, -2.5, 4.0)
OLD = "VCTR|old"


def near(symbol: str, vector: Vector, score: float = 1.0) -> Near:
    return Near(symbol, score, vector)


def in_float32(vector: Vector) -> Vector:
    return struct.unpack(f"{len(vector)}f", struct.pack(f"{len(vector)}f", *vector))


def names(vector: Vector, *others: Near) -> tuple[str, ...]:
    return names_of(vector_symbol(vector), vector, others)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(VECTOR, id="the same"),
        pytest.param(in_float32(VECTOR), id="in float32"),
        pytest.param(tuple(each / 22.26**0.5 for each in VECTOR), id="its direction"),
    ],
)
def test_an_imported_vector_gives_its_name_to_the_same_one(stored: Vector) -> None:
    assert names(VECTOR, near(OLD, stored)) == (OLD,)


@pytest.mark.parametrize("stored", [(0.2, -5.0, 8.0), (0.1, -2.5, 4.00001), (0.0, 0.0, 1.0)])
def test_another_imported_vector_is_a_neighbour(stored: Vector) -> None:
    assert names(VECTOR, near(OLD, stored)) == (vector_symbol(VECTOR), OLD)


def test_vectors_that_were_named_here_stay_as_they_are() -> None:
    other = (0.2, -5.0, 8.0)
    found = names(VECTOR, near(vector_symbol(other), other))
    assert found == (vector_symbol(VECTOR), vector_symbol(other))


def test_a_neighbour_that_is_an_imported_vector_comes_under_one_name() -> None:
    twin, near_it = (0.1, -2.5, 4.1), (0.1, -2.5, 4.2)
    others = (
        near(OLD, twin),
        near(vector_symbol(twin), twin),
        near(vector_symbol(near_it), near_it),
    )
    assert names(VECTOR, *others) == (vector_symbol(VECTOR), OLD, vector_symbol(near_it))
