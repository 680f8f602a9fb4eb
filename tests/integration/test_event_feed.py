"""The feed of events: whose it has, what it says, and how it ends."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.access import Caller, callers, key_line
from support.services import NewService, ServiceProcess
from support.sockets import Frame, Socket, carrying, opened

AB = "PTRN|76d7efca2e96cb5eeddf4e06ac96a0f424630135"
KEYS = (
    key_line("alice", "write", user="alice"),
    key_line("reader", "read", user="alice"),
    key_line("bob", "write", user="bob"),
    key_line("instance", "write"),
    key_line("monitor", "metrics"),
    key_line("admin", "admin"),
)


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text("\n".join(KEYS))
    return path


@pytest.fixture(scope="module")
def keyed(new_lasting_service: NewService, keys_file: Path) -> ServiceProcess:
    service = new_lasting_service(API_KEYS_FILE=str(keys_file))
    service.start()
    service.await_ready()
    return service


@pytest.fixture(scope="module")
def caller(keyed: ServiceProcess) -> Iterator[Caller]:
    with callers(keyed.url) as caller:
        yield caller


def feed(service_url: str, key: str | None = None, **headers: str) -> Any:
    sent = headers if key is None else {"x-api-key": key, **headers}
    return opened(f"{service_url}/ws/events", additional_headers=sent)


def begun(socket: Socket) -> Socket:
    assert socket.next()["event_type"] == "state.snapshot"
    return socket


def created(api: httpx.Client, **body: str) -> str:
    answer = api.post("/sessions", json=body)
    answer.raise_for_status()
    session_id: str = answer.json()["session_id"]
    return session_id


def only(socket: Socket, kind: str, **data: Any) -> None:
    """The next frame is of this kind and has these fields."""
    frame = socket.next()
    assert (frame["event_type"], frame["data"] | data) == (kind, frame["data"])


def quiet(socket: Socket) -> None:
    """Nothing was sent that has not been read: the answer to a ping comes next."""
    socket.connection.send("ping")
    assert socket.connection.recv(timeout=60) == "pong"


def test_a_session_is_followed_from_its_creation_to_its_end(
    service_url: str, api: httpx.Client
) -> None:
    user = uuid4().hex
    with feed(service_url, **{"x-node-id": user}) as socket:
        first = socket.next()
        assert set(first) == {"event_type", "timestamp", "data"}
        assert first["event_type"] == "state.snapshot"
        assert first["timestamp"].endswith("Z")
        assert first["data"]["system_status"] == "healthy"
        assert (first["data"]["missed_events"], type(first["data"]["active_sessions"])) == (0, int)
        session_id = created(api, node_id=user)
        masked = session_id[:8] + "…"
        frame: Frame = socket.next()
        assert frame["event_type"] == "session.created"
        assert frame["data"]["session_id"] == masked
        assert frame["data"]["node_id"] == user
        assert frame["data"]["created_at"].endswith("Z")
        for symbol in "ab":
            api.post(f"/sessions/{session_id}/observe", json={"strings": [symbol]})
        api.post(f"/sessions/{session_id}/learn").raise_for_status()
        learned = {"session_id": masked, "pattern_name": AB, "patterns_learned": 1}
        only(socket, "pattern.learned", **learned)
        api.delete(f"/sessions/{session_id}").raise_for_status()
        only(socket, "session.destroyed", session_id=masked, reason="explicit_delete")
        quiet(socket)


def test_what_a_sequence_learns_is_one_event(service_url: str, api: httpx.Client) -> None:
    user = uuid4().hex
    session_id = created(api, node_id=user)
    with feed(service_url, **{"x-user-id": user}) as socket:
        begun(socket)
        items = [{"strings": ["a", "b"]}, {"strings": ["c", "d"]}]
        body = {"observations": items, "learn_after_each": True, "unique_id": "once"}
        for _ in range(2):
            answer = api.post(f"/sessions/{session_id}/observe-sequence", json=body)
            answer.raise_for_status()
        only(socket, "pattern.learned", patterns_learned=2)
        quiet(socket)


def test_a_default_session_is_created_once_and_by_a_change(
    service_url: str, api: httpx.Client
) -> None:
    headers = {"x-user-id": uuid4().hex}
    with feed(service_url, **headers) as socket:
        begun(socket)
        assert api.get("/v1/stm", headers=headers).json()["session_id"] is None
        quiet(socket)
        for _ in range(2):
            api.post("/v1/observe", headers=headers, json={"strings": ["a"]}).raise_for_status()
        only(socket, "session.created", node_id=headers["x-user-id"])
        quiet(socket)


def test_without_authentication_whoever_names_no_user_sees_those_of_all(
    service_url: str, api: httpx.Client
) -> None:
    mine = uuid4().hex
    with feed(service_url) as all_of_them:
        begun(all_of_them)
        created(api, node_id=mine)
        frame = all_of_them.next()
        while frame["data"].get("node_id") != mine:
            frame = all_of_them.next()
        assert frame["data"]["session_id"].endswith("…")


def test_nobody_but_an_admin_gets_events_of_another_user(
    keyed: ServiceProcess, caller: Caller
) -> None:
    with (
        feed(keyed.url, "alice") as alice,
        feed(keyed.url, "reader") as reader,
        feed(keyed.url, "bob") as bob,
        feed(keyed.url, "instance") as instance,
        feed(keyed.url, "admin") as admin,
        feed(keyed.url, "admin", **{"x-user-id": "bob"}) as admin_as_bob,
    ):
        every = (alice, reader, bob, instance, admin, admin_as_bob)
        for socket in every:
            begun(socket)
        of_alice = created(caller("alice"))
        of_bob = created(caller("admin"), node_id="bob")
        of_nobody = created(caller("instance"))
        for socket in (alice, reader):
            only(socket, "session.created", session_id=of_alice, node_id="alice")
        for socket in (bob, admin_as_bob):
            only(socket, "session.created", session_id=of_bob, node_id="bob")
        only(instance, "session.created", session_id=of_nobody, node_id=None)
        for session_id in (of_alice, of_bob, of_nobody):
            only(admin, "session.created", session_id=session_id)
        for socket in every:
            quiet(socket)


def test_a_feed_of_a_session_has_the_events_of_its_user(
    keyed: ServiceProcess, caller: Caller
) -> None:
    session_id = created(caller("alice"))
    with feed(keyed.url, "alice", **{"x-session-id": session_id}) as socket:
        begun(socket)
        created(caller("alice"))
        only(socket, "session.created", node_id="alice")
    assert refused(keyed.url, "bob", **{"x-session-id": session_id}) == 404


def test_the_query_may_name_whose_events_a_feed_has(service_url: str, api: httpx.Client) -> None:
    user = uuid4().hex
    answer = api.post("/v2/sessions", json={"user_id": user}).json()
    for named in (f"node_id={user}", f"processor_id={answer['processor_id']}"):
        with opened(f"{service_url}/ws/events?{named}") as socket:
            begun(socket)
            created(api, node_id=uuid4().hex)
            created(api, node_id=user)
            only(socket, "session.created", node_id=user)
            quiet(socket)
    assert refused(f"{service_url}/ws/events?user_id=one", None, **{"x-node-id": "two"}) == 422


def test_a_feed_of_another_knowledge_base_is_refused(keyed: ServiceProcess) -> None:
    assert refused(f"{keyed.url}/ws/events?processor_id=kato", "alice") == 422
    assert refused(f"{keyed.url}/ws/events?node_id=bob", "alice") == 403


def refused(url: str, key: str | None, **headers: str) -> int:
    """The status of the answer to a request for a socket at *url*, or for a feed of a service."""
    url = url if "/ws/" in url else f"{url}/ws/events"
    sent = headers if key is None else {"x-api-key": key, **headers}
    with pytest.raises(InvalidStatus) as found, opened(url, additional_headers=sent):
        pass
    return found.value.response.status_code


def test_a_feed_needs_credentials_a_scope_and_the_right_user(keyed: ServiceProcess) -> None:
    assert refused(keyed.url, None) == 401
    assert refused(keyed.url, "monitor") == 403
    assert refused(keyed.url, "alice", **{"x-user-id": "bob"}) == 403
    with opened(f"{keyed.url}/ws/events", subprotocols=carrying("reader")) as socket:
        begun(socket)
        assert socket.connection.subprotocol == "kato"
    assert refused(f"{keyed.url}/ws/events?x=1", "alice") == 422


def test_pages_of_other_origins_open_no_feed(service_url: str) -> None:
    with (
        pytest.raises(InvalidStatus) as found,
        opened(f"{service_url}/ws/events", origin="https://evil.example"),
    ):
        pass
    assert found.value.response.status_code == 403


@pytest.mark.parametrize("sent", ["hello", '{"type": "ping"}', b"\xff", ""])
def test_other_frames_are_refused_and_the_feed_continues(service_url: str, sent: Any) -> None:
    with feed(service_url, **{"x-user-id": uuid4().hex}) as socket:
        begun(socket)
        refusal = socket.send(sent)
        assert (refusal["type"], refusal["error"]["code"]) == ("error", "VALIDATION_ERROR")
        assert refusal["error"]["details"][0]["location"] == ["frame"]
        quiet(socket)


def test_a_withdrawn_key_ends_its_feed(new_service: NewService, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    writer = key_line("writer", "write", user="alice")
    keys.write_text("\n".join((key_line("reader", "read", user="alice"), writer)))
    service = new_service(API_KEYS_FILE=str(keys))
    service.start()
    service.await_ready()
    with callers(service.url) as caller, feed(service.url, "reader") as socket:
        begun(socket)
        created(caller("writer"))
        only(socket, "session.created")
        keys.write_text(writer)
        time.sleep(5)
        created(caller("writer"))
        assert socket.next()["error"]["code"] == "UNAUTHORIZED"
        with pytest.raises(ConnectionClosed) as closed:
            socket.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_a_feed_ends_with_the_service(new_service: NewService) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    with feed(service.url) as socket:
        begun(socket)
        assert service.stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            socket.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert "Traceback" not in service.log


def test_events_arrive_in_the_order_in_which_they_happened(
    service_url: str, api: httpx.Client
) -> None:
    user = uuid4().hex
    with feed(service_url, **{"x-user-id": user}) as socket:
        begun(socket)
        for _ in range(20):
            api.delete(f"/sessions/{created(api, node_id=user)}").raise_for_status()
        kinds = [socket.next()["event_type"] for _ in range(40)]
    assert kinds == ["session.created", "session.destroyed"] * 20
