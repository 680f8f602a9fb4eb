"""What the Python client does without a session: learn in bulk, and predict."""

import random
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from kato_client import (
    AnswerError,
    AsyncKato,
    BulkLearned,
    ConnectionFailedError,
    InvalidRequestError,
    Next,
    NotFoundError,
    Observation,
    Predictions,
    UserSequence,
)
from support.proxy import FaultyProxy

NewKato = Callable[..., Any]
Opened = Callable[[int], Awaitable[FaultyProxy]]
LETTERS = ["a", "b", "c"]


@pytest.fixture
def user() -> str:
    return uuid4().hex


async def frequencies(url: str, user: str) -> list[int]:
    async with AsyncKato(url) as kato, kato.session(user=user) as session:
        return sorted([pattern.frequency async for pattern in session.patterns()])


async def test_many_sequences_are_learned_with_progress(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    sequences: list[Any] = [LETTERS, LETTERS, [["b", "a"], Observation("c", emotives={"joy": 1})]]
    sequences += [["alone"], [["x" * 1025]], ["d", "e"], []]
    seen = list[BulkLearned]()
    async with new_kato(service_url) as kato:
        done = await kato.user(user).learn(iter(sequences), progress=seen.append, batch_size=3)
    assert (done.lines, done.learned, done.repeated) == (7, 4, 0)
    assert (done.insufficient_data, done.errors) == (2, 1)
    (failure,) = done.failures
    assert (failure.line, failure.code) == (5, "LIMIT_EXCEEDED")
    assert "MAX_SYMBOL_CHARS" in failure.message
    assert [one.lines for one in seen] == [3, 6, 7]
    assert await frequencies(service_url, user) == [1, 1, 2]


async def test_sequences_of_many_users_are_learned_at_once(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    sequences = [UserSequence(f"{user}-{number % 2}", LETTERS) for number in range(3)]
    async with new_kato(service_url) as kato:
        for counts in ((3, 0), (0, 3)):
            done = await kato.learn(iter(sequences), unique_id=user)
            assert (done.learned, done.repeated) == counts
    assert await frequencies(service_url, f"{user}-0") == [2]
    assert await frequencies(service_url, f"{user}-1") == [1]


async def test_nothing_to_learn_is_no_request(new_kato: NewKato, user: str) -> None:
    done = await new_kato("http://127.0.0.1:1").user(user).learn([])
    assert (done.lines, done.failures) == (0, [])
    with pytest.raises(TypeError, match="pass a list of events"):
        await new_kato("http://127.0.0.1:1").user(user).learn(["hello"])


async def test_a_bulk_learn_counts_once_although_connections_are_cut(
    new_kato: NewKato,
    service_url: str,
    user: str,
    faulty_proxy: Callable[[int], Awaitable[FaultyProxy]],
) -> None:
    proxy = await faulty_proxy(int(service_url.rpartition(":")[2]))
    proxy.cut_at_random(random.Random(user), 0.5)
    sequences = [[["a"], [f"{number}"]] for number in range(300)]
    async with new_kato(f"http://127.0.0.1:{proxy.port}") as kato:
        done = await kato.user(user).learn(sequences, batch_size=20)
    assert proxy.lost + proxy.cut > 0
    assert (done.lines, done.learned + done.repeated, done.errors) == (300, 300, 0)
    assert await frequencies(service_url, user) == [1] * 300


async def test_a_run_that_was_cut_off_is_completed_by_another_one(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    def read(until: int) -> Iterator[list[str]]:
        for number in range(30):
            if number == until:
                raise OSError("the file ends here")
            yield ["a", f"{number}"]

    async with new_kato(service_url) as kato:
        with pytest.raises(OSError, match="ends here"):
            await kato.user(user).learn(read(25), unique_id=f"{user}-file", batch_size=10)
        done = await kato.user(user).learn(read(99), unique_id=f"{user}-file", batch_size=10)
    assert (done.learned, done.repeated) == (10, 20)
    assert await frequencies(service_url, user) == [1] * 30


async def test_a_refused_bulk_learn_says_why(new_kato: NewKato, service_url: str) -> None:
    async with new_kato(service_url) as kato:
        done = await kato.user("\x00").learn([LETTERS])
        assert [failure.code for failure in done.failures] == ["VALIDATION_ERROR"]
        with pytest.raises(InvalidRequestError, match="user_id must consist of printable"):
            await kato.user("\x00").predict(LETTERS)


async def test_a_bulk_learn_that_nobody_answers_ends_within_its_limit(new_kato: NewKato) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with new_kato(url, timeout_s=0.3) as kato:
            with pytest.raises(ConnectionFailedError):
                await kato.user("u").learn([LETTERS])


async def test_predictions_need_no_session(new_kato: NewKato, service_url: str, user: str) -> None:
    async with new_kato(service_url) as kato:
        found = kato.user(user)
        assert len(await found.predict(["a", "b"])) == 0
        await found.learn([LETTERS, ["a", "b"]])
        predictions = await found.predict(["a", "b"], limit=1, fields=["future", "similarity"])
        assert (len(predictions), predictions.total) == (1, 2)
        both = await found.predict(["a", "b"], genes={"max_predictions": 1}, explain=True)
        assert both.explanation.patterns == 2
        assert both[0].explanation["potential"] == both[0].potential
        one, wrong = await found.predict_batch([["a", "b"], [["x" * 1025]]])
        assert isinstance(one, Predictions)
        assert isinstance(wrong, AnswerError)
        assert wrong.code == "LIMIT_EXCEEDED"
        following, wrong = await found.next_batch([["a", "b"], [["x" * 1025]]], limit=1)
        assert isinstance(following, Next)
        assert following.raw == (await found.next(["a", "b"], limit=1)).raw
        assert isinstance(wrong, AnswerError)


async def test_what_comes_next_has_weights_that_add_up_to_one(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url) as kato:
        await kato.user(user).learn([LETTERS, ["a", "b"], ["x", "y"]])
        found = await kato.user(user).next(["a", "b"], explain=True)
        assert isinstance(found, Next)
        assert [event.event for event in found.events] == [["c"]]
        assert found.symbols[0].symbol == "c"
        assert found.events[0].weight + found.stop.weight == pytest.approx(1)
        assert found.explanation.left_out["no_shared_symbol"] == 1
        async with kato.session(user=user) as session:
            await session.observe_sequence(["a", "b"])
            again = await session.next()
            assert [event.raw for event in again.events] == [event.raw for event in found.events]
            empty = await session.predictions(offset=5, explain=True)
            codes = [reason["code"] for reason in empty.explanation.reasons]
            assert "before_offset" in codes


async def test_patterns_are_found_and_deleted_by_conditions(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url) as kato:
        found = kato.user(user)
        begun = datetime.now(UTC) - timedelta(minutes=5)
        await found.learn([LETTERS, LETTERS, ["a", "x"], ["y", "z"]])
        assert [one.pattern_data async for one in found.patterns(symbols=["a"], prefix=["a"])] == [
            [["a"], ["b"], ["c"]],
            [["a"], ["x"]],
        ]
        recent = found.patterns(newest_first=True, learned_after=begun, max_frequency=1)
        assert [one.pattern_data[0] async for one in recent] == [["y"], ["a"]]
        assert await found.delete_patterns(symbols=["a"], dry_run=True) == 2
        assert await found.delete_patterns(symbols=["a"]) == 2
        assert [one.pattern_data async for one in found.patterns()] == [[["y"], ["z"]]]
        with pytest.raises(InvalidRequestError, match="at least one condition"):
            await found.delete_patterns()
        with pytest.raises(ValueError, match="learned_after needs a time zone"):
            found.patterns(learned_after=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_a_session_starts_with_the_configuration_of_its_user(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url) as kato:
        found = kato.user(user)
        assert (await found.configuration()).changed_at is None
        stored = await found.configure({"recall_threshold": 0.5, "max_predictions": 7})
        assert stored == await found.configuration()
        assert (await found.info()).configured
        async with kato.session(user=user, genes={"max_predictions": 3}) as session:
            genes = await session.genes()
            assert (genes.recall_threshold, genes.max_predictions) == (0.5, 3)
        with pytest.raises(InvalidRequestError, match="recall_threshold of config must be"):
            await found.configure({"recall_threshold": 2})
        await found.remove_configuration()
        assert (await found.configuration()).config == {}


async def test_growth_counts_what_was_learned(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url) as kato:
        await kato.user(user).learn([LETTERS, ["x", "y"]])
        growth = await kato.user(user).growth(intervals=2)
        assert (growth.patterns, growth.earlier) == (2, 0)
        assert sum(one.first_learned for one in growth.intervals) == 2
        assert growth.oldest is not None
        assert growth.intervals[0].began_at <= growth.oldest <= growth.as_of
        with pytest.raises(InvalidRequestError, match="intervals"):
            await kato.user(user).growth(intervals=1)


async def test_a_user_is_listed_and_erased(new_kato: NewKato, service_url: str, user: str) -> None:
    async with new_kato(service_url) as kato:
        with pytest.raises(NotFoundError):
            await kato.user(user).info()
        await kato.user(user).learn([LETTERS])
        info = await kato.user(user).info()
        assert (info.user_id, info.patterns, info.sessions) == (user, 1, 0)
        listed = [one.patterns async for one in kato.users() if one.user_id == user]
        assert len(listed) == 1
        erased = await kato.user(user).erase()
        assert (erased.erased["patterns"], erased.used_again) == (1, False)
        assert (await kato.user(user).erase()).erased["patterns"] == 0
        assert [one async for one in kato.user(user).patterns()] == []
