"""The service over IPv6: what it listens on, its Host rules, and stores at IPv6 addresses."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import patient
from support.servers import free_port
from support.waiting import until

New = Callable[..., Any]


def has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def ask(host: str, port: int, path: str = "/health/live", **headers: str) -> httpx.Response:
    return httpx.get(f"http://{host}:{port}{path}", headers=headers, timeout=patient.PATIENCE_S)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis that listens on ::1 alone."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "::1", "--dir", str(tmp_path), "--save", ""]
    with (tmp_path / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"redis://[::1]:{port}/0"
    finally:
        process.kill()
        process.wait(timeout=60)


def started(new_service: New, host: str, **variables: str) -> Any:
    service = new_service(HOST=host, LOG_FORMAT="console", **variables)
    service.start()

    def answers() -> bool:
        assert service.process.poll() is None, service.log[-2000:]
        with suppress(httpx.TransportError):
            return ask("[::1]", service.port, "/health/ready").status_code == 200
        return False

    until(answers, "the service answering on ::1")
    return service


def test_two_colons_mean_every_address_of_both_families(new_service: New) -> None:
    service = started(new_service, "::")
    for host in ("127.0.0.1", "[::1]"):
        assert ask(host, service.port).status_code == 200
    assert service.stop() == 0


def test_an_ipv6_loopback_answers_for_this_machine_alone_with_redis_there_too(
    new_service: New, redis_url: str
) -> None:
    service = started(new_service, "::1", REDIS_URL=redis_url)
    url = f"http://[::1]:{service.port}"
    with httpx.Client(base_url=url, timeout=patient.PATIENCE_S) as client:
        created = client.post("/v2/sessions", json={"user_id": "six"})
        assert created.status_code == 200, created.text
        session = created.json()["session_id"]
        assert client.get(f"/v2/sessions/{session}").status_code == 200
    for host, status in (("[::1]", 200), ("localhost", 200), ("evil.example", 403), ("[::2]", 403)):
        answer = ask("[::1]", service.port, "/v2/health", Host=f"{host}:{service.port}")
        assert answer.status_code == status, (host, answer.text)
    own = ask("[::1]", service.port, "/v2/health", Origin=url)
    foreign = ask("[::1]", service.port, "/v2/health", Origin="http://[::2]:80")
    assert (own.status_code, foreign.status_code) == (200, 403)
    assert url in service.log
    with pytest.raises(httpx.ConnectError):
        ask("127.0.0.1", service.port)
    assert service.stop() == 0
