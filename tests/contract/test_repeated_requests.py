"""A repeated ``unique_id`` is a repeat only if the request is the same, on every replica."""

from dataclasses import replace
from typing import Any

import pytest
from session_replicas import Pair, Replica
from session_stores import Kept

from kato_service.domain.deadline import Deadline
from kato_service.domain.observation import Observation
from kato_service.errors import UniqueIdReusedError
from kato_service.processing.idempotency import RequestIdentity, content_of
from kato_service.processing.results import SequenceResult
from kato_service.processing.sequence import SequenceOptions
from kato_service.sessions.redis import encoding
from kato_service.sessions.state import Change, Remembered, SessionState

PLAIN = SequenceOptions(learn_after_each=False, learn_at_end=False, clear_stm_between=False)


async def sequence(
    replica: Replica, session_id: str, symbols: str, options: SequenceOptions = PLAIN
) -> SequenceResult:
    deadline = Deadline.after(30)

    async def plan(state: SessionState) -> Change[SequenceResult]:
        return await replica.processor.observe_sequence(
            state,
            [Observation((symbol,)) for symbol in symbols],
            options=options,
            unique_id="u",
            deadline=deadline,
        )

    return await replica.sessions.change(session_id, plan, deadline=deadline)


async def test_another_observation_under_the_same_id_is_refused(replicas: Pair) -> None:
    one, two = replicas
    session_id = await one.create()
    await one.observe(session_id, "a", unique_id="u")
    with pytest.raises(UniqueIdReusedError, match="already used it for another observe") as caught:
        await two.observe(session_id, "b", unique_id="u")
    assert caught.value.code == "UNIQUE_ID_REUSED"
    assert (await two.observe(session_id, "a", unique_id="u")).repeated
    assert await one.stm(session_id) == ["a"]


async def test_another_operation_under_the_same_id_is_refused(replicas: Pair) -> None:
    one, two = replicas
    session_id = await one.create()
    await one.observe(session_id, "a", unique_id="u")
    with pytest.raises(UniqueIdReusedError, match="already used it for observe;"):
        await two.learn(session_id, unique_id="u")
    with pytest.raises(UniqueIdReusedError, match="already used it for observe;"):
        await sequence(two, session_id, "a")
    assert await one.stm(session_id) == ["a"]


@pytest.mark.parametrize(
    ("symbols", "options"),
    [
        ("ba", PLAIN),
        ("abc", PLAIN),
        ("a", PLAIN),
        ("ab", replace(PLAIN, learn_at_end=True)),
        ("ab", replace(PLAIN, clear_stm_between=True)),
        ("ab", replace(PLAIN, from_empty=True)),
    ],
    ids=["order", "more", "less", "learn at end", "clear between", "from empty"],
)
async def test_another_sequence_under_the_same_id_is_refused(
    replicas: Pair, symbols: str, options: SequenceOptions
) -> None:
    one, two = replicas
    session_id = await one.create()
    await sequence(one, session_id, "ab")
    with pytest.raises(UniqueIdReusedError):
        await sequence(two, session_id, symbols, options)
    assert (await sequence(two, session_id, "ab")).repeated
    assert await one.stm(session_id) == ["a", "b"]


async def test_a_request_that_an_earlier_version_remembered_is_known_by_its_operation(
    replicas: Pair,
) -> None:
    one, two = replicas
    session_id = await one.create()

    async def remember(state: SessionState) -> Change[None]:
        request = RequestIdentity.of("observe", "u")
        after = request.remembered_in(state)
        old = replace(after.remembered[-1], content=0)
        return Change(replace(after, remembered=(old,)), lambda _applied: None)

    await one.sessions.change(session_id, remember, deadline=Deadline.after(5))
    assert (await two.observe(session_id, "anything", unique_id="u")).repeated
    with pytest.raises(UniqueIdReusedError):
        await two.learn(session_id, unique_id="u")


async def test_the_content_of_a_request_is_stored(kept: Kept) -> None:
    session = await kept.create()
    lock = await kept.locked(session.session_id)
    request = RequestIdentity.of("observe", "u", b"content")
    await kept.store.save(lock, request.remembered_in(lock.state), None)
    found = await kept.store.load(session.session_id)
    assert found is not None
    assert found.remembered[0].content == request.content != 0


def row(**fields: Any) -> list[Any]:
    remembered = Remembered(
        "0" * 16, "observe-sequence", 10**9, 1000, "learned", "f" * 40, **fields
    )
    encoded = encoding._request(remembered)
    assert len(encoded) <= 128
    assert encoding._remembered(encoding._items(encoded)[0]) == remembered
    items: list[Any] = encoding._items(encoded)[0]
    return items


def test_a_stored_request_is_small_and_readable_by_an_earlier_version() -> None:
    flags = {"stm_truncated": True, "partial": True}
    with_content = row(frequency=10**6, count=1000, content=2**48 - 1, **flags)
    without = row(frequency=10**6, count=1000, **flags)
    # An earlier version reads nine values, and of the last one its two lowest bits.
    assert with_content[:8] == without[:8]
    assert (with_content[8] & 3, without[8]) == (3, 3)
    assert len(with_content) == len(without) == 9


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"strings": ("a", "b")}, {"strings": ("b", "a")}),
        ({"strings": ("a", "b")}, {"strings": ("ab",)}),
        ({"strings": ("a",)}, {"emotives": {"a": 1.0}}),
        ({"vectors": ((1.0, 2.0),)}, {"vectors": ((1.0,), (2.0,))}),
        ({"emotives": {"joy": 1.0}}, {"emotives": {"joy": 2.0}}),
        ({"metadata": {"k": "1"}}, {"metadata": {"k": "2"}}),
        ({}, {"strings": ("",)}),
    ],
)
def test_different_observations_have_different_contents(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert content_of(Observation(**one)) != content_of(Observation(**other))


def test_the_order_of_keys_does_not_matter() -> None:
    one = Observation(emotives={"a": 1.0, "b": 2.0}, metadata={"k": "1", "l": "2"})
    other = Observation(emotives={"b": 2.0, "a": 1.0}, metadata={"l": "2", "k": "1"})
    assert content_of(one) == content_of(other)
