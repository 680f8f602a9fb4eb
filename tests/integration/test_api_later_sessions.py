"""``/sessions`` as clients of later KATO versions use it: the fields of its answers."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

A, BC, D = {"strings": ["a"]}, {"strings": ["c", "b"]}, {"strings": ["d"]}


@pytest.fixture
def node() -> str:
    return uuid4().hex


@pytest.fixture
def session(api: httpx.Client, node: str) -> str:
    return created(api, node)


def created(api: httpx.Client, node: str, **fields: Any) -> str:
    answer = api.post("/sessions", json={"node_id": node, "unknown": "is ignored", **fields}).json()
    return f"/sessions/{answer['session_id']}"


def test_a_session_has_its_node_its_user_and_its_configuration(
    api: httpx.Client, node: str
) -> None:
    body = {"node_id": node, "config": {"recall_threshold": 0.4}, "metadata": {"k": 1}}
    made = api.post("/sessions", json={**body, "ttl_seconds": 600}).json()
    got = api.get(f"/sessions/{made['session_id']}").json()
    for answer in (made, got):
        assert answer["node_id"] == answer["user_id"] == answer["processor_id"] == node
        assert answer["session_config"]["recall_threshold"] == 0.4
        assert answer["session_config"]["stm_mode"] == "CLEAR"
        assert answer["session_config"] == answer["config"]
        assert answer["expired"] is False
        assert answer["metadata"] == {"k": 1}
        assert answer["ttl_seconds"] == 600
        assert datetime.fromisoformat(answer["expires_at"]).tzinfo is not None


def test_a_session_of_v2_shows_the_seconds_that_it_has_left(
    api: httpx.Client, new_session: Callable[..., str]
) -> None:
    session_id = new_session(ttl_seconds=600)
    time.sleep(1.2)
    assert 0 < api.get(f"/sessions/{session_id}").json()["ttl_seconds"] < 600
    assert api.get(f"/v2/sessions/{session_id}").json()["ttl_seconds"] == 600


def test_a_request_may_ask_for_nothing_but_an_answer(api: httpx.Client) -> None:
    answer = api.get("/sessions/test/a%20b").json()
    assert answer["test_id"] == "a b"
    assert answer["message"]


def test_predictions_may_name_the_last_observation(api: httpx.Client, session: str) -> None:
    api.post(f"{session}/observe", json=A | {"unique_id": "first"})
    assert api.get(f"{session}/predictions").json()["unique_id"] is None
    found = api.get(f"{session}/predictions", params={"unique_id": "first"})
    assert found.json()["unique_id"] == "first"
    own = api.post(f"{session}/observe", json=BC).json()["unique_id"]
    assert api.get(f"{session}/predictions", params={"unique_id": own}).json()["unique_id"] == own
    assert api.get(f"{session}/predictions", params={"unique_id": "first"}).status_code == 422
    assert api.get(f"/v2{session}/predictions", params={"unique_id": own}).status_code == 422


def test_a_session_exists_until_it_is_deleted(api: httpx.Client, session: str) -> None:
    session_id = session.removeprefix("/sessions/")
    expected = {"exists": True, "expired": False, "session_id": session_id}
    assert api.get(f"{session}/exists").json() == expected
    assert api.delete(session).json() == {"status": "deleted", "session_id": session_id}
    assert api.get(f"{session}/exists").json() == expected | {"exists": False}


def test_each_request_extends_a_session(api: httpx.Client, session: str) -> None:
    session_id = session.removeprefix("/sessions/")
    seen = [expiry(api, session)]
    for method, path, body in (
        ("POST", f"{session}/observe", A),
        ("GET", f"{session}/stm", None),
        ("GET", f"/v2{session}/predictions", None),
        ("POST", f"/v2{session}/learn", {}),
        ("POST", f"{session}/finalize-training", None),
    ):
        time.sleep(0.01)
        api.request(method, path, json=body)
        seen.append(listed_expiry(api, session_id))
    assert seen == sorted(set(seen))


def listed_expiry(api: httpx.Client, session_id: str) -> str:
    """When a session ends, as a list shows it: that does not extend it."""
    cursor = None
    while True:
        page = api.get("/sessions", params={"limit": 1000} | ({"cursor": cursor} if cursor else {}))
        for one in page.json()["sessions"]:
            if one["session_id"][:8] == session_id[:8]:
                found: str = one["expires_at"]
                return found
        cursor = page.json()["next_cursor"]
        assert cursor


def expiry(api: httpx.Client, session: str) -> str:
    found: str = api.get(session).json()["expires_at"]
    return found


def test_a_session_of_v2_is_not_extended(
    api: httpx.Client, new_session: Callable[..., str]
) -> None:
    session = f"/sessions/{new_session()}"
    before = expiry(api, session)
    time.sleep(0.01)
    api.post(f"{session}/observe", json=A)
    assert expiry(api, session) == before


def test_a_session_lives_while_it_is_used_and_ends_for_good(api: httpx.Client, node: str) -> None:
    session = created(api, node, ttl_seconds=5)
    for _ in range(4):
        time.sleep(1.5)
        assert api.post(f"{session}/observe", json=A).status_code == 200
    time.sleep(5.2)
    for method, path in (("GET", session), ("POST", f"{session}/extend?ttl_seconds=60")):
        gone = api.request(method, path)
        assert gone.status_code == 404
        assert "not found" in gone.json()["detail"]
    assert api.get(f"{session}/exists").json()["exists"] is False


def test_without_a_time_a_session_is_extended_by_as_much_as_before(
    api: httpx.Client, node: str
) -> None:
    session = created(api, node, ttl_seconds=600)
    answer = api.post(f"{session}/extend").json()
    assert (answer["status"], answer["ttl_seconds"]) == ("extended", 600)
    assert api.post(f"{session}/extend?ttl_seconds=60").json()["ttl_seconds"] == 60
    assert api.get(session).json()["ttl_seconds"] == 60


@pytest.mark.parametrize("body", [{"config": {"persistence": 3}}, {"persistence": 3}, {}])
def test_a_configuration_may_come_alone(
    api: httpx.Client, session: str, body: dict[str, Any]
) -> None:
    answer = api.post(f"{session}/config", json=body).json()
    assert answer["status"] == "okay"
    assert answer["message"]
    assert answer["session_id"] == session.removeprefix("/sessions/")
    assert answer["config"]["persistence"] == (3 if body else 5)
    assert api.get(f"{session}/config").json() == {
        "session_id": answer["session_id"],
        "config": answer["config"],
    }


def test_a_wrong_value_of_a_configuration_that_comes_alone_is_named(
    api: httpx.Client, session: str
) -> None:
    refused = api.post(f"{session}/config", json={"persistence": 3, "recall_threshold": 7})
    assert refused.status_code == 422
    (finding,) = refused.json()["error"]["details"]
    assert finding["location"] == ["body", "recall_threshold"]
    assert api.get(f"{session}/config").json()["config"]["persistence"] == 5


def test_an_automatic_learn_empties_the_memory_unless_told_otherwise(
    api: httpx.Client, session: str
) -> None:
    def lengths() -> list[int]:
        answers = [api.post(f"{session}/observe", json=event).json() for event in (A, BC, D)]
        assert answers[1]["auto_learned_pattern"].startswith("PTRN|")
        return [answer["stm_length"] for answer in answers]

    api.post(f"{session}/config", json={"config": {"max_pattern_length": 2}})
    assert lengths() == [1, 0, 1]
    api.post(f"{session}/clear-stm")
    api.post(f"{session}/config", json={"config": {"stm_mode": "KEEP_LAST"}})
    assert lengths()[:2] == [1, 1]
    api.post(f"{session}/clear-stm")
    api.post(f"{session}/config", json={"config": {"stm_mode": None}})
    assert api.get(f"{session}/config").json()["config"]["stm_mode"] == "CLEAR"


def test_what_an_instance_is_set_to_holds_for_later_clients_too(
    start_service: Callable[..., str],
) -> None:
    url = start_service(STM_MODE="ROLLING", VECTORS="disabled")
    made = httpx.post(f"{url}/sessions", json={"node_id": "n"}, timeout=60).json()
    assert made["session_config"]["stm_mode"] == "ROLLING"


def test_an_observation_says_okay_and_names_its_processor(
    api: httpx.Client, session: str, node: str
) -> None:
    answer = api.post(f"{session}/observe", json=A | {"unknown": 1, "unique_id": "u"}).json()
    assert (answer["status"], answer["processor_id"], answer["unique_id"]) == ("okay", node, "u")
    assert (answer["stm_length"], answer["time"], answer["auto_learned_pattern"]) == (1, 1, None)


def test_a_sequence_tells_what_it_did_to_the_memory(
    api: httpx.Client, session: str, node: str
) -> None:
    api.post(f"{session}/observe", json=A)
    items = [A, BC | {"unique_id": "mine"}]
    body = {"observations": items, "learn_at_end": True, "unknown": 1}
    answer = api.post(f"{session}/observe-sequence", json=body).json()
    assert (answer["status"], answer["processor_id"]) == ("completed", node)
    assert (answer["initial_stm_length"], answer["final_stm_length"]) == (1, 0)
    assert (answer["observations_processed"], answer["isolated"]) == (2, False)
    assert answer["auto_learned_patterns"] == [answer["final_learned_pattern"]]
    first, second = answer["results"]
    assert [first["sequence_position"], second["sequence_position"]] == [0, 1]
    assert first["status"] == second["status"] == "okay"
    assert second["unique_id"] == "mine"
    assert len(first["unique_id"]) == 32


def test_a_sequence_of_isolated_items_learns_each(api: httpx.Client, session: str) -> None:
    body = {"observations": [BC, BC], "learn_after_each": True, "clear_stm_between": True}
    answer = api.post(f"{session}/observe-sequence", json=body).json()
    assert answer["isolated"] is True
    assert len(answer["auto_learned_patterns"]) == 2
    assert answer["final_learned_pattern"] is None
    assert (answer["initial_stm_length"], answer["final_stm_length"]) == (0, 0)


def test_an_empty_sequence_does_nothing(api: httpx.Client, session: str) -> None:
    api.post(f"{session}/observe", json=A)
    answer = api.post(f"{session}/observe-sequence", json={"observations": []}).json()
    assert (answer["initial_stm_length"], answer["final_stm_length"]) == (1, 1)
    assert answer["results"] == answer["auto_learned_patterns"] == []
    assert (answer["observations_processed"], answer["final_learned_pattern"]) == (0, None)


def test_the_answer_to_a_repeated_sequence_does_not_tell_what_is_not_known_any_more(
    api: httpx.Client, session: str
) -> None:
    body = {"observations": [A, BC], "unique_id": "once", "learn_at_end": True}
    first, again = (api.post(f"{session}/observe-sequence", json=body).json() for _ in range(2))
    assert first["initial_stm_length"] == 0
    assert again["repeated"] is True
    assert (again["initial_stm_length"], again["final_stm_length"]) == (None, 0)
    assert again["auto_learned_patterns"] == first["auto_learned_patterns"]


def test_a_learn_tells_how_many_events_it_took(api: httpx.Client, session: str, node: str) -> None:
    for events, words in (([A, BC], "from 2 events"), ([BC], "from 1 event")):
        api.post(f"{session}/observe-sequence", json={"observations": events})
        answer = api.post(f"{session}/learn").json()
        assert (answer["status"], answer["processor_id"]) == ("learned", node)
        assert answer["message"] == f"learned {answer['pattern_name']} {words}"
    assert api.post(f"{session}/learn").status_code == 400


def test_a_learn_of_one_symbol_says_that_it_is_too_little(api: httpx.Client, session: str) -> None:
    api.post(f"{session}/observe", json=A)
    answer = api.post(f"{session}/learn").json()
    assert (answer["status"], answer["pattern_name"]) == ("insufficient_data", "")


@pytest.mark.parametrize(("path", "scope"), [("clear-stm", {}), ("clear-all", {"scope": "all"})])
def test_a_clear_says_cleared(
    api: httpx.Client, session: str, path: str, scope: dict[str, str]
) -> None:
    api.post(f"{session}/observe", json=A)
    answer = api.post(f"{session}/{path}").json()
    session_id = session.removeprefix("/sessions/")
    expected = {"status": "cleared", "session_id": session_id} | scope
    assert expected.items() <= answer.items()
    assert api.get(f"{session}/stm").json() == {"stm": [], "session_id": session_id, "length": 0}


def test_missing_and_extras_are_nested_per_event(
    api: httpx.Client, session: str, node: str
) -> None:
    for strings in (["a", "m"], ["b"], ["c", "n"]):
        api.post(f"{session}/observe", json={"strings": strings})
    api.post(f"{session}/learn")
    for strings in (["a", "x"], ["b"], ["a", "c"]):
        api.post(f"{session}/observe", json={"strings": strings})
    answer = api.get(f"{session}/predictions").json()
    (prediction,) = answer["predictions"]
    assert prediction["present"] == [["a", "m"], ["b"], ["c", "n"]]
    assert prediction["missing"] == [["m"], [], ["n"]]
    assert prediction["extras"] == [["x"], [], ["a"]]
    assert (answer["count"], answer["time"], answer["processor_id"]) == (1, 6, node)
    assert answer["unique_id"] is None


def test_percept_data_is_the_last_observation_in_order(
    api: httpx.Client, session: str, node: str
) -> None:
    event = BC | {"emotives": {"joy": 0.5}, "metadata": {"k": 1}}
    api.post(f"{session}/observe", json=event)
    session_id = session.removeprefix("/sessions/")
    percept = {"strings": ["b", "c"], "vectors": [], "path": []}
    assert api.get(f"{session}/percept-data").json() == {
        "percept_data": percept | {"emotives": {"joy": 0.5}, "metadata": {"k": 1}},
        "session_id": session_id,
        "node_id": node,
    }
    api.post(f"{session}/config", json={"sort_symbols": False})
    assert api.get(f"{session}/percept-data").json()["percept_data"]["strings"] == ["c", "b"]


def test_cognition_data_is_the_whole_memory(api: httpx.Client, session: str, node: str) -> None:
    for event in (A | {"emotives": {"joy": 0.5}}, BC | {"emotives": {"joy": 0.25}}):
        api.post(f"{session}/observe", json=event)
    answer = api.get(f"{session}/cognition-data").json()
    assert answer["node_id"] == node
    cognition = answer["cognition_data"]
    assert cognition["symbols"] == ["a", "b", "c"]
    assert cognition["short_term_memory"] == [["a"], ["b", "c"]]
    assert cognition["emotives"] == {"joy": 0.25}
    assert (cognition["command"], cognition["path"], cognition["time"]) == ("", [], 2)
    assert (cognition["strings"], cognition["vectors"]) == (["c", "b"], [])
    assert cognition["predictions"] == []
    api.post(f"{session}/learn")
    assert api.get(f"{session}/cognition-data").json()["cognition_data"]["emotives"] == {}


def test_a_training_needs_no_finalizing(api: httpx.Client, session: str, node: str) -> None:
    learn = {"learn_at_end": True}
    for events in ([A, BC], [A, D], [A, BC]):
        api.post(f"{session}/observe-sequence", json={"observations": events} | learn)
    answer = api.post(f"{session}/finalize-training").json()
    assert (answer["status"], answer["patterns_processed"], answer["node_id"]) == (
        *("completed", 2, node),
    )
    assert answer["time_ms"] >= 0
    assert api.post("/sessions/nobody/finalize-training").status_code == 404


def test_both_paths_serve_the_same_session(api: httpx.Client, session: str) -> None:
    api.post(f"{session}/observe", json=A)
    assert api.get(f"/v2{session}/stm").json()["stm"] == [["a"]]


def test_a_session_without_a_node_shares_the_knowledge_of_the_instance(api: httpx.Client) -> None:
    made = api.post("/sessions").json()
    assert made["node_id"] is None
    assert made["user_id"] is None
    assert made["processor_id"]
