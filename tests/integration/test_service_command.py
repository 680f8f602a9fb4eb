"""``kato-service`` as a person starts it: what it refuses, says, and how it ends."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import kato_service

New = Callable[..., Any]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "kato_service", *arguments],
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        pytest.param({"PORT": "99999"}, "PORT", id="number out of range"),
        pytest.param({"SESSION_TTL": "soon"}, "SESSION_TTL", id="no number"),
        pytest.param({"STM_MODE": "KEEP"}, "STM_MODE", id="unknown word"),
        pytest.param({"PROCESSOR_ID": "a/b"}, "PROCESSOR_ID", id="forbidden character"),
        pytest.param({"REDIS_URL": "http://x"}, "REDIS_URL", id="wrong scheme"),
        pytest.param({"REDIS_URL": "redis://h/0?foo=bar"}, "REDIS_URL", id="unknown option"),
        pytest.param({"MONGO_BASE_URL": "mongodb://h/?tls=maybe"}, "MONGO_BASE_URL", id="driver"),
        pytest.param({"HOST": "nope.invalid"}, "HOST", id="no such host"),
        pytest.param({"SESSION_STORE": "redis"}, "REDIS_URL", id="missing URL"),
        pytest.param({"WORKERS": "2"}, "WORKERS", id="workers with embedded stores"),
        pytest.param({"MONGO_POOL_MIN_SIZE": "60"}, "MONGO_POOL", id="pool upside down"),
        pytest.param({"RECALL_THRESHOLD": "nan"}, "RECALL_THRESHOLD", id="not a number"),
        pytest.param({"LOG_RETENTION_S": "1e12"}, "LOG_RETENTION_S", id="beyond all dates"),
        pytest.param({"LOG_RETENTION_S": "0.01"}, "LOG_RETENTION_S", id="no time to append"),
        pytest.param({"MAX_REQUESTS_IN_FLIGHT": "9" * 30}, "MAX_REQUESTS", id="beyond 64 bits"),
        pytest.param({"KATO_ENGINE": "gpu"}, "KATO_ENGINE", id="unknown engine"),
        pytest.param({"DATA_DIR": "/proc/nowhere"}, "DATA_DIR", id="folder that cannot be"),
    ],
)
def test_a_wrong_variable_stops_the_start_with_one_line(
    variables: dict[str, str], named: str
) -> None:
    done = run(**variables)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert named in line
    assert "accepted" in line or "missing" in line or "set" in line


def test_a_refused_secret_is_not_repeated() -> None:
    done = run(REDIS_URL="tcp://user:hunter2@host")
    assert done.returncode == 2
    assert "hunter2" not in done.stderr + done.stdout


def test_help_lists_every_variable_with_its_default() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("PROCESSOR_ID", "SESSION_TTL", "MONGO_POOL_SIZE", "KNOWLEDGE_MEMORY_BYTES"):
        assert f"  {name}\n" in done.stdout
    assert "Default: 3600." in done.stdout


def test_it_says_its_version() -> None:
    assert run("--version").stdout == f"kato-service {kato_service.__version__}\n"


def test_it_says_in_its_log_and_health_what_it_runs_on(new_service: New) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    body = httpx.get(f"{service.url}/v2/health").json()
    backends = {name: part["backend"] for name, part in body["components"].items()}
    assert backends == {"redis": "memory", "mongodb": "sqlite", "qdrant": "local"}
    lines = [json.loads(line) for line in service.log.splitlines()]
    (start,) = (line for line in lines if line["event"] == "service starting")
    assert {name: start[name] for name in backends} == backends
    assert start["engine"] == body["engine"]
    assert service.stop() == 0


def test_sigterm_lets_a_request_finish_and_keeps_what_was_acknowledged(new_service: New) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    session = created(service.url)
    answers: list[int] = []
    observations = [{"strings": [f"s{i}", "x"]} for i in range(1000)]
    body = {"observations": observations, "learn_after_each": True}

    def send() -> None:
        url = f"{service.url}{session}/observe-sequence"
        answers.append(httpx.post(url, json=body, timeout=60).status_code)

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.3)
    assert service.stop() == 0
    sender.join(timeout=60)
    assert answers == [200]
    service.start()
    service.await_ready()
    again = created(service.url)
    page = httpx.get(f"{service.url}{again}/patterns", params={"limit": 1000}).json()
    assert len(page["patterns"]) == 1000


def created(url: str) -> str:
    session_id = httpx.post(f"{url}/v2/sessions", json={"user_id": "me"}).json()["session_id"]
    return f"/v2/sessions/{session_id}"


def test_sigterm_under_load_ends_in_time_and_keeps_what_was_acknowledged(new_service: New) -> None:
    service = new_service(SHUTDOWN_GRACE_S="10", VECTORS="disabled")
    service.start()
    service.await_ready()
    acknowledged: list[str] = []
    stopping = threading.Event()

    def learn_on_and_on(number: int) -> None:
        """Until the service takes no connection any more."""
        path = created(service.url) + "/observe-sequence"
        with httpx.Client(base_url=service.url, timeout=30) as client:
            for count in itertools.count():
                item = {"strings": [f"client {number} count {count}", "x"]}
                body = {"observations": [item], "learn_at_end": True}
                try:
                    response = client.post(path, json=body)
                except httpx.TransportError:
                    assert stopping.is_set()
                    return
                acknowledged.append(response.json().get("final_learned_pattern", response.text))

    with ThreadPoolExecutor(8) as clients:
        learning = [clients.submit(learn_on_and_on, number) for number in range(8)]
        while len(acknowledged) < 50:
            time.sleep(0.01)
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
        page = httpx.get(url + path, params=params, timeout=30).json()
        names |= {pattern["name"] for pattern in page["patterns"]}
        cursor = page["next_cursor"]
    return names


def test_sigterm_closes_sockets_as_going_away(new_service: New) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    url = service.url.replace("http", "ws", 1) + created(service.url) + "/ws"
    with connect(url) as socket:
        socket.send('{"type": "ping"}')
        assert json.loads(socket.recv(timeout=10))["type"] == "pong"
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert service.process.wait(timeout=30) == 0


def test_embedded_knowledge_survives_a_kill(new_service: New) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    session = created(service.url)
    httpx.post(f"{service.url}{session}/observe", json={"strings": ["a", "b"]})
    assert httpx.post(f"{service.url}{session}/learn").json()["frequency"] == 1
    service.kill9()
    service.start()
    service.await_ready()
    session = created(service.url)
    httpx.post(f"{service.url}{session}/observe", json={"strings": ["a", "b"]})
    assert httpx.get(f"{service.url}{session}/predictions").json()["count"] == 1


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
    service.await_ready(60)
    session = created(service.url)
    for number in range(20):
        body = {"strings": [f"s{number}"]}
        assert httpx.post(f"{service.url}{session}/observe", json=body).status_code == 200
    assert httpx.get(f"{service.url}{session}/stm").json()["length"] == 20
    workers = children(service.process.pid)
    assert len(workers) >= 2
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    give_up_at = time.monotonic() + 60
    while not service.is_ready():
        assert time.monotonic() < give_up_at, service.log[-2000:]
        time.sleep(0.1)
    assert httpx.get(f"{service.url}{session}/stm").json()["length"] == 20
    assert service.stop() == 0


def children(pid: int) -> list[int]:
    """Worker processes: what multiprocessing spawned, but its resource tracker."""
    import psutil

    found = psutil.Process(pid).children()
    return [child.pid for child in found if "resource_tracker" not in " ".join(child.cmdline())]
