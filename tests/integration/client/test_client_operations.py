"""Each operation of the Python client, on a real instance."""

import json
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from kato_client import (
    AsyncKato,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
    Observation,
    UnauthorizedError,
)

NewKato = Callable[..., Any]
LETTERS = [["a"], ["b"], ["c"]]


@pytest.fixture
def user() -> str:
    return uuid4().hex


async def test_a_conversation_ends_with_a_prediction(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url).session(user=user) as session:
        observed = await session.observe("hello", emotives={"joy": 0.5}, metadata={"line": 1})
        assert (observed.symbols, observed.stm_length, observed.repeated) == (["hello"], 1, False)
        await session.observe(["wide", "world"], vectors=[[1, 0.5]])
        await session.observe("again")
        learned = await session.learn()
        assert (learned.status, learned.frequency) == ("learned", 1)
        await session.observe_sequence(
            ["hello", Observation(["wide", "world"], vectors=[[1, 0.5]])]
        )
        (found,) = predictions = await session.predictions(limit=1, recall_threshold=0.1)
        assert (found.future, found.pattern_name) == ([["again"]], learned.pattern_name)
        assert (predictions[0], len(predictions)) == (found, 1)
        assert found.emotives == {"joy": 0.5}
        await session.clear_stm()
        assert await session.stm() == []


async def test_a_session_is_deleted_at_the_end_and_its_patterns_stay(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url) as kato:
        async with kato.session(user=user, ttl_s=60, metadata={"k": "v"}) as session:
            assert await session.exists()
            info = await session.info()
            assert (info.user_id, info.ttl_seconds, info.metadata) == (user, 60, {"k": "v"})
            assert info.expires_at > info.created_at
            await session.observe_sequence(LETTERS, learn_at_end=True)
            ended = session.id
        with pytest.raises(NotFoundError, match="create a new session"):
            await kato.session(id=ended).info()
        async with kato.session(user=user) as other:
            assert [pattern.pattern_data async for pattern in other.patterns()] == [LETTERS]


async def test_an_existing_session_is_not_deleted_at_the_end(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url) as kato:
        session = kato.session(user=user)
        created = await session.create()
        async with kato.session(id=created.session_id) as again:
            await again.observe("a")
        assert await session.stm() == [["a"]]
        await session.extend(30)
        assert (await session.info()).ttl_seconds == 30
        await session.delete()
        with pytest.raises(NotFoundError):
            await session.delete()


async def test_genes_are_changed_and_returned_to_defaults(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url).session(user=user, genes={"recall_threshold": 0.4}) as session:
        assert (await session.genes()).recall_threshold == 0.4
        assert (await session.set_genes(recall_threshold=0.5)).recall_threshold == 0.5
        assert (await session.set_genes(recall_threshold=None)).recall_threshold == 0.1
        with pytest.raises(InvalidRequestError) as refused:
            await session.set_genes(recall_treshold=0.5)
        assert refused.value.details[0]["location"] == ["body", "config", "recall_treshold"]


async def test_metadata_is_changed_key_by_key(new_kato: NewKato, service_url: str) -> None:
    async with new_kato(service_url).session(metadata={"a": 1, "b": 2}) as session:
        changed = await session.set_metadata({"a": None, "c": [3]})
        assert changed.metadata == {"b": 2, "c": [3]}
        assert (await session.info()).metadata == changed.metadata


async def test_the_nearest_vectors_are_found(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url).session(user=user) as session:
        await session.observe(vectors=[[1, 0]])
        await session.observe(vectors=[[0, 1]])
        first, second = await session.nearest_vectors([1, 0.1])
        assert first.score > 0.99 > second.score
        assert await session.nearest_vectors([1, 0.1], limit=1) == [first]
        assert await session.nearest_vectors([1, 0.1], min_score=0.9) == [first]


async def test_lists_are_read_page_by_page(new_kato: NewKato, service_url: str, user: str) -> None:
    async with new_kato(service_url) as kato, kato.session(user=user) as session:
        events = [[f"{number}", "x"] for number in range(700)]
        await session.observe_sequence(events, learn_after_each=True)
        patterns = [pattern async for pattern in session.patterns()]
        assert [pattern.pattern_data for pattern in patterns] == [[event] for event in events]
        (listed,) = [info async for info in kato.sessions(user=user)]
        assert listed.user_id == user
        assert await kato.session_count() >= 1


async def test_patterns_are_edited_and_deleted(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url).session(user=user) as session:
        done = await session.observe_sequence(LETTERS, learn_at_end=True)
        name = done.final_learned_pattern
        await session.update_pattern(name, frequency=7, emotives=[{"joy": 1.0}])
        pattern = await session.pattern(name)
        assert (pattern.frequency, pattern.emotives) == (7, [{"joy": 1.0}])
        undo = json.loads(await session.delete_pattern(name))
        assert (undo["frequency"], undo["emotives"]) == (7, [{"joy": 1.0}])
        with pytest.raises(NotFoundError) as missing:
            await session.delete_pattern(name)
        assert missing.value.code == "PATTERN_NOT_FOUND"
        await session.clear_all()
        assert [one async for one in session.patterns()] == []


async def test_selected_fields_are_there_and_others_say_why_not(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url).session(user=user) as session:
        await session.observe_sequence(LETTERS, learn_at_end=True)
        await session.observe_sequence(["a", "b"])
        (found,) = await session.predictions(fields=["future", "tfidf_score"])
        assert found.future == [["c"]]
        assert found.tfidf_score == found.raw["tfidf_score"]
        with pytest.raises(AttributeError, match="no 'potential': select it with `fields`"):
            _ = found.potential
        everything = await session.predictions(fields="all")
        assert everything.future_potentials[0]["future"] == [["c"]]


async def test_a_call_may_be_repeated_by_its_id(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url).session(user=user) as session:
        assert not (await session.observe("a", unique_id="mine")).repeated
        assert (await session.observe("a", unique_id="mine")).repeated
        assert await session.stm() == [["a"]]
        with pytest.raises(InvalidRequestError, match="let the client choose it"):
            await session.observe("b", unique_id="mine")


async def test_a_refusal_says_where_what_and_what_to_do(
    new_kato: NewKato, service_url: str, user: str
) -> None:
    async with new_kato(service_url).session(user=user) as session:
        with pytest.raises(InvalidRequestError) as refused:
            await session.learn()
        assert (refused.value.status, refused.value.code) == (400, "EMPTY_STM")
        assert str(refused.value).endswith("(EMPTY_STM): observe something before you learn")
        assert refused.value.request_id
        assert not refused.value.retryable
        with pytest.raises(TypeError, match="pass a list of events"):
            await session.observe_sequence("hello")
    with pytest.raises(RuntimeError, match="create the session first"):
        await new_kato(service_url).session(user=user).observe("a")


@pytest.fixture(scope="module")
def keyed_url(start_service: Callable[..., str]) -> str:
    return start_service(API_KEY="k" * 40)


async def test_credentials_are_sent(new_kato: NewKato, keyed_url: str) -> None:
    url = keyed_url
    for given in ({"api_key": "k" * 40}, {"token": "k" * 40}, {"token": lambda: "k" * 40}):
        async with new_kato(url, **given).session(user="u") as session:
            assert await session.exists()
    async with new_kato(url) as kato:
        with pytest.raises(UnauthorizedError, match="pass api_key or token to the client"):
            await kato.session_count()


async def test_an_address_without_an_instance_is_told(new_kato: NewKato, service_url: str) -> None:
    with pytest.raises(ConnectionFailedError, match="check the address"):
        await new_kato("http://127.0.0.1:1", timeout_s=0.3).session_count()
    with pytest.raises(ConnectionFailedError, match="check the address"):
        await new_kato("nonsense").session_count()
    async with new_kato(f"{service_url}/elsewhere") as kato:
        with pytest.raises(NotFoundError):
            await kato.session_count()


async def test_connections_are_closed_with_the_last_block_and_opened_again(
    service_url: str,
) -> None:
    kato = AsyncKato(service_url, verify=ssl.create_default_context())
    async with kato, kato.session(user="u"):
        pass
    assert kato._connection._http is None
    await kato.session_count()
    assert kato._connection._http is not None
    with suppress(NotFoundError):
        async with kato.session(id="gone") as session:
            await session.info()
    assert kato._connection._http is None
    await kato.aclose()
