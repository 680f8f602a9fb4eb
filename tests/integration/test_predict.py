"""Predictions without a session, one and many: what they answer, and that they leave nothing."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from test_answers import taught

Json = Any


def _send(api: httpx.Client, method: str, path: str, **options: Any) -> Json:
    response = api.request(method, path, **options)
    assert response.status_code == 200, response.text
    return response.json()


def _predict(api: httpx.Client, **body: Any) -> Json:
    return _send(api, "POST", "/v2/predict", json=body)


def _refused(api: httpx.Client, path: str, body: Json) -> Json:
    response = api.post(path, json=body)
    assert response.status_code == 422, response.text
    return response.json()["error"]


@pytest.fixture
def user(api: httpx.Client) -> str:
    """A user whose sessions have learned `LEARNED`."""
    user_id = uuid4().hex
    taught(api, user_id=user_id)
    return user_id


_OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"view": "next"},
    {"view": "next", "fields": "symbols", "limit": 1, "offset": 1, "explain": True},
    {"explain": True, "recall_threshold": 0.7, "fields": "all"},
    {"limit": 2, "offset": 1, "fields": "name"},
)


@pytest.mark.parametrize("options", _OPTIONS)
def test_the_answer_is_that_of_a_session(api: httpx.Client, options: dict[str, Any]) -> None:
    user_id = uuid4().hex
    session, _ = taught(api, user_id=user_id)
    query = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in options.items()
    }
    expected = _send(api, "GET", f"{session}/predictions", params=query)
    del expected["session_id"], expected["time"]
    expected["stm_truncated"] = False
    assert _predict(api, user_id=user_id, events=[["a"], ["b"]], **options) == expected
    observations = [{"strings": ["a"], "emotives": {"joy": 1.0}}, {"strings": ["b"]}]
    assert _predict(api, user_id=user_id, observations=observations, **options) == expected


def test_genes_hold_for_the_request(api: httpx.Client, user: str) -> None:
    one = {"user_id": user, "events": [["a"]]}
    assert _predict(api, **one)["total"] == 0
    single = _predict(api, **one, config={"single_symbol_predictions": True})
    assert single["total"] == 5
    ignoring = _predict(api, **one, config={"smoothness": 3})
    assert ignoring["ignored"] == ["smoothness"]
    strict = _predict(api, user_id=user, events=[["a"], ["b"]], config={"recall_threshold": 0.9})
    assert strict["total"] == 1
    both = _predict(
        api, **{**one, "events": [["a"], ["b"]]}, config={"recall_threshold": 0.9},
        recall_threshold=0.1,
    )  # fmt: skip
    assert both["total"] == 5


def test_events_are_sorted_as_in_a_session(api: httpx.Client) -> None:
    user_id = uuid4().hex
    session, _ = taught(api, "", user_id=user_id)
    events = [["a"], ["b"], ["d", "c"]]
    first = _predict(api, user_id=user_id, events=events, limit=1)["predictions"][0]
    assert (first["matches"], first["similarity"]) == (["a", "b", "c", "d"], 1.0)
    unsorted = {"sort_symbols": False}
    other = _predict(api, user_id=user_id, events=events, config=unsorted)["predictions"]
    assert other[0]["matches"] != first["matches"]
    assert _send(api, "GET", f"{session}/stm")["stm"] == []


def test_an_unknown_user_has_no_predictions_and_is_not_created(api: httpx.Client) -> None:
    user_id = uuid4().hex
    sessions = _send(api, "GET", "/v2/sessions/count")
    answer = _predict(api, user_id=user_id, events=[["a"], ["b"]], explain=True)
    assert (answer["predictions"], answer["total"]) == ([], 0)
    assert [one["code"] for one in answer["explanation"]["reasons"]] == ["empty_knowledge_base"]
    vectors = [{"vectors": [[0.1, 0.9]]}, {"vectors": [[0.2, 0.8]]}]
    assert _predict(api, user_id=user_id, observations=vectors)["predictions"] == []
    assert _send(api, "GET", "/v2/sessions/count") == sessions
    session = _send(api, "POST", "/v2/sessions", json={"user_id": user_id})["session_id"]
    assert _send(api, "GET", f"/v2/sessions/{session}/patterns")["patterns"] == []
    # Nothing fixed the dimension of this user's vectors.
    three = {"vectors": [[0.1, 0.2, 0.3]]}
    _send(api, "POST", f"/v2/sessions/{session}/observe", json=three)


def test_vectors_are_looked_up_and_not_stored(api: httpx.Client) -> None:
    user_id = uuid4().hex
    created = _send(api, "POST", "/v2/sessions", json={"user_id": user_id})["session_id"]
    session = f"/v2/sessions/{created}"
    sequence = [{"vectors": [[1.0, 0.0]]}, {"strings": ["b"]}, {"strings": ["c"]}]
    body = {"observations": sequence, "learn_at_end": True}
    _send(api, "POST", f"{session}/observe-sequence", json=body)
    near = {"vectors": [[0.99, 0.01]]}
    asked = {"user_id": user_id, "observations": [near, {"strings": ["b"]}], "view": "next"}
    answer = _predict(api, **asked)
    assert [one["event"] for one in answer["events"]] == [["c"]]
    assert _predict(api, **asked) == answer
    wrong = {"user_id": user_id, "observations": [{"strings": ["b"]}, {"vectors": [[1.0]]}]}
    error = _refused(api, "/v2/predict", wrong)
    assert error["code"] == "VECTOR_DIMENSION"
    assert error["details"][0]["location"] == ["body", "observations", 1, "vectors", 0]
    # In a session the same vector is stored, and from then on known by its own name, too.
    observed = _send(api, "POST", f"{session}/observe", json=near)
    assert len(observed["symbols"]) == 2
    symbols = sorted(observed["symbols"])
    own = [
        one for one in symbols if api.get(f"{session}/vectors/{one}").json()["vector"][0] == 0.99
    ]
    assert len(own) == 1


@pytest.mark.parametrize(
    ("body", "location"),
    [
        pytest.param({}, ["body"], id="nothing"),
        pytest.param({"events": [], "observations": []}, ["body"], id="both"),
        pytest.param({"events": [["a", 1]]}, ["body", "events", 0, 1], id="no text"),
        pytest.param({"events": [], "session_id": "x"}, ["body", "session_id"], id="unknown"),
        pytest.param({"events": [], "fields": "nam"}, ["body", "fields", "nam"], id="field"),
        pytest.param({"events": [], "limit": 0}, ["body", "limit"], id="limit"),
        pytest.param(
            {"events": [], "config": {"recall": 1}}, ["body", "config", "recall"], id="gene"
        ),
        pytest.param({"events": [[]] * 1001}, ["body", "events"], id="too many"),
        pytest.param({"events": [["a"], ["b" * 2000]]}, ["body", "events", 1, 0], id="too long"),
        pytest.param(
            {"observations": [{}, {"strings": ["b" * 2000]}]},
            ["body", "observations", 1, "strings", 0],
            id="too long, observed",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(
    api: httpx.Client, body: Json, location: list[str | int]
) -> None:
    error = _refused(api, "/v2/predict", body)
    assert error["details"][0]["location"][: len(location)] == location
    whole = (
        _refused(api, "/v2/predict:batch", {"items": [{"events": []}, body]})
        if ("too long" not in str(error["message"]) and "MAX_SYMBOL_CHARS" not in error["message"])
        else None
    )
    if whole is not None:
        assert whole["details"][0]["location"][:3] == ["body", "items", 1]


def test_only_as_many_events_as_a_session_holds_are_used(api: httpx.Client, user: str) -> None:
    events = [["z"]] * 998 + [["a"], ["b"]]
    answer = _predict(api, user_id=user, events=events)
    assert (answer["stm_length"], answer["stm_truncated"]) == (1000, False)


def test_a_batch_answers_in_order_and_by_item(api: httpx.Client, user: str) -> None:
    alone = {"user_id": user, "events": [["a"], ["b"]], "view": "next"}
    items = [
        alone,
        {"user_id": user, "events": [["b" * 2000]]},
        {"user_id": uuid4().hex, "events": [["a"], ["b"]]},
        {"user_id": user, "events": [["m"], ["n"]], "limit": 1},
    ]
    answer = _send(api, "POST", "/v2/predict:batch", json={"items": items})
    assert (answer["count"], answer["failed"]) == (4, 1)
    first, second, third, fourth = answer["results"]
    assert first == {"result": _predict(api, **alone)}
    assert second["error"]["code"] == "LIMIT_EXCEEDED"
    assert second["error"]["details"][0]["location"] == [
        "body",
        "items",
        1,
        "events",
        0,
        0,
    ]
    assert third["result"]["predictions"] == []
    assert fourth == {"result": _predict(api, **items[3])}


def test_a_batch_is_bounded(api: httpx.Client, user: str) -> None:
    item = {"user_id": user, "events": [["a"], ["b"]], "limit": 1}
    error = _refused(api, "/v2/predict:batch", {"items": [item] * 101})
    assert error["details"][0]["location"] == ["body", "items"]
    assert _refused(api, "/v2/predict:batch", {"items": []})["code"] == "VALIDATION_ERROR"
    answer = _send(api, "POST", "/v2/predict:batch", json={"items": [item] * 100})
    assert (answer["count"], answer["failed"]) == (100, 0)
    assert answer["results"] == answer["results"][:1] * 100


def test_results_that_grow_too_large_end_a_batch(api: httpx.Client) -> None:
    user_id = uuid4().hex
    created = _send(api, "POST", "/v2/sessions", json={"user_id": user_id})["session_id"]
    events = [{"strings": [f"{number:02}" * 512]} for number in range(60)]
    for last in range(10):
        body = {"observations": [*events, {"strings": [f"{last}"]}], "learn_at_end": True}
        _send(api, "POST", f"/v2/sessions/{created}/observe-sequence", json=body)
    item = {"user_id": user_id, "events": [one["strings"] for one in events[:2]]}
    batch = {"items": [{**item, "recall_threshold": 0.01}] * 40}
    answer = _send(api, "POST", "/v2/predict:batch", json=batch)
    failed = ["error" in one for one in answer["results"]]
    assert failed == sorted(failed)
    assert 0 < sum(failed) == answer["failed"] < 39
    error = answer["results"][-1]["error"]
    assert error["code"] == "LIMIT_EXCEEDED"
    assert error["details"][0]["location"] == ["body", "items", 39]
