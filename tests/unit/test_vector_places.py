"""Places of knowledge bases that have vectors."""

import pytest

from kato_service.domain.shares import Holder
from kato_service.errors import VectorLimitExceededError
from kato_service.knowledge.vectors.vector_places import (
    COMPARED_S,
    COUNTED_S,
    RESERVED_S,
    VectorPlaces,
)

ONE, OTHER = Holder("address", "one"), Holder("key", "other")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Known:
    """`Dimensions`, as far as places ask for them."""

    def __init__(self, kbs: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.kbs = set(kbs)
        self.counts = 0

    async def of(self, kb: str, cleared: int) -> int | None:
        return 2 if kb in self.kbs else None

    async def agree(self, kb: str, cleared: int, dimension: int) -> int:
        self.kbs.add(kb)
        return dimension

    async def drop_before(self, kb: str, cleared: int) -> None:
        self.kbs.discard(kb)

    async def count(self, instance: str) -> int:
        self.counts += 1
        return len(self.kbs)

    async def knowledge_bases(self, instance: str) -> set[str]:
        return set(self.kbs)

    async def close(self) -> None: ...


def places(clock: Clock | None = None) -> VectorPlaces:
    """With room for ten."""
    return VectorPlaces("kato", 10, clock=clock or Clock())


def kb(number: int) -> str:
    return f"kato~{number}"


async def test_one_caller_leaves_a_tenth_to_others() -> None:
    given, known = places(), Known()
    for number in range(9):
        await given.reserve(kb(number), ONE, known)
    with pytest.raises(VectorLimitExceededError, match=r"reached for this client address \(9,"):
        await given.reserve(kb(9), ONE, known)
    await given.reserve(kb(9), OTHER, known)
    for caller in (ONE, OTHER, None):
        with pytest.raises(VectorLimitExceededError, match=r"reached for this instance \(10\)"):
            await given.reserve(kb(10), caller, known)


async def test_a_place_that_was_given_is_not_counted_twice() -> None:
    clock = Clock()
    given, known = places(clock), Known({kb(number) for number in range(8)})
    for number in (8, 9):
        await given.reserve(kb(number), ONE, known)
        known.kbs.add(kb(number))
        given.taken(kb(number))
        await given.reserve(kb(number), ONE, known)
        clock.now += COUNTED_S
    with pytest.raises(VectorLimitExceededError, match="this instance"):
        await given.reserve(kb(10), OTHER, known)


async def test_many_first_vectors_at_once_are_counted_once() -> None:
    given, known = places(), Known()
    for number in range(10):
        await given.reserve(kb(number), OTHER if number else ONE, known)
    assert known.counts == 1


async def test_what_other_replicas_gave_is_counted_within_a_second() -> None:
    clock, known = Clock(), Known()
    given = places(clock)
    await given.reserve(kb(0), ONE, known)
    known.kbs |= {kb(number) for number in range(1, 10)}
    clock.now = COUNTED_S
    with pytest.raises(VectorLimitExceededError, match="this instance"):
        await given.reserve(kb(10), ONE, known)


async def test_what_was_cleared_gives_its_place_back_at_once() -> None:
    given, known = places(), Known()
    for number in range(9):
        await given.reserve(kb(number), ONE, known)
        known.kbs.add(kb(number))
        given.taken(kb(number))
    await given.reserve(kb(9), OTHER, known)
    known.kbs.discard(kb(0))
    given.give_back(kb(0))
    await given.reserve(kb(10), ONE, known)
    with pytest.raises(VectorLimitExceededError, match="this instance"):
        await given.reserve(kb(11), ONE, known)


async def test_what_another_replica_cleared_gives_its_place_back_to_its_caller() -> None:
    clock, known = Clock(), Known()
    given = places(clock)
    for number in range(9):
        await given.reserve(kb(number), ONE, known)
        known.kbs.add(kb(number))
        given.taken(kb(number))
    with pytest.raises(VectorLimitExceededError, match="this client address"):
        await given.reserve(kb(9), ONE, known)
    known.kbs.discard(kb(0))
    clock.now = COMPARED_S
    await given.reserve(kb(9), ONE, known)


async def test_a_place_that_got_no_vectors_ends() -> None:
    clock, known = Clock(), Known()
    given = places(clock)
    for number in range(9):
        await given.reserve(kb(number), ONE, known)
    clock.now = RESERVED_S
    known.kbs = {kb(number) for number in range(8)}
    for each in known.kbs:
        given.taken(each)
    await given.reserve(kb(20), ONE, known)
    assert known.counts == 2
