"""The API over a WebSocket."""

import json
from collections.abc import Iterator
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


def test_a_refusal_carries_the_frames_id(socket: ClientConnection) -> None:
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
