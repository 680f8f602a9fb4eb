"""The older paths and headers, as clients of the first generation use them."""

from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

AB = "76d7efca2e96cb5eeddf4e06ac96a0f424630135"


@pytest.fixture(params=["/v1", ""], ids=["v1", "bare"])
def legacy(request: pytest.FixtureRequest, api: httpx.Client) -> httpx.Client:
    """A client of the default session of one user."""
    api.headers["x-user-id"] = uuid4().hex
    api.base_url = httpx.URL(f"{api.base_url}{request.param}")
    return api


def _learn_ab(legacy: httpx.Client) -> None:
    for strings in (["a"], ["b"]):
        body = {"strings": strings, "vectors": [], "emotives": {}}
        assert legacy.post("/observe", json=body).status_code == 200
    legacy.post("/learn")


def test_a_legacy_client_observes_learns_and_predicts(legacy: httpx.Client) -> None:
    for strings in (["a"], ["b"]):
        answer = legacy.post("/observe", json={"strings": strings, "unknown": 1}).json()
        assert answer["status"] == "okay"
        assert answer["processor_id"].startswith("kato~")
    learned = legacy.post("/learn", json={}).json()
    assert learned["status"] == "okay"
    assert learned["pattern_name"] == f"PTRN|{AB}"
    legacy.post("/observe", json={"strings": ["a", "b"]})
    for method in ("GET", "POST"):
        answer = legacy.request(method, "/predictions").json()
        assert answer["predictions"][0]["name"] == AB
        assert answer["predictions"][0]["pattern_name"] == f"PTRN|{AB}"
        assert answer["processor_id"] == learned["processor_id"]


@pytest.mark.parametrize("given", [None, "mine"], ids=["its answer's", "its own"])
def test_predictions_may_name_the_last_observation(legacy: httpx.Client, given: str | None) -> None:
    _learn_ab(legacy)
    legacy.post("/observe", json={"strings": ["a"], "unique_id": "earlier"})
    body = {"strings": ["b"]} if given is None else {"strings": ["b"], "unique_id": given}
    named = {"unique_id": legacy.post("/observe", json=body).json()["unique_id"]}
    assert named["unique_id"] == (given or named["unique_id"]) != ""
    for answer in (
        legacy.get("/predictions", params=named),
        legacy.post("/predictions", json=named),
        legacy.post("/predictions", params=named, json=named),
    ):
        found = answer.json()
        assert ([one["name"] for one in found["predictions"]], found["unique_id"]) == (
            [AB],
            named["unique_id"],
        )
    assert "unique_id" not in legacy.get("/predictions").json()
    assert _refused(legacy.get("/predictions", params={"unique_id": "earlier"})) == "query"
    assert _refused(legacy.post("/predictions", json={"unique_id": "earlier"})) == "body"


@pytest.mark.parametrize("path", ["/observe", "/learn", "/clear-stm", "/clear-all"])
def test_predictions_of_an_observation_that_was_followed_are_refused(
    legacy: httpx.Client, path: str
) -> None:
    observed = [
        legacy.post("/observe", json={"strings": ["a", "b"], **more}).json()["unique_id"]
        for more in ({"unique_id": "mine"}, {})
    ]
    legacy.post(path, json={"strings": ["a"]} if path == "/observe" else {})
    if path == "/clear-all":
        # Time starts over, and counts as many observations as before.
        for _ in observed:
            legacy.post("/observe", json={"strings": ["a", "b"]})
    for unique_id in (*observed, "nobody's"):
        assert _refused(legacy.get("/predictions", params={"unique_id": unique_id})) == "query"


def _refused(answer: httpx.Response) -> str:
    """The part of the request in which its unique_id was refused."""
    assert answer.status_code == 422
    (detail,) = answer.json()["error"]["details"]
    part, name = detail["location"]
    assert (name, detail["reason"]) == (
        "unique_id",
        "must be that of the last observation: predictions are those of the short-term memory as"
        " it is now; leave it out",
    )
    return str(part)


@pytest.mark.parametrize("path", ["/stm", "/short-term-memory"])
def test_the_stm_is_read_under_both_names(legacy: httpx.Client, path: str) -> None:
    legacy.post("/observe", json={"strings": ["a"]})
    assert legacy.get(path).json()["stm"] == [["a"]]


@pytest.mark.parametrize("path", ["/clear-stm", "/clear-short-term-memory"])
def test_the_stm_is_cleared_under_both_names(legacy: httpx.Client, path: str) -> None:
    legacy.post("/observe", json={"strings": ["a"]})
    answer = legacy.post(path).json()
    assert (answer["status"], answer["message"]) == ("okay", "stm-cleared")
    assert legacy.get("/stm").json()["stm"] == []


@pytest.mark.parametrize("path", ["/clear-stm", "/clear-all"])
def test_the_repeat_of_a_clear_keeps_what_came_after_it(legacy: httpx.Client, path: str) -> None:
    body = {"unique_id": "once"}
    assert legacy.post(path, json=body).json()["stm_length"] == 0
    _learn_ab(legacy)
    legacy.post("/observe", json={"strings": ["a", "b"]})
    assert legacy.post(path, json=body).json()["stm_length"] == 1
    assert len(legacy.get("/predictions").json()["predictions"]) == 1


@pytest.mark.parametrize("path", ["/clear-all", "/clear-all-memory"])
def test_everything_is_cleared_under_both_names(legacy: httpx.Client, path: str) -> None:
    _learn_ab(legacy)
    answer = legacy.post(path).json()
    assert (answer["status"], answer["message"]) == ("okay", "all-cleared")
    assert legacy.get(f"/pattern/{AB}").status_code == 404


@pytest.mark.parametrize("observed", [[], ["a"]], ids=["nothing", "one symbol"])
def test_learning_too_little_returns_an_empty_name(
    legacy: httpx.Client, observed: list[str]
) -> None:
    legacy.post("/observe", json={"strings": observed})
    response = legacy.post("/learn")
    assert response.status_code == 200
    assert response.json()["pattern_name"] == ""


@pytest.mark.parametrize("name", [AB, f"PTRN|{AB}"])
def test_a_pattern_is_wrapped_in_a_status(legacy: httpx.Client, name: str) -> None:
    _learn_ab(legacy)
    answer = legacy.get(f"/pattern/{name}").json()
    assert answer["status"] == "okay"
    assert answer["pattern"]["name"] == f"PTRN|{AB}"
    assert answer["pattern"]["pattern_data"] == [["a"], ["b"]]


def test_an_unknown_pattern_is_not_found(legacy: httpx.Client) -> None:
    assert legacy.get("/pattern/unknown").json()["error"]["code"] == "PATTERN_NOT_FOUND"


@pytest.mark.parametrize(
    "body", [{"genes": {"recall_threshold": 0.4}}, {"recall_threshold": 0.4}], ids=["map", "bare"]
)
def test_genes_are_updated_and_read(legacy: httpx.Client, body: dict[str, object]) -> None:
    assert legacy.post("/genes/update", json=body).json()["status"] == "okay"
    assert legacy.get("/gene/recall_threshold").json()["value"] == 0.4


@pytest.mark.parametrize("genes", [{"recall_threshold": 2}, {"recall_treshold": 0.5}])
def test_wrong_genes_are_refused(legacy: httpx.Client, genes: dict[str, object]) -> None:
    response = legacy.post("/genes/update", json={"genes": genes})
    assert response.status_code == 422
    assert legacy.get("/gene/recall_threshold").json()["value"] == 0.1


def test_an_unknown_gene_is_not_found(legacy: httpx.Client) -> None:
    assert legacy.get("/gene/unknown").json()["error"]["code"] == "NOT_FOUND"


def test_a_sequence_starts_from_an_empty_stm(legacy: httpx.Client) -> None:
    _learn_ab(legacy)
    legacy.post("/observe", json={"strings": ["left over"]})
    body = {"observations": [{"strings": ["a"], "unique_id": "x"}, {"strings": ["b"]}]}
    answer = legacy.post("/observe-sequence", json=body).json()
    assert answer["status"] == "okay"
    assert answer["observations_processed"] == 2
    assert answer["patterns_learned"] == []
    assert [item["status"] for item in answer["individual_results"]] == ["okay", "okay"]
    assert answer["final_predictions"][0]["name"] == AB
    assert legacy.get("/stm").json()["stm"] == [["a"], ["b"]]


def test_a_sequence_names_what_it_learned(legacy: httpx.Client) -> None:
    body = {"observations": [{"strings": ["a"]}, {"strings": ["b"]}], "learn_at_end": True}
    answer = legacy.post("/observe-sequence", json=body).json()
    assert answer["patterns_learned"] == [f"PTRN|{AB}"]
    assert answer["final_predictions"] == []


def test_a_sequence_without_observations_names_the_missing_field(legacy: httpx.Client) -> None:
    response = legacy.post("/observe-sequence", json={})
    assert response.status_code == 422
    assert response.json()["detail"] == "Missing required field: observations"


def test_percept_and_cognition_data_are_wrapped(legacy: httpx.Client) -> None:
    legacy.post("/observe", json={"strings": ["b", "a"]})
    assert legacy.get("/percept-data").json()["percept_data"]["strings"] == ["b", "a"]
    assert legacy.get("/cognition-data").json()["cognition_data"]["symbols"] == ["a", "b"]


def test_v1_status_describes_the_default_session(legacy: httpx.Client, service_url: str) -> None:
    legacy.post("/observe", json={"strings": ["a"]})
    legacy.base_url = httpx.URL(service_url)
    answer = legacy.get("/v1/status").json()
    assert answer["status"] == "okay"
    assert answer["stm_length"] == answer["time"] == 1


@pytest.mark.parametrize("header", ["x-user-id", "x-node-id"])
def test_the_default_session_of_a_user_shares_the_knowledge_of_the_user(
    api: httpx.Client, new_session: Callable[..., str], header: str
) -> None:
    user = f"ü {uuid4().hex}"
    headers = {header.encode(): user.encode()}
    for strings in (["a"], ["b"]):
        api.post("/v1/observe", json={"strings": strings}, headers=headers)
    api.post("/v1/learn", headers=headers)
    session_id = new_session(user_id=user)
    assert api.get(f"/v2/sessions/{session_id}/patterns/{AB}").status_code == 200


def test_a_test_id_selects_the_user_named_test_and_that_id(
    api: httpx.Client, new_session: Callable[..., str]
) -> None:
    test_id = uuid4().hex
    answer = api.post("/observe", json={"strings": ["a"]}, headers={"x-test-id": test_id}).json()
    session = api.get(f"/v2/sessions/{new_session(user_id=f'test_{test_id}')}").json()
    assert answer["processor_id"] == session["processor_id"]


def test_a_session_header_selects_that_session(api: httpx.Client, session_id: str) -> None:
    headers = {"x-session-id": session_id}
    response = api.post("/v1/observe", json={"strings": ["a"]}, headers=headers)
    assert response.headers["x-session-id"] == session_id
    assert api.get(f"/v2/sessions/{session_id}/stm").json()["stm"] == [["a"]]


@pytest.mark.parametrize("place", ["headers", "params", "json"])
def test_answers_say_which_session_was_named(
    api: httpx.Client, session_id: str, place: str
) -> None:
    name = "x-session-id" if place == "headers" else "session_id"
    response = api.post("/v1/clear-stm", **{place: {name: session_id}})
    assert response.headers["x-session-id"] == session_id
    refused = api.post("/v1/pattern/x", **{place: {name: session_id}})
    assert (refused.status_code, "x-session-id" in refused.headers) == (405, False)


def test_answers_on_no_session_name_none(api: httpx.Client) -> None:
    for path in ("/stats", "/health", "/v2/sessions/count"):
        answer = api.get(path, headers={"x-session-id": "any"})
        assert (answer.status_code, "x-session-id" in answer.headers) == (200, False)


def test_an_unknown_gene_is_answered_with_the_nearest_one(legacy: httpx.Client) -> None:
    answer = legacy.get("/gene/recal_threshold")
    assert answer.status_code == 404
    assert answer.json()["detail"] == (
        "there is no gene of this name; did you mean recall_threshold?"
    )


def test_an_unknown_session_header_is_not_found(api: httpx.Client) -> None:
    response = api.get("/v1/stm", headers={"x-session-id": "unknown"})
    assert response.json()["error"]["code"] == "SESSION_NOT_FOUND"


def test_a_user_header_that_is_too_long_is_refused(api: httpx.Client) -> None:
    response = api.get("/v1/stm", headers={"x-user-id": "x" * 257})
    assert response.status_code == 422


def test_without_headers_the_default_session_of_the_instance_answers(api: httpx.Client) -> None:
    assert api.get("/v1/stm").json()["processor_id"] == "kato"


def test_the_default_sessions_of_two_users_are_separate(api: httpx.Client) -> None:
    one, two = ({"x-user-id": uuid4().hex} for _ in range(2))
    api.post("/v1/observe", json={"strings": ["a"]}, headers=one)
    assert api.get("/v1/stm", headers=two).json()["stm"] == []
