"""The API over a WebSocket."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

AB = "PTRN|76d7efca2e96cb5eeddf4e06ac96a0f424630135"


@pytest.fixture
def socket(service_url: str, session_id: str) -> Iterator[ClientConnection]:
    url = f"{service_url.replace('http', 'ws', 1)}/v2/sessions/{session_id}/ws"
    with connect(url, open_timeout=60, close_timeout=60) as connection:
        yield connection


def _ask(socket: ClientConnection, **frame: Any) -> dict[str, Any]:
    return _send(socket, json.dumps(frame))


def _send(socket: ClientConnection, frame: str | bytes) -> dict[str, Any]:
    socket.send(frame)
    answer: dict[str, Any] = json.loads(socket.recv(timeout=60))
    return answer


def test_a_conversation_works_over_one_socket(socket: ClientConnection, session_id: str) -> None:
    one = _ask(socket, type="observe", payload={"strings": ["a"]}, id=1)
    assert (one["type"], one["id"], one["payload"]["stm_length"]) == ("observation_result", 1, 1)
    _ask(socket, type="observe", payload={"strings": ["b"]}, id=2)
    stm = _ask(socket, type="get_stm", id="three")
    assert stm["id"] == "three"
    assert stm["payload"] == {"stm": [["a"], ["b"]], "session_id": session_id, "length": 2}
    learned = _ask(socket, type="learn", payload={})
    assert learned["type"] == "learn_result"
    assert learned["payload"]["pattern_name"] == AB
    assert "id" not in learned
    _ask(socket, type="observe", payload={"strings": ["a", "b"]})
    predictions = _ask(socket, type="get_predictions", payload={"limit": 1})
    assert predictions["type"] == "predictions"
    assert predictions["payload"]["predictions"][0]["pattern_name"] == AB
    assert _ask(socket, type="clear_stm")["payload"]["status"] == "cleared"
    assert _ask(socket, type="get_stm")["payload"]["length"] == 0


def test_a_ping_is_answered(socket: ClientConnection) -> None:
    answer = _ask(socket, type="ping", id="p")
    assert (answer["type"], answer["id"]) == ("pong", "p")


def test_an_observation_over_a_socket_is_visible_over_http(
    socket: ClientConnection, api: httpx.Client, session_id: str
) -> None:
    _ask(socket, type="observe", payload={"strings": ["a"]})
    assert api.get(f"/v2/sessions/{session_id}/stm").json()["stm"] == [["a"]]


def test_a_repeated_unique_id_over_a_socket_changes_nothing(socket: ClientConnection) -> None:
    for _ in range(2):
        _ask(socket, type="observe", payload={"strings": ["a"], "unique_id": "once"})
    assert _ask(socket, type="get_stm")["payload"]["length"] == 1


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param("{", "VALIDATION_ERROR", id="malformed"),
        pytest.param("[]", "VALIDATION_ERROR", id="a list"),
        pytest.param("{}", "VALIDATION_ERROR", id="no type"),
        pytest.param('{"type":"dance"}', "VALIDATION_ERROR", id="unknown type"),
        pytest.param('{"type":"observe","payload":[]}', "VALIDATION_ERROR", id="payload a list"),
        pytest.param('{"type":"ping","extra":1}', "VALIDATION_ERROR", id="unknown field"),
        pytest.param(
            '{"type":"observe","payload":{"emotives":{"a":NaN}}}', "VALIDATION_ERROR", id="NaN"
        ),
        pytest.param(
            '{"type":"observe","payload":{"strings":["\\ud800"]}}',
            "VALIDATION_ERROR",
            id="lone surrogate",
        ),
        pytest.param(
            json.dumps({"type": "observe", "payload": {"strings": ["x" * 1025]}}),
            "LIMIT_EXCEEDED",
            id="long symbol",
        ),
        pytest.param('{"type":"learn"}', "EMPTY_STM", id="nothing to learn"),
        pytest.param(b"\xff", "VALIDATION_ERROR", id="binary"),
        pytest.param("x" * 9_000_000, "BODY_TOO_LARGE", id="large"),
    ],
)
def test_a_refused_frame_leaves_the_socket_open_and_the_stm_alone(
    socket: ClientConnection, frame: str | bytes, code: str
) -> None:
    answer = _send(socket, frame)
    assert answer["type"] == "error"
    assert answer["error"]["code"] == code
    assert answer["detail"] == answer["error"]["message"]
    assert _ask(socket, type="get_stm")["payload"]["stm"] == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param('{"id":7,"type":"dance"}', "VALIDATION_ERROR", id="unknown type"),
        pytest.param('{"id":7}', "VALIDATION_ERROR", id="no type"),
        pytest.param('{"id":7,"type":"ping","extra":1}', "VALIDATION_ERROR", id="unknown field"),
        pytest.param('{"id":7,"type":[]}', "VALIDATION_ERROR", id="type a list"),
        pytest.param('{"payload":[],"id":7}', "VALIDATION_ERROR", id="payload a list"),
        pytest.param('{"type":"ping","payload":{"a":1},"id":7}', "VALIDATION_ERROR", id="payload"),
        pytest.param('{"type":"learn","id":7}', "EMPTY_STM", id="nothing to learn"),
        pytest.param('{"id":7,"type":"observe","payload":', "VALIDATION_ERROR", id="cut off"),
        pytest.param(
            '{"type":"observe","payload":{"emotives":{"a":NaN}},"id":7}',
            "VALIDATION_ERROR",
            id="NaN",
        ),
        pytest.param(
            json.dumps({"type": "observe", "payload": {"strings": ["x" * 9_000_000]}, "id": 7}),
            "BODY_TOO_LARGE",
            id="large, at the end",
        ),
        pytest.param(
            json.dumps({"type": "observe", "id": 7, "payload": {"strings": ["x" * 9_000_000]}}),
            "BODY_TOO_LARGE",
            id="large, at the beginning",
        ),
    ],
)
def test_every_refusal_carries_the_id_of_its_frame(
    socket: ClientConnection, frame: str, code: str
) -> None:
    answer = _send(socket, frame)
    assert (answer["error"]["code"], answer.get("id")) == (code, 7)


@pytest.mark.parametrize("frame_id", [True, [7], {"a": 1}, "x" * 257, 1e30])
def test_an_id_that_cannot_be_echoed_is_refused_by_name(
    socket: ClientConnection, frame_id: Any
) -> None:
    answer = _ask(socket, type="observe", payload={"strings": ["a"]}, id=frame_id)
    assert "id" not in answer
    assert answer["error"]["details"] == [
        {
            "location": ["id"],
            "reason": "must be a text of at most 256 characters, or a number below 2^64",
        }
    ]
    assert _ask(socket, type="get_stm")["payload"]["stm"] == []


@pytest.mark.parametrize("frame_id", [10**30, -(2**64)])
def test_an_id_of_more_than_64_bits_is_refused_as_such_numbers_are(
    socket: ClientConnection, frame_id: int
) -> None:
    answer = _ask(socket, type="ping", id=frame_id)
    assert "id" not in answer
    assert answer["error"]["details"][0]["location"] == ["id"]


@pytest.mark.parametrize("frame_id", [0, -1, 1.5, 2**64 - 1, -(2**63), "", "ü", 'a"b'])
def test_an_id_comes_back_as_it_was_sent(socket: ClientConnection, frame_id: Any) -> None:
    answer = _ask(socket, type="ping", id=frame_id)
    assert answer["id"] == frame_id
    assert type(answer["id"]) is type(frame_id)


def test_a_frame_without_a_place_or_a_token_is_refused_with_its_id(
    new_service: Callable[..., Any],
) -> None:
    service = new_service(RATE_LIMIT_PER_S="0.01", RATE_LIMIT_BURST="3")
    service.start()
    service.await_ready()
    created = httpx.post(f"{service.url}/v2/sessions", timeout=60).json()
    url = f"{service.url.replace('http', 'ws', 1)}/v2/sessions/{created['session_id']}/ws"
    with connect(url, open_timeout=60, close_timeout=60) as socket:
        assert _ask(socket, type="ping", id=1)["type"] == "pong"
        refused = _ask(socket, type="ping", id=2)
        assert (refused["error"]["code"], refused["id"]) == ("RATE_LIMITED", 2)
        assert refused["error"]["retryable"]
        assert 90 <= refused["retry_after_s"] <= 100


@pytest.mark.parametrize("payload", ["null", "{}"])
def test_a_payload_may_be_null_as_a_body_may(socket: ClientConnection, payload: str) -> None:
    assert _send(socket, f'{{"type":"get_stm","payload":{payload}}}')["type"] == "stm"


def test_numbers_are_read_as_on_http(socket: ClientConnection) -> None:
    options = {"limit": 5.0, "recall_threshold": 1}
    assert _ask(socket, type="get_predictions", payload=options)["type"] == "predictions"
    for limit in (5.5, "5", True, 10_001):
        refused = _ask(socket, type="get_predictions", payload={"limit": limit})
        assert refused["error"]["details"][0]["location"] == ["payload", "limit"]


def test_a_refusal_names_the_place_inside_the_frame(socket: ClientConnection) -> None:
    answer = _ask(socket, type="observe", payload={"strings": [1]}, id=7)
    assert answer["id"] == 7
    assert answer["error"]["details"][0]["location"] == ["payload", "strings", 0]


def test_a_session_deleted_under_a_socket_is_not_found(
    socket: ClientConnection, api: httpx.Client, session_id: str
) -> None:
    api.delete(f"/v2/sessions/{session_id}")
    answer = _ask(socket, type="get_stm")
    assert answer["error"]["code"] == "SESSION_NOT_FOUND"
    assert _ask(socket, type="ping")["type"] == "pong"


def test_a_socket_for_an_unknown_session_is_refused(service_url: str) -> None:
    url = f"{service_url.replace('http', 'ws', 1)}/v2/sessions/unknown/ws"
    with pytest.raises(InvalidStatus) as refused, connect(url, open_timeout=60):
        pass
    assert refused.value.response.status_code == 404
    content = json.loads(refused.value.response.body or b"")
    assert content["error"]["code"] == "SESSION_NOT_FOUND"


def test_a_socket_of_later_clients_ignores_unknown_fields(
    service_url: str, session_id: str
) -> None:
    url = f"{service_url.replace('http', 'ws', 1)}/sessions/{session_id}/ws"
    with connect(url, open_timeout=60) as socket:
        answer = _ask(socket, type="observe", payload={"strings": ["a"], "unknown": 1})
    assert answer["payload"]["stm_length"] == 1


@pytest.mark.parametrize("known", [False, True])
def test_a_legacy_learn_of_nothing_is_answered_as_on_http(
    service_url: str, api: httpx.Client, known: bool
) -> None:
    headers = {"x-user-id": uuid4().hex}
    if known:
        api.post("/v1/observe", headers=headers, json={"strings": ["a", "b"]})
        api.post("/v1/clear-stm", headers=headers)
    body = {"unique_id": "once"}
    by_http = api.post("/v1/learn", headers=headers, json=body).json()
    url = service_url.replace("http", "ws", 1) + "/ws"
    with connect(url, additional_headers=headers, open_timeout=60) as socket:
        answer = _ask(socket, type="learn", id=1, payload=body)
        assert (answer["type"], answer["id"]) == ("learn_result", 1)
        assert answer["payload"] == by_http
        assert answer["payload"]["pattern_name"] == ""
        assert _ask(socket, type="clear_stm")["payload"]["status"] == "cleared"
    assert (api.get("/v1/stm", headers=headers).json()["session_id"] is None) is not known


def test_a_default_session_that_was_deleted_is_created_again_by_the_next_change(
    service_url: str, api: httpx.Client
) -> None:
    headers = {"x-user-id": uuid4().hex}
    url = service_url.replace("http", "ws", 1) + "/ws"
    with connect(url, additional_headers=headers, open_timeout=60) as socket:
        first = _ask(socket, type="observe", payload={"strings": ["a"]})
        api.delete(f"/v2/sessions/{first['payload']['session_id']}").raise_for_status()
        assert _ask(socket, type="get_stm")["payload"]["stm"] == []
        assert _ask(socket, type="observe", payload={"strings": ["b"]})["type"] != "error"
        assert _ask(socket, type="get_stm")["payload"]["stm"] == [["b"]]


@pytest.mark.parametrize("path", ["/ws", "/v1/ws"])
def test_a_legacy_socket_serves_the_default_session_of_the_user(
    service_url: str, api: httpx.Client, path: str
) -> None:
    headers = {"x-user-id": uuid4().hex}
    url = service_url.replace("http", "ws", 1) + path
    with connect(url, additional_headers=headers, open_timeout=60) as socket:
        answer = _ask(socket, type="observe", payload={"strings": ["a"], "unknown": 1})
        assert answer["payload"]["status"] == "okay"
    assert api.get("/v1/stm", headers=headers).json()["stm"] == [["a"]]
