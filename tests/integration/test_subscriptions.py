"""Predictions that a WebSocket sends after each change of its session."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from kato_service.api.subscriptions import MAX_OF_SOCKET
from support.access import key_line
from support.services import NewService
from support.sockets import Socket, opened

AB = "PTRN|76d7efca2e96cb5eeddf4e06ac96a0f424630135"


@pytest.fixture
def socket(service_url: str, session_id: str) -> Iterator[Socket]:
    with opened(f"{service_url}/v2/sessions/{session_id}/ws") as socket:
        yield socket


def observe(api: httpx.Client, session_id: str, *symbols: str) -> None:
    body = {"strings": list(symbols)}
    api.post(f"/v2/sessions/{session_id}/observe", json=body).raise_for_status()


def learn(api: httpx.Client, session_id: str, *symbols: str) -> None:
    for symbol in symbols:
        observe(api, session_id, symbol)
    api.post(f"/v2/sessions/{session_id}/learn").raise_for_status()


def test_predictions_follow_changes_by_http_and_equal_those_of_http(
    socket: Socket, api: httpx.Client, session_id: str
) -> None:
    learn(api, session_id, "a", "b")
    first = socket.ask("subscribe", id="s")
    assert (first["type"], first["id"], first["payload"]["subscription"]) == ("subscribed", "s", 1)
    assert (first["payload"]["stm_length"], first["payload"]["predictions"]) == (0, [])
    observe(api, session_id, "a", "b")
    pushed = socket.next()
    assert (pushed["type"], pushed["id"], pushed["subscription"]) == ("predictions", "s", 1)
    assert pushed["payload"]["predictions"][0]["pattern_name"] == AB
    assert pushed["payload"] == api.get(f"/v2/sessions/{session_id}/predictions").json()


def test_each_change_of_the_own_socket_is_followed_too(socket: Socket) -> None:
    assert "id" not in socket.ask("subscribe")
    socket.connection.send('{"type":"observe","id":1,"payload":{"strings":["a"]}}')
    found = {socket.next()["type"]: None for _ in range(2)}
    assert set(found) == {"observation_result", "predictions"}
    socket.connection.send('{"type":"clear_stm"}')
    frames = [socket.next() for _ in range(2)]
    (pushed,) = [frame for frame in frames if frame["type"] == "predictions"]
    assert pushed["payload"]["stm_length"] == 0
    assert "id" not in pushed


def test_a_subscription_keeps_its_options(
    socket: Socket, api: httpx.Client, session_id: str
) -> None:
    learn(api, session_id, "a", "b", "c")
    learn(api, session_id, "a", "b", "d")
    socket.ask("subscribe", id=1, payload={"limit": 1})
    socket.ask("subscribe", id=2, payload={"recall_threshold": 1, "limit": 5.0})
    observe(api, session_id, "a", "b")
    counts = {frame["id"]: frame["payload"]["count"] for frame in (socket.next(), socket.next())}
    assert counts == {1: 1, 2: 0}


def test_what_changes_nothing_is_not_followed(
    socket: Socket, api: httpx.Client, session_id: str
) -> None:
    observe_once = {"strings": ["a"], "unique_id": "once"}
    api.post(f"/v2/sessions/{session_id}/observe", json=observe_once)
    socket.ask("subscribe")
    api.post(f"/v2/sessions/{session_id}/observe", json=observe_once)
    api.get(f"/v2/sessions/{session_id}/predictions")
    api.post(f"/v2/sessions/{session_id}/observe", json={"strings": [1]})
    time.sleep(2.5)  # two looks at the store
    assert socket.ask("ping")["type"] == "pong"
    config = {"config": {"max_predictions": 3}}
    api.post(f"/v2/sessions/{session_id}/config", json=config)
    assert socket.next()["type"] == "predictions"


def test_many_changes_are_coalesced_and_the_newest_state_arrives_last(
    socket: Socket, api: httpx.Client, session_id: str
) -> None:
    socket.ask("subscribe")
    observations = [{"strings": [f"s{number}"]} for number in range(100)]
    for observation in observations:
        api.post(f"/v2/sessions/{session_id}/observe", json=observation)
    times = [socket.next()["payload"]["time"]]
    while times[-1] < 100:
        times.append(socket.next()["payload"]["time"])
    assert times == sorted(set(times))
    assert socket.ask("ping")["type"] == "pong"


def test_a_client_that_does_not_read_gets_the_newest_state_and_holds_no_memory(
    new_service: NewService,
) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, timeout=60) as api:
        session_id = api.post("/v2/sessions").json()["session_id"]
        large = [{"strings": [f"{number}" + "x" * 1000 for number in range(100)]}] * 2
        for number in range(20):
            events = [*large, {"strings": [f"end{number}"]}]
            body = {"observations": events, "learn_at_end": True}
            api.post(f"/v2/sessions/{session_id}/observe-sequence", json=body).raise_for_status()
        url = f"{service.url}/v2/sessions/{session_id}/ws"
        with opened(url, max_queue=1) as socket:
            socket.ask("subscribe", id="s", payload={"limit": 20})
            observe(api, session_id, *large[0]["strings"])
            first = len(socket.connection.recv(timeout=60))
            assert first > 2**20
            before = resident_bytes(service.process.pid)  # type: ignore[union-attr]
            changes = 60
            for number in range(changes):
                observe(api, session_id, f"{number}x")
            grown = resident_bytes(service.process.pid) - before  # type: ignore[union-attr]
            assert grown < 30 * first, "one outstanding push, not sixty"
            received = 1
            while socket.next()["payload"]["time"] < 1 + 60 + changes:
                received += 1
            assert received < changes


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def test_unsubscribing_ends_one_or_all(socket: Socket, api: httpx.Client, session_id: str) -> None:
    for number in (1, 2, 3):
        assert socket.ask("subscribe", id=number)["payload"]["subscription"] == number
    ended = socket.ask("unsubscribe", id="u", payload={"subscription": 2})
    assert ended == {"type": "unsubscribed", "id": "u", "payload": {"subscriptions": [2]}}
    again = socket.ask("unsubscribe", payload={"subscription": 2})
    assert again["payload"] == {"subscriptions": []}
    observe(api, session_id, "a")
    assert {socket.next()["subscription"], socket.next()["subscription"]} == {1, 3}
    assert socket.ask("unsubscribe")["payload"] == {"subscriptions": [1, 3]}
    observe(api, session_id, "b")
    time.sleep(1.5)
    assert socket.ask("ping")["type"] == "pong"


def test_a_socket_has_a_bounded_number_of_subscriptions(socket: Socket) -> None:
    for _ in range(MAX_OF_SOCKET):
        assert socket.ask("subscribe")["type"] == "subscribed"
    refused = socket.ask("subscribe", id="more")
    assert (refused["error"]["code"], refused["id"]) == ("LIMIT_EXCEEDED", "more")
    socket.ask("unsubscribe", payload={"subscription": 1})
    assert socket.ask("subscribe")["payload"]["subscription"] == MAX_OF_SOCKET + 1


@pytest.mark.parametrize(
    ("payload", "location"),
    [
        ({"limit": 0}, ["payload", "limit"]),
        ({"limit": "5"}, ["payload", "limit"]),
        ({"recall_threshold": 1.5}, ["payload", "recall_threshold"]),
        ({"every": 1}, ["payload", "every"]),
    ],
)
def test_wrong_options_are_refused_with_their_place(
    socket: Socket, payload: dict[str, Any], location: list[str]
) -> None:
    refused = socket.ask("subscribe", id=1, payload=payload)
    assert (refused["error"]["code"], refused["id"]) == ("VALIDATION_ERROR", 1)
    assert refused["error"]["details"][0]["location"] == location


def test_a_deleted_session_ends_its_subscriptions_and_not_the_socket(
    socket: Socket, api: httpx.Client, session_id: str
) -> None:
    socket.ask("subscribe", id="s")
    api.delete(f"/v2/sessions/{session_id}")
    ended = socket.next()
    assert (ended["type"], ended["id"], ended["subscription"]) == ("session_ended", "s", 1)
    assert ended["payload"]["session_id"] == session_id
    assert ended["payload"]["code"] == "SESSION_NOT_FOUND"
    assert socket.ask("subscribe")["error"]["code"] == "SESSION_NOT_FOUND"
    assert socket.ask("unsubscribe")["payload"] == {"subscriptions": []}


def test_an_expired_session_ends_its_subscriptions(service_url: str, new_session: Any) -> None:
    session_id = new_session(ttl_seconds=2)
    with opened(f"{service_url}/v2/sessions/{session_id}/ws") as socket:
        assert socket.ask("subscribe")["type"] == "subscribed"
        assert socket.next()["type"] == "session_ended"


def test_a_default_session_is_followed_from_before_its_first_change(
    service_url: str, api: httpx.Client
) -> None:
    headers = {"x-user-id": uuid4().hex}
    with opened(f"{service_url}/ws", additional_headers=headers) as socket:
        first = socket.ask("subscribe", id=1)
        assert first["payload"]["session_id"] is None
        assert api.get("/v1/stm", headers=headers).json()["session_id"] is None
        api.post("/v1/observe", headers=headers, json={"strings": ["a"]}).raise_for_status()
        lengths = [socket.next()["payload"]["stm_length"]]
        while lengths[-1] < 1:
            lengths.append(socket.next()["payload"]["stm_length"])
        api.post("/v1/observe", headers=headers, json={"strings": ["b"]}).raise_for_status()
        assert socket.next()["payload"]["stm_length"] == 2
        session_id = api.get("/v1/stm", headers=headers).json()["session_id"]
        api.delete(f"/v2/sessions/{session_id}").raise_for_status()
        gone = socket.next()
        assert (gone["type"], gone["payload"]["session_id"]) == ("predictions", None)


@pytest.mark.parametrize("known", [False, True])
def test_a_quiet_subscription_of_a_default_session_costs_next_to_nothing(
    new_service: NewService, known: bool
) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    if known:
        httpx.post(f"{service.url}/v1/observe", json={"strings": ["a"]}, timeout=60)
    with opened(f"{service.url}/ws") as socket:
        assert socket.ask("subscribe")["payload"]["stm_length"] == int(known)
        before = computed_s(service.process.pid)  # type: ignore[union-attr]
        time.sleep(3)
        assert computed_s(service.process.pid) - before < 0.5  # type: ignore[union-attr]


def computed_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_withdrawn_credentials_end_the_socket_of_a_subscription(
    new_service: NewService, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    writer = key_line("writer", "write")
    keys.write_text("\n".join((key_line("reader", "read"), writer)))
    service = new_service(API_KEYS_FILE=str(keys))
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, headers={"x-api-key": "writer"}, timeout=60) as api:
        session_id = api.post("/v2/sessions").json()["session_id"]
        url = f"{service.url}/v2/sessions/{session_id}/ws"
        with opened(url, additional_headers={"x-api-key": "reader"}) as socket:
            assert socket.ask("subscribe", id="s")["type"] == "subscribed"
            observe(api, session_id, "a")
            assert socket.next()["type"] == "predictions"
            keys.write_text(writer)
            time.sleep(5)
            observe(api, session_id, "b")
            refused = socket.next()
            assert (refused["id"], refused["subscription"]) == ("s", 1)
            assert refused["error"]["code"] == "UNAUTHORIZED"
            with pytest.raises(ConnectionClosed) as closed:
                socket.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_subscriptions_end_with_the_service(new_service: NewService) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    session_id = httpx.post(f"{service.url}/v2/sessions").json()["session_id"]
    with opened(f"{service.url}/v2/sessions/{session_id}/ws") as socket:
        socket.ask("subscribe")
        assert service.stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            socket.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert "Traceback" not in service.log
