"""Requests that repeat a ``unique_id``: the same one, or another one, over HTTP and sockets."""

import json
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import connect

SPELLINGS = (
    b'{"strings": ["a"], "emotives": {"joy": 1, "fear": 0.5}, "metadata": {"k": 1},'
    b' "unique_id": "u"}',
    b'{"unique_id":"u","metadata":{"k":1},"emotives":{"fear":5e-1,"joy":1.0},"strings":["\\u0061"]}',
    b'{"strings":["a"],"emotives":{"joy":1,"fear":0.5},"metadata":{"k":1},"vectors":[],'
    b'"unique_id":"u"}',
)
OTHERS = (
    {"strings": ["b"], "emotives": {"joy": 1, "fear": 0.5}, "metadata": {"k": 1}},
    {"strings": ["a"], "emotives": {"joy": 2, "fear": 0.5}, "metadata": {"k": 1}},
    {"strings": ["a"], "emotives": {"joy": 1, "fear": 0.5}, "metadata": {"k": 2}},
    {"strings": ["a"]},
)


def _refused(response: httpx.Response) -> None:
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["code"], error["retryable"]) == ("UNIQUE_ID_REUSED", False)
    assert error["details"][0]["location"] == ["body", "unique_id"]


def test_the_same_request_in_another_spelling_is_a_repeat(
    api: httpx.Client, session_id: str
) -> None:
    path = f"/v2/sessions/{session_id}/observe"
    first, *again = (
        api.post(path, content=spelling, headers={"content-type": "application/json"}).json()
        for spelling in SPELLINGS
    )
    assert "repeated" not in first
    assert [one["repeated"] for one in again] == [True, True]
    for other in OTHERS:
        _refused(api.post(path, json={**other, "unique_id": "u"}))
    assert api.get(f"/v2/sessions/{session_id}/stm").json()["stm"] == [["a"]]


def test_another_operation_is_refused(api: httpx.Client, session_id: str) -> None:
    path = f"/v2/sessions/{session_id}"
    api.post(f"{path}/observe", json={"strings": ["a"], "unique_id": "u"})
    for operation in ("learn", "clear-stm", "clear-all"):
        _refused(api.post(f"{path}/{operation}", json={"unique_id": "u"}))
    items = [{"strings": ["a"]}]
    _refused(api.post(f"{path}/observe-sequence", json={"observations": items, "unique_id": "u"}))
    assert api.get(f"{path}/stm").json()["stm"] == [["a"]]


def test_http_and_sockets_share_the_ids_of_a_session(
    api: httpx.Client, service_url: str, session_id: str
) -> None:
    path = f"/v2/sessions/{session_id}"
    api.post(f"{path}/observe", json={"strings": ["a"], "emotives": {"x": 1}, "unique_id": "u"})
    with connect(f"{service_url.replace('http', 'ws', 1)}{path}/ws") as socket:

        def ask(kind: str, **payload: object) -> dict[str, object]:
            frame = {"type": kind, "payload": {**payload, "unique_id": "u"}}
            socket.send(json.dumps(frame))
            answer: dict[str, object] = json.loads(socket.recv(timeout=10))
            return answer

        again = ask("observe", emotives={"x": 1.0}, strings=["a"])
        assert again["payload"]["repeated"] is True  # type: ignore[index]  # JSON
        for other in (ask("observe", strings=["b"]), ask("learn"), ask("clear_stm")):
            assert other["error"]["code"] == "UNIQUE_ID_REUSED"  # type: ignore[index]  # JSON
    assert api.get(f"{path}/stm").json()["stm"] == [["a"]]


@pytest.mark.parametrize("path", ["/clear-stm", "/v1/clear-all"])
def test_older_clears_return_their_id(api: httpx.Client, path: str) -> None:
    api.headers["x-user-id"] = uuid4().hex
    first = api.post(path, json={"unique_id": "once"}).json()
    assert (first["unique_id"], "repeated" in first) == ("once", False)
    api.post("/observe", json={"strings": ["a"]})
    again = api.post(path, json={"unique_id": "once"}).json()
    assert (again["unique_id"], again["repeated"], again["stm_length"]) == ("once", True, 1)
    assert api.post(path).json()["unique_id"]
    _refused(api.post("/learn", json={"unique_id": "once"}))


@pytest.mark.parametrize("prefix", ["/v2/sessions", "/sessions"])
def test_each_item_of_a_sequence_gets_its_id_back(api: httpx.Client, prefix: str) -> None:
    session = f"{prefix}/{api.post(prefix).json()['session_id']}"
    items = [{"strings": ["a"], "unique_id": "one"}, {"strings": ["b"]}]
    answer = api.post(f"{session}/observe-sequence", json={"observations": items, "unique_id": "u"})
    assert answer.json()["unique_id"] == "u"
    one, two = (item["unique_id"] for item in answer.json()["results"])
    assert one == "one"
    assert bool(two) == (prefix == "/sessions")  # later clients read one of every item
    again = api.post(
        f"{session}/observe-sequence",
        json={"observations": [items[0] | {"unique_id": "other"}, items[1]], "unique_id": "u"},
    ).json()
    assert (again["repeated"], again["results"]) == (True, [])
    odd = {"observations": [{"strings": ["a"], "unique_id": 7}]}
    status = api.post(f"{session}/observe-sequence", json=odd).status_code
    assert status == (422 if prefix == "/v2/sessions" else 200)


def test_an_older_sequence_returns_its_id_and_those_of_its_items(api: httpx.Client) -> None:
    api.headers["x-user-id"] = uuid4().hex
    items = [{"strings": ["a"], "unique_id": "one"}, {"strings": ["b"], "unique_id": 7}]
    body = {"observations": items, "unique_id": "all"}
    first = api.post("/observe-sequence", json=body).json()
    assert first["unique_id"] == "all"
    one, two = first["individual_results"]
    assert one["unique_id"] == "one"
    assert isinstance(two["unique_id"], str)
    api.post("/observe", json={"strings": ["c"]})
    again = api.post("/observe-sequence", json=body).json()
    assert (again["unique_id"], again["repeated"]) == ("all", True)
    assert api.get("/stm").json()["stm"] == [["a"], ["b"], ["c"]]
    _refused(api.post("/observe-sequence", json={**body, "learn_at_end": True}))
