"""Retrievers of LangChain and LlamaIndex: patterns that a question recalls."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

from kato_client import AsyncKato, InvalidRequestError, Kato, Observation, Prediction
from kato_client.retrievers import langchain, llamaindex

Found = list[tuple[str, dict[str, Any], str]]
"""Text, metadata and id of what was recalled."""
LEARNED = [
    ["the", "parcel", "left", "Rome"],
    ["the", "parcel", "left", "Oslo", "late"],
    ["the", "parcel", "came", "back"],
    ["a", "letter", "came"],
]


@pytest.fixture
def kato(service_url: str, user: str) -> Iterator[Kato]:
    """With a user who has learned four sentences."""
    with Kato(service_url) as kato:
        kato.user(user).learn(LEARNED)
        yield kato


@pytest.fixture
def closed() -> Iterator[Kato]:
    """A client whose calls fail."""
    with Kato("http://127.0.0.1:9", timeout_s=0.1) as closed:
        yield closed


class TestConformance(RetrieversIntegrationTests):
    """The tests that LangChain has for all retrievers."""

    @pytest.fixture(autouse=True)
    def _learned(self, kato: Kato, user: str) -> None:
        self.params = {"kato": kato, "user": user}

    @property
    def retriever_constructor(self) -> type[langchain.KatoRetriever]:
        return langchain.KatoRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return self.params

    @property
    def retriever_query_example(self) -> str:
        return "the parcel"


class LangChain:
    retriever = langchain.KatoRetriever

    @staticmethod
    def ask(retriever: Any, query: str) -> Found:
        return LangChain.read(retriever.invoke(query))

    @staticmethod
    async def ask_async(retriever: Any, query: str) -> Found:
        return LangChain.read(await retriever.ainvoke(query))

    @staticmethod
    def read(found: list[Document]) -> Found:
        return [(one.page_content, one.metadata, one.id or "") for one in found]


class LlamaIndex:
    retriever = llamaindex.KatoRetriever

    @staticmethod
    def ask(retriever: Any, query: str) -> Found:
        return LlamaIndex.read(retriever.retrieve(query))

    @staticmethod
    async def ask_async(retriever: Any, query: str) -> Found:
        return LlamaIndex.read(await retriever.aretrieve(query))

    @staticmethod
    def read(found: list[NodeWithScore]) -> Found:
        return [(one.text, one.metadata, one.node_id) for one in found]


@pytest.fixture(params=[LangChain, LlamaIndex])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_what_is_recalled_is_the_prediction_of_the_service(
    kato: Kato, user: str, library: Any
) -> None:
    retriever = library.retriever(kato=kato, user=user)
    found = library.ask(retriever, "the parcel left Oslo")
    predicted = kato.user(user).predict(["the", "parcel", "left", "Oslo"], limit=4)
    assert [metadata for _, metadata, _ in found] == [one.raw for one in predicted]
    assert [name for _, _, name in found] == [one.name for one in predicted]
    text, metadata, _ = found[0]
    assert text == "the parcel left Oslo late"
    assert metadata["future"] == [["late"]]
    assert metadata["missing"] == []
    assert 0 < metadata["similarity"] < 1


def test_nothing_is_recalled_for_another_user(kato: Kato, user: str, library: Any) -> None:
    assert library.ask(library.retriever(kato=kato, user=f"{user}-2"), "the parcel") == []


def test_one_word_recalls_what_begins_with_it(kato: Kato, user: str, library: Any) -> None:
    (found,) = library.ask(library.retriever(kato=kato, user=user), "a")
    assert found[0] == "a letter came"
    assert library.ask(library.retriever(kato=kato, user=user, genes={}), "a") == []


def test_blank_and_unknown_questions_recall_nothing(kato: Kato, user: str, library: Any) -> None:
    retriever = library.retriever(kato=kato, user=user)
    for query in ("", "  \n", "nobody knows this"):
        assert library.ask(retriever, query) == []


def test_the_asynchronous_client_answers_asynchronous_questions(
    service_url: str, kato: Kato, closed: Kato, user: str, library: Any
) -> None:
    expected = library.ask(library.retriever(kato=kato, user=user), "the parcel")

    async def asked() -> Found:
        async with AsyncKato(service_url) as async_kato:
            retriever = library.retriever(kato=closed, async_kato=async_kato, user=user)
            found: Found = await library.ask_async(retriever, "the parcel")
            return found

    assert len(expected) == 3
    assert asyncio.run(asked()) == expected


def test_without_an_asynchronous_client_the_event_loop_does_not_wait(
    kato: Kato, user: str, library: Any
) -> None:
    threads = list[threading.Thread]()

    def noted(query: str) -> list[str]:
        threads.append(threading.current_thread())
        return query.split()

    retriever = library.retriever(kato=kato, user=user, events_of=noted)
    assert len(asyncio.run(library.ask_async(retriever, "the parcel"))) == 3
    (thread,) = threads
    assert thread is not threading.main_thread()


def test_questions_and_texts_are_made_as_wanted(kato: Kato, user: str, library: Any) -> None:
    events = [
        Observation(["order", "paid"], metadata={"text": "Order 7 was paid"}),
        Observation("sent"),
        Observation("lost"),
    ]
    kato.user(user).learn([events])

    def text_of(found: Prediction) -> str:
        (text,) = (found.metadata or {})["text"]
        return str(text)

    def events_of(query: str) -> list[list[str]]:
        return [event.split("+") for event in query.split(", ")]

    asked = {"events_of": events_of, "text_of": text_of}
    found = library.ask(library.retriever(kato=kato, user=user, **asked), "order+paid, sent")
    assert [text for text, _, _ in found] == ["Order 7 was paid"]
    assert found[0][1]["future"] == [["lost"]]


def test_what_the_service_refuses_is_told(kato: Kato, user: str, library: Any) -> None:
    with pytest.raises(InvalidRequestError, match="limit"):
        library.ask(library.retriever(kato=kato, user=user, k=-1), "the parcel")
    retriever = library.retriever(kato=kato, user=user, genes={"recall_threshold": 2})
    with pytest.raises(InvalidRequestError, match="recall_threshold"):
        library.ask(retriever, "the parcel")


def test_the_retriever_is_a_part_of_chains(kato: Kato, user: str) -> None:
    retriever = langchain.KatoRetriever(kato=kato, user=user, k=1)
    chain = retriever | RunnableLambda(lambda found: found[0].page_content)
    assert chain.batch(["a letter", "the parcel came"]) == [
        "a letter came",
        "the parcel came back",
    ]


def test_language_models_get_the_text_of_a_node_alone(kato: Kato, user: str) -> None:
    (found,) = llamaindex.KatoRetriever(kato, user=user).retrieve("a letter")
    assert isinstance(found.node, TextNode)
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert found.node.get_content(mode) == "a letter came"
    assert "similarity" in found.node.get_content(MetadataMode.ALL)


def test_a_cutoff_of_scores_is_one_of_similarities(kato: Kato, user: str) -> None:
    found = llamaindex.KatoRetriever(kato, user=user).retrieve("the parcel left Rome")
    assert [one.score for one in found] == [one.metadata["similarity"] for one in found]
    kept = SimilarityPostprocessor(similarity_cutoff=0.9).postprocess_nodes(found)
    assert [one.text for one in kept] == ["the parcel left Rome"]
    assert len(found) > 1


@pytest.mark.parametrize("name", ["langchain", "llamaindex"])
def test_the_program_of_the_manual_prints_what_it_recalls(program: Any, name: str) -> None:
    printed = program(f"from kato_client.retrievers.{name} import")
    assert printed == "the parcel left Oslo late [['late']]\n"
