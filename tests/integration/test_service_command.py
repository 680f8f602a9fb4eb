"""``kato-service`` as a person starts it: what it refuses, what it prints, how it ends."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import kato_service
from support import patient
from support.waiting import until

New = Callable[..., Any]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "kato_service", *arguments],
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        pytest.param({"PORT": "99999"}, "PORT", id="number out of range"),
        pytest.param({"SORT": "maybe"}, "SORT: 'maybe'", id="another name of a setting"),
        pytest.param({"CORS_ORIGINS": "nonsense"}, "CORS_ORIGINS", id="no origin"),
        pytest.param({"KNOWLEDGE_SNAPSHOT_DIR": "/proc/x"}, "KNOWLEDGE_SNAPSHOT_DIR", id="folder"),
        pytest.param({"SESSION_TTL": "soon"}, "SESSION_TTL", id="not a number"),
        pytest.param({"STM_MODE": "KEEP"}, "STM_MODE", id="unknown word"),
        pytest.param({"PROCESSOR_ID": "a/b"}, "PROCESSOR_ID", id="forbidden character"),
        pytest.param({"REDIS_URL": "http://x"}, "REDIS_URL", id="wrong scheme"),
        pytest.param({"REDIS_URL": "redis://h/0?foo=bar"}, "REDIS_URL", id="unknown option"),
        pytest.param({"MONGO_BASE_URL": "mongodb://h/?tls=maybe"}, "MONGO_BASE_URL", id="driver"),
        pytest.param({"HOST": "nope.invalid"}, "HOST", id="no such host"),
        pytest.param({"SESSION_STORE": "redis"}, "REDIS_URL", id="missing URL"),
        pytest.param({"WORKERS": "2"}, "WORKERS", id="workers with embedded stores"),
        pytest.param({"MONGO_POOL_MIN_SIZE": "60"}, "MONGO_POOL", id="minimum above maximum"),
        pytest.param({"RECALL_THRESHOLD": "nan"}, "RECALL_THRESHOLD", id="nan"),
        pytest.param({"LOG_RETENTION_S": "1e12"}, "LOG_RETENTION_S", id="beyond all dates"),
        pytest.param({"LOG_RETENTION_S": "0.01"}, "LOG_RETENTION_S", id="no time to append"),
        pytest.param({"MAX_REQUESTS_IN_FLIGHT": "9" * 30}, "MAX_REQUESTS", id="beyond 64 bits"),
        pytest.param({"KATO_ENGINE": "gpu"}, "KATO_ENGINE", id="unknown engine"),
        pytest.param({"DATA_DIR": "/proc/nowhere"}, "DATA_DIR", id="impossible directory"),
        pytest.param({"API_KEYS_FILE": "/proc/nowhere"}, "API_KEYS_FILE", id="no file of keys"),
        pytest.param({"API_KEYS_FILE": "/dev/null"}, "API_KEYS_FILE", id="no keys in it"),
        pytest.param({"AUTH_MODE": "api_key"}, "AUTH_MODE", id="authentication without keys"),
        pytest.param({"TOKEN_ISSUER": "https://i.example"}, "TOKEN_AUDIENCE", id="no audience"),
    ],
)
def test_an_invalid_variable_prevents_the_start_and_is_reported_in_one_line(
    variables: dict[str, str], named: str
) -> None:
    done = run(**variables)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert named in line
    assert "accepted" in line or "missing" in line or "set" in line


def test_variables_that_look_like_settings_are_noticed_at_the_start(new_service: New) -> None:
    service = new_service(CORS_ORIGIN="SECRET", api_key="SECRET", EDITOR="vi")
    service.start()
    service.await_ready()
    lines = [json.loads(line) for line in service.log.splitlines()]
    found = [
        (line["variable"], line["nearest"], line["level"])
        for line in lines
        if line["event"] == "unknown environment variable ignored"
    ]
    assert found == [
        ("CORS_ORIGIN", "CORS_ORIGINS", "warning"),
        ("api_key", "API_KEY", "warning"),
    ]
    assert "SECRET" not in service.log


def test_a_new_key_opens_the_instance_that_knows_its_line(new_service: New, tmp_path: Path) -> None:
    made = run("key", "shop", "--scope", "write", "--user", "alice")
    assert made.returncode == 0
    (line,), (told,) = made.stdout.splitlines(), made.stderr.splitlines()
    key = told.rpartition(" ")[2]
    assert told == f"the key 'shop', shown only now: {key}"
    assert key not in line
    assert json.loads(line).keys() == {"name", "sha256", "scopes", "user"}
    (tmp_path / "keys.jsonl").write_text(line)
    service = new_service(API_KEYS_FILE=str(tmp_path / "keys.jsonl"))
    service.start()
    service.await_ready()
    created = patient.post(f"{service.url}/v2/sessions", headers={"x-api-key": key})
    assert created.json()["user_id"] == "alice"
    assert patient.post(f"{service.url}/v2/sessions").status_code == 401


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a b", "--scope", "read"), "name is not accepted; accepted: 1 to 64 of"),
        (("a", "--scope", "admin", "--user", "u"), "the key has a user and the scope admin"),
        (("a", "--scope", "read", "--user", ""), "user is not accepted; accepted: 1 to 256"),
        (("a",), "the following arguments are required: --scope"),
        (("a", "--scope", "root"), "invalid choice: 'root'"),
    ],
)
def test_a_key_that_no_instance_would_take_is_not_made(
    arguments: tuple[str, ...], words: str
) -> None:
    done = run("key", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_refused_secret_is_not_shown() -> None:
    done = run(REDIS_URL="tcp://user:hunter2@host")
    assert done.returncode == 2
    assert "hunter2" not in done.stderr + done.stdout


def test_help_lists_every_variable_with_its_default() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("PROCESSOR_ID", "SESSION_TTL", "MONGO_POOL_SIZE", "KNOWLEDGE_MEMORY_BYTES"):
        assert f"  {name}\n" in done.stdout
    assert "Default: 3600." in done.stdout


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"kato-service {kato_service.__version__}\n"


def test_log_and_health_name_the_engine_and_the_stores(new_service: New) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    body = patient.get(f"{service.url}/v2/health").json()
    backends = {name: part["backend"] for name, part in body["components"].items()}
    assert backends == {"redis": "memory", "mongodb": "sqlite", "qdrant": "local"}
    lines = [json.loads(line) for line in service.log.splitlines()]
    (start,) = (line for line in lines if line["event"] == "service starting")
    assert {name: start[name] for name in backends} == backends
    assert start["engine"] == body["engine"]
    assert service.stop() == 0


def test_sigterm_lets_a_request_finish_and_keeps_what_was_acknowledged(new_service: New) -> None:
    service = new_service(SHUTDOWN_GRACE_S="60")
    service.start()
    service.await_ready()
    session = created(service.url)
    observations = [{"strings": [f"s{i}", "x"]} for i in range(1000)]
    body = json.dumps({"observations": observations, "learn_after_each": True}).encode()
    head = (
        f"POST {session}/observe-sequence HTTP/1.1\r\nhost: localhost\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as sender:
        sender.sendall(head.encode() + body)
        patient.get(f"{service.url}/health/live")  # answered after the body has arrived
        service.process.send_signal(signal.SIGTERM)
        assert sender.recv(4096).startswith(b"HTTP/1.1 200")
    assert service.process.wait(timeout=60) == 0
    service.start()
    service.await_ready()
    again = created(service.url)
    page = patient.get(f"{service.url}{again}/patterns", params={"limit": 1000}).json()
    assert len(page["patterns"]) == 1000


def created(url: str) -> str:
    session_id = patient.post(f"{url}/v2/sessions", json={"user_id": "me"}).json()["session_id"]
    return f"/v2/sessions/{session_id}"


def test_sigterm_under_load_ends_in_time_and_keeps_what_was_acknowledged(new_service: New) -> None:
    service = new_service(SHUTDOWN_GRACE_S="10", VECTORS="disabled")
    service.start()
    service.await_ready()
    acknowledged: list[str] = []
    stopping = threading.Event()

    def learn_until_it_stops(number: int) -> None:
        """Learn until the service accepts no more connections."""
        path = created(service.url) + "/observe-sequence"
        with httpx.Client(base_url=service.url, timeout=60) as client:
            for count in itertools.count():
                item = {"strings": [f"client {number} count {count}", "x"]}
                body = {"observations": [item], "learn_at_end": True}
                try:
                    response = client.post(path, json=body)
                except httpx.TransportError:
                    assert stopping.is_set()
                    return
                if response.status_code == 503:  # its body had not arrived yet
                    assert stopping.is_set()
                    assert response.json()["error"]["code"] == "OVERLOADED"
                    return
                acknowledged.append(response.json().get("final_learned_pattern", response.text))

    with ThreadPoolExecutor(8) as clients:
        learning = [clients.submit(learn_until_it_stops, number) for number in range(8)]
        until(lambda: len(acknowledged) >= 50, "50 learns")
        stopping.set()
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 20
        for done in learning:
            done.result(timeout=60)
    assert "Traceback" not in service.log
    service.start()
    service.await_ready()
    assert set(acknowledged) <= pattern_names(service.url)


def pattern_names(url: str) -> set[str]:
    path, names, cursor = created(url) + "/patterns", set(), ""
    while cursor is not None:
        params = {"limit": "1000", **({"cursor": cursor} if cursor else {})}
        page = patient.get(url + path, params=params).json()
        names |= {pattern["name"] for pattern in page["patterns"]}
        cursor = page["next_cursor"]
    return names


def test_sigterm_closes_sockets_as_going_away(new_service: New) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    url = service.url.replace("http", "ws", 1) + created(service.url) + "/ws"
    with connect(url, open_timeout=60) as websocket:
        websocket.send('{"type": "ping"}')
        assert json.loads(websocket.recv(timeout=60))["type"] == "pong"
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(timeout=60)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert service.process.wait(timeout=60) == 0


def test_embedded_knowledge_survives_a_kill(new_service: New) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    session = created(service.url)
    patient.post(f"{service.url}{session}/observe", json={"strings": ["a", "b"]})
    assert patient.post(f"{service.url}{session}/learn").json()["frequency"] == 1
    service.kill9()
    service.start()
    service.await_ready()
    session = created(service.url)
    patient.post(f"{service.url}{session}/observe", json={"strings": ["a", "b"]})
    assert patient.get(f"{service.url}{session}/predictions").json()["count"] == 1


def test_workers_serve_one_port_and_are_replaced_when_they_die(
    new_service: New, redis_url: str, mongo_url: str
) -> None:
    service = new_service(
        WORKERS="2",
        REDIS_URL=redis_url,
        MONGO_BASE_URL=mongo_url,
        MONGO_DATABASE=uuid4().hex,
        MONGO_POOL_MIN_SIZE="0",
        PROCESSOR_ID=uuid4().hex,
        VECTORS="disabled",
    )
    service.start()
    service.await_ready()
    session = created(service.url)
    for number in range(20):
        body = {"strings": [f"s{number}"]}
        assert patient.post(f"{service.url}{session}/observe", json=body).status_code == 200
    assert patient.get(f"{service.url}{session}/stm").json()["length"] == 20
    workers = children(service.process.pid)
    assert len(workers) >= 2
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(children(service.process.pid) - workers) >= 2, "other workers")
    service.await_ready()
    assert patient.get(f"{service.url}{session}/stm").json()["length"] == 20
    assert service.stop() == 0


def children(pid: int) -> set[int]:
    """The worker processes: all children but the resource tracker of multiprocessing."""
    found = set()
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if "resource_tracker" not in " ".join(child.cmdline()):
                found.add(child.pid)
    return found
