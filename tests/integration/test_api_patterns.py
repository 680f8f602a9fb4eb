"""Patterns and vectors of a session's knowledge base over HTTP."""

import json

import httpx
import pytest

AB = "76d7efca2e96cb5eeddf4e06ac96a0f424630135"


@pytest.fixture
def learned(api: httpx.Client, session_id: str) -> str:
    """A session whose knowledge base holds ``a / b``."""
    body = {"observations": [{"strings": ["a"]}, {"strings": ["b"]}], "learn_at_end": True}
    api.post(f"/v2/sessions/{session_id}/observe-sequence", json=body)
    return session_id


@pytest.mark.parametrize("name", [AB, f"PTRN|{AB}"])
def test_a_pattern_is_returned_under_either_spelling(
    api: httpx.Client, learned: str, name: str
) -> None:
    assert api.get(f"/v2/sessions/{learned}/patterns/{name}").json() == {
        "name": f"PTRN|{AB}",
        "pattern_data": [["a"], ["b"]],
        "length": 2,
        "frequency": 1,
        "emotives": [],
        "metadata": {},
    }


def test_patterns_are_listed_page_by_page_in_order_of_first_learn(
    api: httpx.Client, session_id: str
) -> None:
    items = [{"strings": [symbol, "z"]} for symbol in "cab"]
    body = {"observations": items, "learn_after_each": True}
    api.post(f"/v2/sessions/{session_id}/observe-sequence", json=body)
    path = f"/v2/sessions/{session_id}/patterns"
    one = api.get(path, params={"limit": 2}).json()
    two = api.get(path, params={"limit": 2, "cursor": one["next_cursor"]}).json()
    listed = [pattern["pattern_data"] for pattern in one["patterns"] + two["patterns"]]
    assert listed == [[["c", "z"]], [["a", "z"]], [["b", "z"]]]
    assert two["next_cursor"] is None
    wrong = api.get(path, params={"cursor": one["patterns"][0]["name"]})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


def test_a_list_continues_although_its_last_pattern_was_deleted_and_learned_again(
    api: httpx.Client, session_id: str
) -> None:
    path = f"/v2/sessions/{session_id}"
    items = [{"strings": [symbol, "z"]} for symbol in "cabde"]
    body = {"observations": items, "learn_after_each": True}
    api.post(f"{path}/observe-sequence", json=body)
    one = api.get(f"{path}/patterns", params={"limit": 2}).json()
    assert api.delete(f"{path}/patterns/{one['patterns'][1]['name']}").status_code == 200
    again = {"observations": items[1:2], "learn_at_end": True}
    api.post(f"{path}/observe-sequence", json=again)
    two = api.get(f"{path}/patterns", params={"cursor": one["next_cursor"]}).json()
    listed = [pattern["pattern_data"][0][0] for pattern in two["patterns"]]
    assert (listed, two["next_cursor"]) == (["b", "d", "e", "a"], None)


def test_an_update_edits_frequency_and_emotives(api: httpx.Client, learned: str) -> None:
    path = f"/v2/sessions/{learned}/patterns/{AB}"
    body = {"frequency": 7, "emotives": [{"joy": 0.5}]}
    updated = api.put(path, json=body).json()
    assert updated["frequency"] == 7
    assert updated["emotives"] == [{"joy": 0.5}]
    assert api.get(path).json() == updated


def test_a_deleted_pattern_stops_matching(api: httpx.Client, learned: str) -> None:
    path = f"/v2/sessions/{learned}"
    answer = api.delete(f"{path}/patterns/PTRN|{AB}")
    told = answer.json()
    line = {"name": AB, "events": [["a"], ["b"]], "frequency": 1, "learns": 1}
    assert json.loads(told.pop("undo")) == {**line, "emotives": [], "metadata": {}}
    assert told == {"status": "deleted", "name": f"PTRN|{AB}"}
    api.post(f"{path}/observe", json={"strings": ["a", "b"]})
    assert api.get(f"{path}/predictions").json()["predictions"] == []
    assert api.get(f"{path}/patterns/{AB}").json()["error"]["code"] == "PATTERN_NOT_FOUND"


def test_a_vector_is_returned_as_it_was_sent(api: httpx.Client, session_id: str) -> None:
    body = {"vectors": [[0.1, -0.30000000000000004, 1e-7]]}
    symbols = api.post(f"/v2/sessions/{session_id}/observe", json=body).json()["symbols"]
    answer = api.get(f"/v2/sessions/{session_id}/vectors/{symbols[0]}").json()
    assert answer == {"symbol": symbols[0], "vector": body["vectors"][0]}


def test_a_vector_adds_the_symbols_of_near_vectors(api: httpx.Client, session_id: str) -> None:
    path = f"/v2/sessions/{session_id}/observe"
    first = api.post(path, json={"vectors": [[1.0, 0.0]]}).json()["symbols"]
    second = api.post(path, json={"vectors": [[1.0, 0.01]]}).json()["symbols"]
    assert len(second) == 2
    assert set(first) < set(second)
