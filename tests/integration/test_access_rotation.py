"""Keys that change while the service runs, on HTTP and on WebSockets; and what is audited."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiserver import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from support.access import Caller, audited, await_audited, callers, code_of, key_line
from support.services import NewService, ServiceProcess


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """A file as the kubelet mounts it: a link to a folder that is swapped."""
    path = tmp_path / "keys.jsonl"
    path.symlink_to("..data/keys.jsonl")
    swap(path, key_line("first", "write", user="alice"), key_line("monitor", "metrics"))
    return path


def swap(path: Path, *lines: str) -> None:
    folder = path.parent / f"..{len(list(path.parent.iterdir()))}"
    folder.mkdir()
    (folder / "keys.jsonl").write_text("\n".join(lines))
    (path.parent / "..next").symlink_to(folder.name)
    (path.parent / "..next").rename(path.parent / "..data")


@pytest.fixture
def service(new_service: NewService, keys_file: Path) -> ServiceProcess:
    service = new_service(API_KEYS_FILE=str(keys_file), LOG_LEVEL="error")
    service.start()
    service.await_ready()
    return service


@pytest.fixture
def caller(service: ServiceProcess) -> Iterator[Caller]:
    with callers(service.url) as caller:
        yield caller


def counted(client: httpx.Client) -> int:
    return client.get("/v2/sessions/count").status_code


def health(client: httpx.Client) -> Any:
    return client.get("/v2/health").json()


def test_a_key_is_replaced_without_a_restart_and_a_broken_file_changes_nothing(
    service: ServiceProcess, caller: Caller, keys_file: Path
) -> None:
    monitor = key_line("monitor", "metrics")
    assert (counted(caller("first")), counted(caller("second"))) == (200, 401)
    assert health(caller(None))["auth"] == {"mode": "api_key", "status": "healthy"}

    swap(keys_file, key_line("second", "write", user="alice"), monitor)
    until(lambda: counted(caller("second")) == 200, "the new key is accepted")
    assert counted(caller("first")) == 401

    swap(keys_file, key_line("third", "write", user="alice"), '{"name": "broken"')
    until(lambda: health(caller(None))["status"] == "degraded", "the broken file is noticed")
    assert health(caller(None))["auth"]["status"] == "degraded"
    assert (counted(caller("second")), counted(caller("third"))) == (200, 401)
    metrics = caller("monitor").get("/metrics").text
    assert 'kato_auth_source_up{source="API_KEYS_FILE"} 0.0' in metrics
    assert "line 2 is not JSON" in service.log

    swap(keys_file, key_line("third", "write", user="alice"))
    until(lambda: counted(caller("third")) == 200, "the mended file is used")
    assert health(caller(None))["status"] == "healthy"
    reloads = [
        line for line in await_audited(service, "reload keys") if line["action"] == "reload keys"
    ]
    assert [line["keys"] for line in reloads] == [2, 1]


def test_key_files_that_vanish_or_are_empty_or_half_written_change_nothing(
    new_service: NewService, tmp_path: Path
) -> None:
    one, named = tmp_path / "key", tmp_path / "keys"
    lines = [key_line("alice", "write"), key_line("bob", "write")]
    one.write_text("root")
    named.write_text("\n".join(lines))
    service = new_service(API_KEY_FILE=str(one), API_KEYS_FILE=str(named))
    service.start()
    service.await_ready()
    with callers(service.url) as caller:
        for broken in (None, "", "\n\n", "\n".join(lines)[:-5], "\0" * 100):
            for path in (one, named):
                path.unlink(missing_ok=True)
                if broken is not None and path == named:
                    path.write_text(broken)
            until(lambda: health(caller(None))["status"] == "degraded", "the fault is noticed")
            assert [counted(caller(key)) for key in ("root", "alice", "bob")] == [200] * 3
            one.write_text("root")
            named.write_text("\n".join(lines))
            until(lambda: health(caller(None))["status"] == "healthy", "the files are back")
        one.write_text("  \n")
        named.write_text(key_line("carol", "write"))
        until(lambda: counted(caller("carol")) == 200, "one file is used while the other is broken")
        assert [counted(caller(key)) for key in ("root", "alice")] == [200, 401]
    reasons = service.log
    for reason in ("No such file", "the file is empty", "holds no key", "is not JSON"):
        assert reason in reasons
    assert "Traceback" not in reasons


def test_the_one_key_is_replaced_without_a_restart(new_service: NewService, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("before\n")
    service = new_service(API_KEY_FILE=str(path))
    service.start()
    service.await_ready()
    with callers(service.url) as caller:
        assert counted(caller("before")) == 200
        path.write_text("after\n")
        until(lambda: counted(caller("after")) == 200, "the new key is accepted")
        assert counted(caller("before")) == 401


def socket_url(service: ServiceProcess, path: str) -> str:
    return service.url.replace("http", "ws", 1) + path


def ask(socket: ClientConnection, **frame: Any) -> Any:
    socket.send(json.dumps(frame))
    return json.loads(socket.recv(timeout=60))


def test_a_socket_asks_for_credentials_and_scopes_like_a_request(
    service: ServiceProcess, caller: Caller, keys_file: Path
) -> None:
    swap(
        keys_file,
        key_line("first", "write", user="alice"),
        key_line("reader", "read", user="alice"),
        key_line("stranger", "write", user="bob"),
        key_line("monitor", "metrics"),
    )
    until(lambda: counted(caller("stranger")) == 200, "the new keys are accepted")
    session_id = caller("first").post("/v2/sessions").json()["session_id"]
    url = socket_url(service, f"/v2/sessions/{session_id}/ws")
    for headers, status, code in (
        ({}, 401, "UNAUTHORIZED"),
        ({"x-api-key": "wrong"}, 401, "UNAUTHORIZED"),
        ({"x-api-key": "monitor"}, 403, "FORBIDDEN"),
        ({"x-api-key": "stranger"}, 404, "SESSION_NOT_FOUND"),
    ):
        with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers=headers):
            pass
        assert refused.value.response.status_code == status
        body = refused.value.response.body
        assert body is not None
        assert json.loads(body)["error"]["code"] == code
    with connect(url, additional_headers={"authorization": "Bearer reader"}) as socket:
        assert ask(socket, type="get_stm", id=1)["type"] == "stm"
        refusal = ask(socket, type="observe", id=2, payload={"strings": ["a"]})
        assert (refusal["id"], refusal["error"]["code"]) == (2, "FORBIDDEN")
        assert ask(socket, type="get_stm")["payload"]["stm"] == []
    legacy = socket_url(service, "/ws")
    headers = {"x-api-key": "stranger", "x-user-id": "alice"}
    with pytest.raises(InvalidStatus) as refused, connect(legacy, additional_headers=headers):
        pass
    assert refused.value.response.status_code == 403


def test_a_withdrawn_key_ends_the_sockets_that_it_opened(
    service: ServiceProcess, caller: Caller, keys_file: Path
) -> None:
    session_id = caller("first").post("/v2/sessions").json()["session_id"]
    url = socket_url(service, f"/v2/sessions/{session_id}/ws")
    with connect(url, additional_headers={"x-api-key": "first"}) as socket:
        assert ask(socket, type="observe", payload={"strings": ["a"]})["type"] != "error"
        swap(keys_file, key_line("other", "write", user="alice"))
        until(lambda: counted(caller("other")) == 200, "the new key is accepted")
        reply = ask(socket, type="observe", id=7, payload={"strings": ["b"]})
        assert (reply["type"], reply["id"]) == ("error", 7)
        assert reply["error"]["code"] == "UNAUTHORIZED"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=60)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    stm = caller("other").get(f"/v2/sessions/{session_id}/stm").json()["stm"]
    assert stm == [["a"]]


def test_administrative_calls_and_refusals_are_audited_without_content(
    service: ServiceProcess, caller: Caller
) -> None:
    first = caller("first")
    session_id = first.post("/v2/sessions", json={"metadata": {"k": "CONTENT"}}).json()[
        "session_id"
    ]
    session = f"/v2/sessions/{session_id}"
    learned = {"observations": [{"strings": ["CONTENT"]}] * 2, "learn_at_end": True}
    first.post(f"{session}/observe-sequence", json=learned)
    (name,) = [it["name"] for it in first.get(f"{session}/patterns").json()["patterns"]]
    first.put(f"{session}/patterns/{name}", json={"frequency": 3})
    first.delete(f"{session}/patterns/{name}")
    first.delete(f"{session}/patterns/CONTENT")
    first.post(f"{session}/config", json={"config": {"persistence": 7}})
    first.post("/genes/update", json={"genes": {"persistence": "CONTENT"}})
    first.post(f"{session}/clear-all", headers={"x-request-id": "my-request"})
    first.delete(session)
    assert code_of(caller("monitor").delete(session)) == "FORBIDDEN"
    assert code_of(caller("SECRET").delete(session)) == "UNAUTHORIZED"
    assert code_of(first.post("/v2/sessions", json={"user_id": "bob"})) == "FORBIDDEN"

    lines = audited(service)
    assert [(line["action"], line["outcome"], line["caller"]) for line in lines] == [
        ("update_pattern", "done", "first"),
        ("delete_pattern", "done", "first"),
        ("delete_pattern", "refused", "first"),
        ("set_config", "done", "first"),
        ("post_genes_update", "refused", "first"),
        ("clear_all", "done", "first"),
        ("delete_session", "done", "first"),
        ("authorize", "refused", "monitor"),
        ("authenticate", "refused", None),
        ("authorize", "refused", "first"),
    ]
    cleared = lines[5]
    assert (cleared["kind"], cleared["user"], cleared["status"]) == ("key", "alice", 200)
    assert cleared["request_id"] == "my-request"
    assert len(cleared["session"]) == 8
    assert cleared["at"].endswith("Z")
    assert lines[0]["pattern"] == name.removeprefix("PTRN|")
    assert [line["address"] for line in lines[-3:]] == ["127.0.0.1"] * 3
    for secret in ("CONTENT", "SECRET", session_id):
        assert secret not in service.log


def test_guessing_keys_does_not_fill_the_log(service: ServiceProcess, caller: Caller) -> None:
    for number in range(60):
        assert caller(None).get("/v1/stm", headers={"x-api-key": f"{number}"}).status_code == 401
    written = len(audited(service))
    assert 20 <= written < 50
