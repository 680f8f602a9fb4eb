"""Observe, learn, predict, clear, configure over HTTP."""

from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

AB = "PTRN|76d7efca2e96cb5eeddf4e06ac96a0f424630135"
PREDICTION_FIELDS = [
    "type",
    "name",
    "frequency",
    "emotives",
    "matches",
    "past",
    "present",
    "missing",
    "extras",
    "potential",
    "evidence",
    "similarity",
    "fragmentation",
    "snr",
    "entropy",
    "hamiltonian",
    "grand_hamiltonian",
    "confluence",
    "sequence",
    "future",
    "confidence",
    "itfdf_similarity",
    "pattern_name",
]


def _observe(api: httpx.Client, session_id: str, *strings: str) -> dict[str, object]:
    response = api.post(f"/v2/sessions/{session_id}/observe", json={"strings": strings})
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


def _stm(api: httpx.Client, session_id: str) -> list[list[str]]:
    stm: list[list[str]] = api.get(f"/v2/sessions/{session_id}/stm").json()["stm"]
    return stm


def _learned_hello(api: httpx.Client, session_id: str) -> None:
    for event in (["hello"], ["alpha", "world"], ["foo"], ["bar"]):
        _observe(api, session_id, *event)
    api.post(f"/v2/sessions/{session_id}/learn")
    _observe(api, session_id, "hello")
    _observe(api, session_id, "alpha")


def test_the_answer_to_an_observation_has_every_field(api: httpx.Client, session_id: str) -> None:
    answer = _observe(api, session_id, "b", "a")
    assert answer.pop("unique_id")
    assert str(answer.pop("processor_id")).startswith("kato~")
    assert answer == {
        "status": "ok",
        "session_id": session_id,
        "stm_length": 1,
        "time": 1,
        "auto_learned_pattern": None,
        "symbols": ["a", "b"],
        "stm_truncated": False,
    }


def test_the_stm_holds_what_was_observed_in_order(api: httpx.Client, session_id: str) -> None:
    _observe(api, session_id, "b")
    _observe(api, session_id, "a", "ä$.", "")
    assert api.get(f"/v2/sessions/{session_id}/stm").json() == {
        "stm": [["b"], ["", "a", "ä$."]],
        "session_id": session_id,
        "length": 2,
    }


def test_a_repeated_unique_id_changes_nothing(api: httpx.Client, session_id: str) -> None:
    body = {"strings": ["a"], "unique_id": "once"}
    first = api.post(f"/v2/sessions/{session_id}/observe", json=body).json()
    again = api.post(f"/v2/sessions/{session_id}/observe", json=body).json()
    assert first["unique_id"] == again["unique_id"] == "once"
    assert "repeated" not in first
    assert again == first | {"symbols": [], "repeated": True}
    assert _stm(api, session_id) == [["a"]]


@pytest.mark.parametrize("operation", ["learn", "clear-stm", "clear-all"])
def test_the_repeat_of_a_change_gets_the_first_answer(
    api: httpx.Client, session_id: str, operation: str
) -> None:
    _observe(api, session_id, "a", "b")
    path = f"/v2/sessions/{session_id}/{operation}"
    first = api.post(path, json={"unique_id": "once"}).json()
    _observe(api, session_id, "c", "d")
    again = api.post(path, json={"unique_id": "once"}).json()
    assert again == first | {"repeated": True}
    assert _stm(api, session_id) == [["c", "d"]]


def test_a_learn_names_the_pattern_and_empties_the_stm(api: httpx.Client, session_id: str) -> None:
    _observe(api, session_id, "a")
    _observe(api, session_id, "b")
    answer = api.post(f"/v2/sessions/{session_id}/learn").json()
    assert answer["status"] == "learned"
    assert answer["pattern_name"] == AB
    assert answer["frequency"] == 1
    assert _stm(api, session_id) == []


def test_one_symbol_is_not_enough_to_learn_and_stays(api: httpx.Client, session_id: str) -> None:
    _observe(api, session_id, "a")
    answer = api.post(f"/v2/sessions/{session_id}/learn", json={}).json()
    assert answer["status"] == "insufficient_data"
    assert answer["pattern_name"] == ""
    assert answer["frequency"] == 0
    assert _stm(api, session_id) == [["a"]]


def test_predictions_match_the_worked_example(api: httpx.Client, session_id: str) -> None:
    _learned_hello(api, session_id)
    answer = api.get(f"/v2/sessions/{session_id}/predictions").json()
    prediction = answer["predictions"][0]
    assert list(prediction) == PREDICTION_FIELDS
    assert prediction["pattern_name"] == "PTRN|" + prediction["name"]
    assert prediction["present"] == [["hello"], ["alpha", "world"]]
    assert prediction["missing"] == ["world"]
    assert prediction["future"] == [["foo"], ["bar"]]
    assert prediction["potential"] == pytest.approx(2.883163247595, abs=1e-9)
    assert answer["count"] == 1
    assert answer["time"] == 6
    assert answer["stm_length"] == 2
    assert answer["stale"] is False


def test_the_query_of_predictions_overrides_genes_for_one_request(
    api: httpx.Client, session_id: str
) -> None:
    _learned_hello(api, session_id)
    path = f"/v2/sessions/{session_id}/predictions"
    assert api.get(path, params={"recall_threshold": 0.9}).json()["predictions"] == []
    assert api.get(path, params={"limit": 1}).json()["count"] == 1
    assert api.get(f"/v2/sessions/{session_id}/config").json()["config"]["recall_threshold"] == 0.1


def test_what_one_session_learns_is_predicted_in_the_users_other_sessions(
    api: httpx.Client, new_session: Callable[..., str]
) -> None:
    user = uuid4().hex
    one, two, foreign = new_session(user_id=user), new_session(user_id=user), new_session()
    _observe(api, one, "a")
    _observe(api, one, "b")
    api.post(f"/v2/sessions/{one}/learn")
    for session_id in (two, foreign):
        _observe(api, session_id, "a", "b")
    assert api.get(f"/v2/sessions/{two}/predictions").json()["count"] == 1
    assert api.get(f"/v2/sessions/{foreign}/predictions").json()["count"] == 0


def test_metadata_of_observations_is_kept_with_the_pattern(
    api: httpx.Client, session_id: str
) -> None:
    for value in ("x", {"b": 1, "a": 2.5}, "x"):
        body = {"strings": ["a", "b"], "metadata": {"source": value}}
        api.post(f"/v2/sessions/{session_id}/observe", json=body)
    name = api.post(f"/v2/sessions/{session_id}/learn").json()["pattern_name"]
    pattern = api.get(f"/v2/sessions/{session_id}/patterns/{name}").json()
    assert pattern["metadata"] == {"source": ["x", {"a": 2.5, "b": 1}]}
    _observe(api, session_id, "a", "b")
    prediction = api.get(f"/v2/sessions/{session_id}/predictions").json()["predictions"][0]
    assert prediction["metadata"] == pattern["metadata"]


def test_clear_stm_keeps_what_was_learned(api: httpx.Client, session_id: str) -> None:
    _learned_hello(api, session_id)
    answer = api.post(f"/v2/sessions/{session_id}/clear-stm").json()
    assert answer["status"] == "cleared"
    assert answer["session_id"] == session_id
    assert _stm(api, session_id) == []
    assert len(api.get(f"/v2/sessions/{session_id}/patterns").json()["patterns"]) == 1


def test_clear_all_drops_what_was_learned(api: httpx.Client, session_id: str) -> None:
    _learned_hello(api, session_id)
    answer = api.post(f"/v2/sessions/{session_id}/clear-all", json={}).json()
    assert answer["status"] == "cleared"
    assert answer["scope"] == "all"
    assert _stm(api, session_id) == []
    assert api.get(f"/v2/sessions/{session_id}/patterns").json()["patterns"] == []
    assert api.get(f"/v2/sessions/{session_id}").json()["time"] == 0


def test_a_gene_holds_from_the_next_request_until_null_resets_it(
    api: httpx.Client, session_id: str
) -> None:
    path = f"/v2/sessions/{session_id}/config"
    changed = api.post(path, json={"config": {"sort": False, "max_pattern_length": 2}}).json()
    assert changed["config"]["sort_symbols"] is False
    _observe(api, session_id, "b", "a")
    learned = _observe(api, session_id, "c")
    assert str(learned["auto_learned_pattern"]).startswith("PTRN|")
    api.post(path, json={"config": {"max_pattern_length": None}})
    config = api.get(path).json()["config"]
    assert config["max_pattern_length"] == 0
    assert config["sort_symbols"] is False


def test_a_sequence_is_applied_in_order_and_learned_at_its_end(
    api: httpx.Client, session_id: str
) -> None:
    body = {"observations": [{"strings": ["a"]}, {"strings": ["b"]}], "learn_at_end": True}
    answer = api.post(f"/v2/sessions/{session_id}/observe-sequence", json=body).json()
    assert answer["status"] == "ok"
    assert answer["observations_processed"] == 2
    assert [item["symbols"] for item in answer["results"]] == [["a"], ["b"]]
    assert answer["final_learned_pattern"] == AB
    assert answer["stm_length"] == 0
    assert answer["time"] == 2


def test_a_sequence_can_learn_and_clear_between_its_items(
    api: httpx.Client, session_id: str
) -> None:
    body = {
        "observations": [{"strings": ["a", "b"]}, {"strings": ["c"]}, {"strings": ["d", "e"]}],
        "learn_after_each": True,
        "clear_stm_between": True,
    }
    answer = api.post(f"/v2/sessions/{session_id}/observe-sequence", json=body).json()
    assert len(answer["auto_learned_patterns"]) == 2
    assert len(api.get(f"/v2/sessions/{session_id}/patterns").json()["patterns"]) == 2


def test_the_repeat_of_a_sequence_gets_the_first_answer_without_its_results(
    api: httpx.Client, session_id: str
) -> None:
    body = {"observations": [{"strings": ["a"]}, {"strings": ["b"]}], "unique_id": "once"}
    path = f"/v2/sessions/{session_id}/observe-sequence"
    first = api.post(path, json=body).json()
    again = api.post(path, json=body).json()
    assert again == first | {"results": [], "repeated": True}
    assert _stm(api, session_id) == [["a"], ["b"]]


def test_percept_data_drops_metadata_beyond_the_limit_of_a_session(
    api: httpx.Client, session_id: str
) -> None:
    metadata = {"small": 1, "large": "x" * 20_000, "last": 2}
    body = {"strings": ["a"], "metadata": metadata}
    assert api.post(f"/v2/sessions/{session_id}/observe", json=body).status_code == 200
    answer = api.get(f"/v2/sessions/{session_id}/percept-data").json()
    assert answer["percept_data"]["metadata"] == {"small": 1, "last": 2}


def test_percept_data_is_the_last_observation_as_sent(api: httpx.Client, session_id: str) -> None:
    percept = {
        "strings": ["b", "a"],
        "vectors": [[0.5, 1.0]],
        "emotives": {"joy": 0.5},
        "metadata": {"k": {"z": 1, "a": [True]}},
    }
    api.post(f"/v2/sessions/{session_id}/observe", json=percept)
    answer = api.get(f"/v2/sessions/{session_id}/percept-data").json()
    assert answer == {"percept_data": percept, "session_id": session_id}


def test_a_fresh_session_has_perceived_nothing(api: httpx.Client, session_id: str) -> None:
    nothing = {"strings": [], "vectors": [], "emotives": {}, "metadata": {}}
    answer = api.get(f"/v2/sessions/{session_id}/percept-data").json()
    assert answer["percept_data"] == nothing


def test_cognition_data_shows_predictions_emotives_symbols_and_stm(
    api: httpx.Client, session_id: str
) -> None:
    _learned_hello(api, session_id)
    body = {"strings": ["b", "a"], "emotives": {"joy": 1.0}}
    api.post(f"/v2/sessions/{session_id}/observe", json=body)
    cognition = api.get(f"/v2/sessions/{session_id}/cognition-data").json()["cognition_data"]
    assert cognition["symbols"] == ["a", "b"]
    assert cognition["emotives"] == {"joy": 1.0}
    assert cognition["stm"] == [["hello"], ["alpha"], ["a", "b"]]
    assert len(cognition["predictions"]) == 1


def test_emotives_are_averaged_into_the_pattern(api: httpx.Client, session_id: str) -> None:
    for strings, joy in ((["a"], 0), (["b"], 1)):
        body = {"strings": strings, "emotives": {"joy": joy}}
        assert api.post(f"/v2/sessions/{session_id}/observe", json=body).status_code == 200
    api.post(f"/v2/sessions/{session_id}/learn")
    pattern = api.get(f"/v2/sessions/{session_id}/patterns/{AB}").json()
    assert pattern["emotives"] == [{"joy": 0.5}]


def test_a_sequence_that_learns_too_much_at_once_is_refused_as_a_whole(
    api: httpx.Client, session_id: str
) -> None:
    path = f"/v2/sessions/{session_id}"
    for number in range(12):
        strings = [f"{number}-{one:01000d}" for one in range(256)]
        assert api.post(f"{path}/observe", json={"strings": strings}).status_code == 200
    rolling = {"max_pattern_length": 13, "stm_mode": "ROLLING"}
    api.post(f"{path}/config", json={"config": rolling})
    before = api.get(f"{path}/stm").json()
    items = [{"strings": ["small"]}] * 12
    refused = api.post(f"{path}/observe-sequence", json={"observations": items})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "LIMIT_EXCEEDED")
    assert refused.json()["error"]["message"] == (
        "observations[7] makes the sequence learn more than 16777216 bytes at once; split the"
        " sequence, or keep less in the short-term memory (genes stm_mode, max_pattern_length)"
    )
    assert refused.json()["error"]["details"][0]["location"] == ["body", "observations", 7]
    assert api.get(f"{path}/stm").json() == before
    taken = api.post(f"{path}/observe-sequence", json={"observations": items[:3]}).json()
    assert len(taken["auto_learned_patterns"]) == 3


def test_an_event_of_a_thousand_strings_is_learned_and_recalled(
    api: httpx.Client, session_id: str
) -> None:
    path = f"/v2/sessions/{session_id}"
    event = {"strings": [f"s{number:04}" for number in range(1000)]}
    assert api.post(f"{path}/observe", json=event).status_code == 200
    name = api.post(f"{path}/learn").json()["pattern_name"]
    assert api.post(f"{path}/observe", json=event).status_code == 200
    (prediction,) = api.get(f"{path}/predictions").json()["predictions"]
    assert (prediction["pattern_name"], prediction["similarity"]) == (name, 1.0)
    assert prediction["present"] == [event["strings"]]


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        pytest.param("GET", "/v2/sessions/nobody", 404, "session not found", id="session"),
        pytest.param("GET", "/v2/sessions/nobody", 404, "expired", id="expired session"),
        pytest.param("POST", "/v2/sessions/{}/learn", 400, "STM", id="nothing to learn"),
        pytest.param("POST", "/v2/sessions/{}/learn", 400, "empty", id="empty memory"),
        pytest.param("GET", "/v2/sessions/{}/patterns/no", 404, "pattern not found", id="pattern"),
        pytest.param("GET", "/nowhere", 404, "Not Found", id="path"),
    ],
)
def test_older_clients_find_the_words_they_look_for(
    api: httpx.Client, session_id: str, method: str, path: str, status: int, words: str
) -> None:
    answer = api.request(method, path.format(session_id))
    assert answer.status_code == status
    assert words.casefold() in answer.json()["detail"].casefold()


def test_older_clients_find_the_word_zero_about_a_vector(
    api: httpx.Client, session_id: str
) -> None:
    answer = api.post(f"/v2/sessions/{session_id}/observe", json={"vectors": [[0.0] * 8]})
    assert answer.status_code == 422
    assert "zero vector" in answer.json()["detail"]
