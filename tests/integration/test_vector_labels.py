"""Vectors that people can read: labels, the nearest ones, near duplicates, the dimension."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kato_service.processing.vectors.vector_names import vector_symbol

Start = Callable[..., str]
CAT, DOG, BIRD = [1.0, 0.0, 0.2], [0.0, 1.0, 0.1], [0.3, 0.2, 1.0]
NAMES = {name: vector_symbol(vector) for name, vector in zip("cdb", (CAT, DOG, BIRD), strict=True)}


@pytest.fixture(scope="module", params=["embedded", "qdrant"])
def url(request: pytest.FixtureRequest, start_service: Start) -> str:
    given = {"PROCESSOR_ID": f"k{uuid4().hex}"}
    if request.param == "qdrant":
        given["QDRANT_URL"] = request.getfixturevalue("qdrant_url")
    return start_service(**given)


@pytest.fixture
def session(url: str) -> Iterator[httpx.Client]:
    """A session of a user of its own; its base is the path of the session."""
    with session_of(url, f"u{uuid4().hex}") as made:
        yield made


@contextmanager
def session_of(url: str, user: str) -> Iterator[httpx.Client]:
    answer = httpx.post(f"{url}/v2/sessions", json={"user_id": user}, timeout=60)
    path = f"{url}/v2/sessions/{answer.json()['session_id']}"
    with httpx.Client(base_url=path, timeout=60) as client:
        yield client


def observe(session: httpx.Client, *vectors: list[float], **given: Any) -> httpx.Response:
    return session.post("/observe", json={"vectors": vectors, **given})


def nearest(session: httpx.Client, vector: list[float], **given: Any) -> list[Any]:
    answer = session.post("/vectors:nearest", json={"vector": vector, **given})
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == len(answer.json()["vectors"])
    return [[one["symbol"], one["label"], one["score"]] for one in answer.json()["vectors"]]


def test_predictions_show_labels_when_they_are_asked_for(session: httpx.Client) -> None:
    session.post("/config", json={"config": {"vector_neighbors": 0}})
    observe(session, CAT, DOG, vector_labels=["cat", None])
    observe(session, BIRD, vector_labels=["bird ≠ \U0001f426"])
    session.post("/observe", json={"strings": ["end"]})
    session.post("/learn")
    observe(session, CAT, DOG)
    plain = session.get("/predictions")
    assert "labels" not in plain.json()
    assert session.get("/predictions?labels=false").content == plain.content
    shown = session.get("/predictions?labels=true").json()
    assert shown.pop("labels") == {NAMES["c"]: "cat", NAMES["b"]: "bird ≠ \U0001f426"}
    assert shown == plain.json()
    assert shown["predictions"][0]["future"][0] == [NAMES["b"]]
    only = session.get("/predictions?labels=true&fields=name,future").json()
    assert only["labels"] == {NAMES["b"]: "bird ≠ \U0001f426"}
    session.post("/clear-stm")
    assert session.get("/predictions?labels=true").json()["labels"] == {}


def test_a_label_is_of_one_user_and_lasts_until_there_is_another(
    url: str, session: httpx.Client
) -> None:
    observe(session, CAT, vector_labels=["cat"])
    observe(session, CAT)
    observe(session, CAT, vector_labels=[])
    assert nearest(session, CAT) == [[NAMES["c"], "cat", 1.0]]
    observe(session, CAT, vector_labels=["Katze"])
    assert nearest(session, CAT) == [[NAMES["c"], "Katze", 1.0]]
    with session_of(url, f"u{uuid4().hex}") as other:
        observe(other, CAT)
        assert nearest(other, CAT) == [[NAMES["c"], None, 1.0]]
    session.post("/clear-all")
    assert nearest(session, CAT) == []


def test_a_repeat_with_another_label_is_another_request(session: httpx.Client) -> None:
    sent = {"vector_labels": ["cat"], "unique_id": "one"}
    assert observe(session, CAT, **sent).status_code == 200
    assert observe(session, CAT, **sent).json()["repeated"] is True
    refused = observe(session, CAT, **{**sent, "vector_labels": ["dog"]})
    assert refused.json()["error"]["code"] == "UNIQUE_ID_REUSED"
    assert nearest(session, CAT) == [[NAMES["c"], "cat", 1.0]]


def test_items_of_a_sequence_have_labels(session: httpx.Client) -> None:
    items = [{"vectors": [CAT], "vector_labels": ["cat"]}, {"vectors": [DOG]}]
    assert session.post("/observe-sequence", json={"observations": items}).status_code == 200
    wrong = [*items, {"strings": ["a"], "vector_labels": ["x"]}]
    refused = session.post("/observe-sequence", json={"observations": wrong}).json()["error"]
    assert "vector_labels of observations[2]" in refused["message"]
    assert [one[1] for one in nearest(session, CAT)] == ["cat", None]


def test_the_nearest_come_first_and_equal_ones_by_symbol(session: httpx.Client) -> None:
    same = [[each * factor for each in CAT] for factor in (2.0, 3.0, 0.5)]
    observe(session, CAT, DOG, BIRD, *same)
    found = nearest(session, CAT)
    ties = sorted([NAMES["c"], *map(vector_symbol, same)])
    assert [one[0] for one in found[:4]] == ties
    assert [one[2] for one in found[:4]] == [1.0] * 4
    assert [one[0] for one in found[4:]] == [NAMES["b"], NAMES["d"]]
    assert all(round(score, 12) == score for _, _, score in found)
    assert nearest(session, CAT, limit=2) == found[:2]
    assert nearest(session, CAT, min_score=0.9) == found[:4]
    assert session.get("/vectors").json()["count"] == 6


def test_the_dimension_is_shown_and_its_refusal_explained(session: httpx.Client) -> None:
    shown = session.get("/vectors").json()
    assert (shown["dimension"], shown["count"]) == (None, 0)
    assert nearest(session, [1.0]) == []
    observe(session, CAT, DOG)
    shown = session.get("/vectors").json()
    assert (shown["dimension"], shown["count"]) == (3, 2)
    reason = (
        "cannot have dimension 2 in this knowledge base, whose vectors have dimension 3: the first"
        " one fixed it until the next clear-all; send vectors of that dimension, or observe these"
        " as another user"
    )
    for answer, field in (
        (observe(session, [1.0, 2.0]), "vectors[0]"),
        (session.post("/vectors:nearest", json={"vector": [1.0, 2.0]}), "vector"),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, "VECTOR_DIMENSION")
        assert error["message"] == f"{field} {reason}"
    session.post("/clear-all")
    assert session.get("/vectors").json()["dimension"] is None
    assert observe(session, [1.0, 2.0]).status_code == 200
    assert session.get("/vectors").json()["dimension"] == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"vector": []}, "vector must have at least one component"),
        ({"vector": [0, 0]}, "vector must not be all zeros"),
        ({"vector": [1.0] * 4097}, "vector must have at most 4096 components"),
        ({"vector": [1.0], "limit": 0}, "limit must be at least 1"),
        ({"vector": [1.0], "limit": 1001}, "limit must be at most 1000"),
        ({"vector": [1.0], "min_score": 1.1}, "min_score must be at most 1"),
        ({}, "Missing required field: vector"),
        ({"vector": ["x"]}, "vector[0] must be a number"),
    ],
)
def test_a_wrong_search_is_refused(
    session: httpx.Client, body: dict[str, Any], message: str
) -> None:
    answer = session.post("/vectors:nearest", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(message)


def test_near_duplicates_are_absorbed_if_a_gene_says_so(session: httpx.Client) -> None:
    near, nearer = [1.0, 0.01, 0.2], [1.0, 0.001, 0.2]
    observe(session, CAT, vector_labels=["cat"])
    session.post("/config", json={"config": {"vector_absorb_similarity": 0.999}})
    session.post("/config", json={"config": {"vector_neighbors": 0}})
    assert observe(session, near, vector_labels=["ignored"]).json()["symbols"] == [NAMES["c"]]
    assert observe(session, DOG, nearer).json()["symbols"] == sorted([NAMES["d"], NAMES["c"]])
    assert session.get("/vectors").json()["count"] == 2
    assert nearest(session, CAT)[0] == [NAMES["c"], "cat", 1.0]
    # A vector that is stored stands for itself, whatever is near to it.
    session.post("/config", json={"config": {"vector_absorb_similarity": None}})
    assert observe(session, near).json()["symbols"] == [vector_symbol(near)]
    session.post("/config", json={"config": {"vector_absorb_similarity": 0.999}})
    assert observe(session, near).json()["symbols"] == [vector_symbol(near)]
    assert observe(session, nearer).json()["symbols"] == [NAMES["c"]]


def test_of_near_duplicates_that_come_at_once_one_is_stored(url: str) -> None:
    user = f"u{uuid4().hex}"
    with ExitStack() as stack:
        clients = [stack.enter_context(session_of(url, user)) for _ in range(6)]
        for client in clients:
            config = {"vector_absorb_similarity": 0.99, "vector_neighbors": 0}
            client.post("/config", json={"config": config})
        sent = [[1.0, number / 1000, 0.2] for number in range(len(clients))]
        threads = stack.enter_context(ThreadPoolExecutor(len(clients)))
        answers = list(threads.map(observe, clients, sent))
        symbols = {tuple(answer.json()["symbols"]) for answer in answers}
        assert len(symbols) == 1
        assert clients[0].get("/vectors").json()["count"] == 1
