"""Places of knowledge bases that have vectors."""

import pytest

from kato_service.domain.shares import Holder
from kato_service.errors import VectorLimitExceededError
from kato_service.knowledge.stores.vector_places import RESERVED_S, VectorPlaces

ONE, OTHER = Holder("address", "one"), Holder("key", "other")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def places(clock: Clock | None = None) -> VectorPlaces:
    """With room for ten."""
    return VectorPlaces("kato", 10, clock=clock or Clock())


def kb(number: int) -> str:
    return f"kato~{number}"


def test_one_caller_leaves_a_tenth_to_others() -> None:
    given = places()
    for number in range(9):
        given.reserve(kb(number), ONE, ())
    with pytest.raises(VectorLimitExceededError, match=r"reached for this client address \(9,"):
        given.reserve(kb(9), ONE, ())
    given.reserve(kb(9), OTHER, ())
    for caller in (ONE, OTHER, None):
        with pytest.raises(VectorLimitExceededError, match=r"reached for this instance \(10\)"):
            given.reserve(kb(10), caller, ())


def test_a_knowledge_base_with_vectors_has_its_place() -> None:
    given, full = places(), [kb(number) for number in range(10)]
    given.reserve(kb(3), ONE, full)
    with pytest.raises(VectorLimitExceededError):
        given.reserve(kb(10), ONE, full)


def test_knowledge_bases_of_other_instances_take_no_places() -> None:
    others = [f"kato-2~{number}" for number in range(20)] + ["kato2", "not-kato", "kat"]
    places().reserve(kb(0), ONE, others)
    with pytest.raises(VectorLimitExceededError):
        places().reserve("kato~new", ONE, ["kato", *map(kb, range(9))])


def test_what_was_dropped_gives_its_place_back_at_once() -> None:
    given = places()
    for number in range(9):
        given.reserve(kb(number), ONE, map(kb, range(number)))
    given.reserve(kb(9), OTHER, map(kb, range(9)))
    given.reserve(kb(10), ONE, map(kb, range(1, 10)))
    with pytest.raises(VectorLimitExceededError, match="this instance"):
        given.reserve(kb(11), ONE, map(kb, range(1, 10)))


def test_what_was_dropped_or_never_made_gives_its_place_back() -> None:
    clock = Clock()
    given = places(clock)
    for number in range(9):
        given.reserve(kb(number), ONE, ())
    clock.now = RESERVED_S
    kept = [kb(number) for number in range(8)]
    given.reserve(kb(20), ONE, kept)
    with pytest.raises(VectorLimitExceededError, match="this client address"):
        given.reserve(kb(21), ONE, [*kept, kb(20)])
