"""``/sessions`` as clients of later KATO versions use it."""

from uuid import uuid4

import httpx
import pytest


@pytest.fixture
def session(api: httpx.Client) -> str:
    node = uuid4().hex
    body = {"node_id": node, "unknown": "is ignored"}
    answer = api.post("/sessions", json=body).json()
    assert answer["node_id"] == node
    assert "user_id" not in answer
    return f"/sessions/{answer['session_id']}"


def test_the_status_of_an_observation_is_okay(api: httpx.Client, session: str) -> None:
    answer = api.post(f"{session}/observe", json={"strings": ["a"], "unknown": 1}).json()
    assert answer["status"] == "okay"


def test_the_status_of_a_sequence_and_of_its_items_is_okay(api: httpx.Client, session: str) -> None:
    body = {"observations": [{"strings": ["a"], "unknown": 1}]}
    answer = api.post(f"{session}/observe-sequence", json=body).json()
    assert answer["status"] == answer["results"][0]["status"] == "okay"


def test_missing_and_extras_are_nested_per_event(api: httpx.Client, session: str) -> None:
    for strings in (["a", "m"], ["b"], ["c", "n"]):
        api.post(f"{session}/observe", json={"strings": strings})
    api.post(f"{session}/learn")
    for strings in (["a", "x"], ["b"], ["a", "c"]):
        api.post(f"{session}/observe", json={"strings": strings})
    prediction = api.get(f"{session}/predictions").json()["predictions"][0]
    assert prediction["present"] == [["a", "m"], ["b"], ["c", "n"]]
    assert prediction["missing"] == [["m"], [], ["n"]]
    assert prediction["extras"] == [["x"], [], ["a"]]


def test_both_paths_serve_the_same_session(api: httpx.Client, session: str) -> None:
    api.post(f"{session}/observe", json={"strings": ["a"]})
    assert api.get(f"/v2{session}/stm").json()["stm"] == [["a"]]
