"""Refused input: the envelope of http-api.md §1, and nothing changed."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

UNKNOWN_PATTERN = "PTRN|" + "0" * 40
OPERATIONS_ON_A_SESSION = [
    ("GET", ""),
    ("DELETE", ""),
    ("POST", "/extend?ttl_seconds=60"),
    ("PUT", "/extend?ttl_seconds=60"),
    ("POST", "/observe"),
    ("POST", "/observe-sequence"),
    ("POST", "/learn"),
    ("GET", "/stm"),
    ("GET", "/predictions"),
    ("POST", "/clear-stm"),
    ("POST", "/clear-all"),
    ("GET", "/config"),
    ("POST", "/config"),
    ("GET", "/percept-data"),
    ("GET", "/cognition-data"),
    ("GET", "/patterns"),
    ("GET", f"/patterns/{UNKNOWN_PATTERN}"),
    ("PUT", f"/patterns/{UNKNOWN_PATTERN}"),
    ("DELETE", f"/patterns/{UNKNOWN_PATTERN}"),
    ("GET", "/vectors/VCTR|0"),
]
BODIES: dict[str, Any] = {
    "/observe": {"strings": ["a"]},
    "/observe-sequence": {"observations": [{"strings": ["a"]}]},
    "/config": {"config": {}},
    f"/patterns/{UNKNOWN_PATTERN}": {"frequency": 1},
}


def _assert_refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    content = response.json()
    assert set(content) == {"error", "detail"}
    error: dict[str, Any] = content["error"]
    assert set(error) == {"code", "message", "retryable", "request_id", "details"}
    assert error["code"] == code
    assert content["detail"] == error["message"]
    assert error["request_id"] == response.headers["x-request-id"]
    return error


@pytest.fixture
def state_of(api: httpx.Client) -> Callable[[str], tuple[Any, ...]]:
    """Everything that a refused request must not change."""

    def read(session_id: str) -> tuple[Any, ...]:
        path = f"/v2/sessions/{session_id}"
        views = ("", "/stm", "/percept-data", "/cognition-data", "/patterns", "/config")
        return tuple(api.get(path + view).json() for view in views)

    return read


@pytest.fixture
def used_session(api: httpx.Client, session_id: str) -> str:
    path = f"/v2/sessions/{session_id}"
    for strings in (["a"], ["b"]):
        api.post(f"{path}/observe", json={"strings": strings})
    api.post(f"{path}/learn")
    api.post(f"{path}/observe", json={"strings": ["a"], "emotives": {"joy": 1}})
    return session_id


@pytest.mark.parametrize(("method", "path"), OPERATIONS_ON_A_SESSION)
@pytest.mark.parametrize(
    "session_id",
    [
        pytest.param("unknown", id="unknown"),
        pytest.param("%00%0a", id="control characters"),
        pytest.param("x" * 2000, id="long"),
        pytest.param("ä{}*:~", id="odd characters"),
    ],
)
def test_an_unknown_session_is_not_found(
    api: httpx.Client, method: str, path: str, session_id: str
) -> None:
    body = None if method in ("GET", "DELETE") else BODIES.get(path)
    response = api.request(method, f"/v2/sessions/{session_id}{path}", json=body)
    _assert_refused(response, 404, "SESSION_NOT_FOUND")


def test_learning_an_empty_stm_is_refused(
    api: httpx.Client, session_id: str, state_of: Callable[[str], Any]
) -> None:
    before = state_of(session_id)
    _assert_refused(api.post(f"/v2/sessions/{session_id}/learn"), 400, "EMPTY_STM")
    assert state_of(session_id) == before


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"emotives":{"joy":NaN}}', id="NaN"),
        pytest.param(b'{"emotives":{"joy":-Infinity}}', id="infinity"),
        pytest.param(b'{"emotives":{"joy":1e999}}', id="beyond a double"),
        pytest.param(b'{"vectors":[[NaN]]}', id="NaN in a vector"),
        pytest.param(b'{"vectors":[[0.0,0.0]]}', id="zero vector"),
        pytest.param(b'{"vectors":[[]]}', id="empty vector"),
        pytest.param(b'{"strings":["\\ud800"]}', id="lone surrogate"),
        pytest.param(b'{"strings":["\xff"]}', id="not UTF-8"),
        pytest.param(b'{"strings":["a"]', id="cut off"),
        pytest.param(b"strings=a", id="not JSON"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
        pytest.param(b'{"metadata":{"k":' + b"[" * 600 + b"]" * 600 + b"}}", id="deep metadata"),
        pytest.param(b"", id="no body"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"strings":"a"}', id="a string for a list"),
        pytest.param(b'{"strings":[1]}', id="a number for a string"),
        pytest.param(b'{"strings":[null]}', id="null for a string"),
        pytest.param(b'{"strings":null}', id="null for a list"),
        pytest.param(b'{"emotives":{"joy":"1"}}', id="a string for a number"),
        pytest.param(b'{"emotives":{"joy":true}}', id="true for a number"),
        pytest.param(b'{"emotives":[]}', id="a list for a map"),
        pytest.param(b'{"vectors":[0.1]}', id="a number for a vector"),
        pytest.param(b'{"vectors":[["0.1"]]}', id="a string in a vector"),
        pytest.param(b'{"metadata":"x"}', id="a string for metadata"),
        pytest.param(b'{"unique_id":1}', id="a number for a unique_id"),
        pytest.param(b'{"unique_id":""}', id="empty unique_id"),
        pytest.param(b'{"strings":["a"],"string":["b"]}', id="unknown field"),
    ],
)
def test_a_wrong_observation_changes_nothing(
    api: httpx.Client, used_session: str, state_of: Callable[[str], Any], body: bytes
) -> None:
    before = state_of(used_session)
    response = api.post(
        f"/v2/sessions/{used_session}/observe",
        content=body,
        headers={"content-type": "application/json"},
    )
    error = _assert_refused(response, 422, "VALIDATION_ERROR")
    assert all(set(item) == {"location", "reason"} for item in error["details"])
    assert state_of(used_session) == before


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"strings": ["x" * 1025]}, id="long symbol"),
        pytest.param({"strings": ["x"] * 1025}, id="many symbols"),
        pytest.param({"vectors": [[1.0]] * 17}, id="many vectors"),
        pytest.param({"vectors": [[1.0] * 4097]}, id="long vector"),
        pytest.param({"emotives": {str(i): 1 for i in range(65)}}, id="many emotives"),
        pytest.param({"emotives": {"x" * 257: 1}}, id="long emotive key"),
    ],
)
def test_an_observation_beyond_a_limit_changes_nothing(
    api: httpx.Client, used_session: str, state_of: Callable[[str], Any], body: dict[str, Any]
) -> None:
    before = state_of(used_session)
    response = api.post(f"/v2/sessions/{used_session}/observe", json=body)
    _assert_refused(response, 422, "LIMIT_EXCEEDED")
    assert state_of(used_session) == before


def test_a_vector_of_another_dimension_changes_nothing(
    api: httpx.Client, used_session: str, state_of: Callable[[str], Any]
) -> None:
    path = f"/v2/sessions/{used_session}/observe"
    api.post(path, json={"vectors": [[1.0, 2.0]]})
    before = state_of(used_session)
    error = _assert_refused(api.post(path, json={"vectors": [[1.0]]}), 422, "VECTOR_DIMENSION")
    assert "1" in error["message"]
    assert "2" in error["message"]
    assert state_of(used_session) == before


def test_one_wrong_item_refuses_the_whole_sequence(
    api: httpx.Client, used_session: str, state_of: Callable[[str], Any]
) -> None:
    before = state_of(used_session)
    body = {"observations": [{"strings": ["fine"]}, {"strings": ["x" * 1025]}]}
    response = api.post(f"/v2/sessions/{used_session}/observe-sequence", json=body)
    _assert_refused(response, 422, "LIMIT_EXCEEDED")
    assert state_of(used_session) == before


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("observe-sequence", {}),
        ("observe-sequence", {"observations": [{"strings": ["a"], "unique_id": ""}]}),
        ("observe-sequence", {"observations": [{"strings": ["a"]}], "learn_at_end": "yes"}),
        ("observe-sequence", {"observations": [{}] * 1001}),
        ("learn", {"force": True}),
        ("learn", []),
        ("clear-stm", {"scope": "all"}),
        ("clear-all", {"unique_id": 7}),
        ("extend", {"ttl_seconds": 0}),
        ("extend", {"ttl_seconds": "60"}),
        ("extend", {"ttl_seconds": 86_401}),
        ("extend", {}),
        ("config", {"config": {"recall_threshold": 1.1}}),
        ("config", {"config": {"recall_threshold": -0.1}}),
        ("config", {"config": {"recall_threshold": "0.5"}}),
        ("config", {"config": {"recall_threshold": True}}),
        ("config", {"config": {"max_predictions": 0}}),
        ("config", {"config": {"max_predictions": 10_001}}),
        ("config", {"config": {"max_predictions": 1.5}}),
        ("config", {"config": {"persistence": 101}}),
        ("config", {"config": {"max_pattern_length": -1}}),
        ("config", {"config": {"stm_mode": "rolling"}}),
        ("config", {"config": {"sort": 1}}),
        ("config", {"config": {"vector_neighbors": 101}}),
        ("config", {"config": {"vector_min_score": -1.1}}),
        ("config", {"config": {"recall_threshold": 0.5, "unknown": 1}}),
        ("config", {"recall_threshold": 0.5}),
    ],
)
def test_a_wrong_body_changes_nothing(
    api: httpx.Client,
    used_session: str,
    state_of: Callable[[str], Any],
    operation: str,
    body: object,
) -> None:
    before = state_of(used_session)
    response = api.post(f"/v2/sessions/{used_session}/{operation}", json=body)
    _assert_refused(response, 422, "VALIDATION_ERROR")
    assert state_of(used_session) == before


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": ""},
        {"user_id": "x" * 257},
        {"user_id": "line\nbreak"},
        {"user_id": 7},
        {"ttl_seconds": 0},
        {"ttl_seconds": 86_401},
        {"ttl_seconds": True},
        {"metadata": []},
        {"config": {"unknown": 1}},
        {"user": "alice"},
    ],
)
def test_a_session_with_a_wrong_field_is_not_created(
    quiet_api: httpx.Client, body: dict[str, Any]
) -> None:
    before = quiet_api.get("/v2/sessions/count").json()
    _assert_refused(quiet_api.post("/v2/sessions", json=body), 422, "VALIDATION_ERROR")
    assert quiet_api.get("/v2/sessions/count").json() == before


def test_too_much_metadata_is_refused(api: httpx.Client) -> None:
    response = api.post("/v2/sessions", json={"metadata": {"k": "x" * 17_000}})
    _assert_refused(response, 422, "LIMIT_EXCEEDED")


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/predictions", {"limit": "0"}),
        ("/predictions", {"limit": "x"}),
        ("/predictions", {"recall_threshold": "nan"}),
        ("/predictions", {"recall_threshold": "2"}),
        ("/patterns", {"limit": "0"}),
        ("/patterns", {"limit": "99999999999999999999"}),
    ],
)
def test_a_wrong_query_is_refused(
    api: httpx.Client, session_id: str, path: str, params: dict[str, str]
) -> None:
    response = api.get(f"/v2/sessions/{session_id}{path}", params=params)
    _assert_refused(response, 422, "VALIDATION_ERROR")


def test_a_malformed_cursor_is_refused(api: httpx.Client) -> None:
    response = api.get("/v2/sessions", params={"cursor": "no cursor of ours"})
    _assert_refused(response, 422, "VALIDATION_ERROR")


def test_a_refusal_names_the_field_and_never_shows_the_value(
    api: httpx.Client, session_id: str
) -> None:
    body = {"strings": ["a", 5_550_199], "emotives": {"joy": "topsecret"}}
    response = api.post(f"/v2/sessions/{session_id}/observe", json=body)
    error = _assert_refused(response, 422, "VALIDATION_ERROR")
    locations = [item["location"] for item in error["details"]]
    assert locations == [["body", "strings", 1], ["body", "emotives", "joy"]]
    assert "topsecret" not in response.text
    assert "5550199" not in response.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("name", [UNKNOWN_PATTERN, "nonsense", "PTRN|"])
def test_an_unknown_pattern_is_not_found(
    api: httpx.Client, session_id: str, method: str, name: str
) -> None:
    body = {"frequency": 1} if method == "PUT" else None
    response = api.request(method, f"/v2/sessions/{session_id}/patterns/{name}", json=body)
    _assert_refused(response, 404, "PATTERN_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {"frequency": -1},
        {"frequency": 2**31},
        {"frequency": "1"},
        {"emotives": {"joy": 1}},
        {"emotives": [{"joy": None}]},
        {"emotives": [{"joy": 1.0}] * 6},
        {"name": "x"},
    ],
)
def test_a_wrong_update_leaves_the_pattern(
    api: httpx.Client, used_session: str, state_of: Callable[[str], Any], body: dict[str, Any]
) -> None:
    name = "76d7efca2e96cb5eeddf4e06ac96a0f424630135"
    before = state_of(used_session)
    response = api.put(f"/v2/sessions/{used_session}/patterns/{name}", json=body)
    assert response.status_code == 422
    assert response.json()["error"]["code"] in {"VALIDATION_ERROR", "LIMIT_EXCEEDED"}
    assert state_of(used_session) == before


def test_an_unknown_vector_is_not_found(api: httpx.Client, session_id: str) -> None:
    response = api.get(f"/v2/sessions/{session_id}/vectors/VCTR|0")
    _assert_refused(response, 404, "VECTOR_NOT_FOUND")


def test_an_unknown_path_is_not_found(api: httpx.Client) -> None:
    _assert_refused(api.get("/v3/anything"), 404, "NOT_FOUND")


def test_a_wrong_method_is_refused_with_the_allowed_one(api: httpx.Client, session_id: str) -> None:
    response = api.delete(f"/v2/sessions/{session_id}/observe")
    _assert_refused(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"
    several = api.post(f"/v2/sessions/{session_id}/patterns/{UNKNOWN_PATTERN}")
    _assert_refused(several, 405, "METHOD_NOT_ALLOWED")
    assert several.headers["allow"] == "DELETE, GET, PUT"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "x"])
def test_another_media_type_is_refused(
    api: httpx.Client, session_id: str, content_type: str
) -> None:
    response = api.post(
        f"/v2/sessions/{session_id}/observe",
        content=b'{"strings":["a"]}',
        headers={"content-type": content_type},
    )
    _assert_refused(response, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_body_of_ten_megabytes_is_too_large(
    api: httpx.Client, used_session: str, state_of: Callable[[str], Any]
) -> None:
    before = state_of(used_session)
    response = api.post(
        f"/v2/sessions/{used_session}/observe", json={"strings": ["x" * 10_000_000]}
    )
    _assert_refused(response, 413, "BODY_TOO_LARGE")
    assert state_of(used_session) == before


def test_a_streamed_body_of_ten_megabytes_is_too_large(
    api: httpx.Client, used_session: str, state_of: Callable[[str], Any]
) -> None:
    before = state_of(used_session)
    response = api.post(
        f"/v2/sessions/{used_session}/observe",
        content=(b"x" * 100_000 for _ in range(100)),
        headers={"content-type": "application/json"},
    )
    _assert_refused(response, 413, "BODY_TOO_LARGE")
    assert state_of(used_session) == before


def test_a_request_id_is_echoed(api: httpx.Client) -> None:
    response = api.get("/v2/sessions/count", headers={"x-request-id": "abc-123"})
    assert response.headers["x-request-id"] == "abc-123"


@pytest.mark.parametrize("given", ["", "with space", "x" * 129])
def test_an_invalid_request_id_is_replaced(api: httpx.Client, given: str) -> None:
    response = api.get("/v2/sessions/count", headers={"x-request-id": given})
    assert len(response.headers["x-request-id"]) == 32


@pytest.mark.parametrize("path", ["/v2/sessions/count", "/sessions/count"])
def test_a_path_that_is_no_session_does_not_list_methods_of_sessions(
    api: httpx.Client, path: str
) -> None:
    response = api.put(path, json={})
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
