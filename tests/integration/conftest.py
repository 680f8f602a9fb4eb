"""Real processes on free ports: the service with embedded stores, and a Kubernetes API server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from apiserver import (  # noqa: F401 - fixtures
    control_plane,
    kubernetes,
    namespace,
    operator,
    ready,
    space,
)

START_PATIENCE_S = 30.0
STOP_PATIENCE_S = 30.0

StartService = Callable[..., str]
NewSession = Callable[..., str]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + START_PATIENCE_S
    while process.poll() is None and time.monotonic() < give_up_at:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/health/ready", timeout=2).status_code == 200:
                return
        time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"the service did not start: {log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_PATIENCE_S)


@pytest.fixture(scope="session")
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartService]:
    """Starts a service with the given environment variables; answers its URL."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(**variables: str) -> str:
        directory = tmp_path_factory.mktemp("service")
        port = _free_port()
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": str(directory / "data")}
        log = directory / "service.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "kato_service"],
                env={**inherited, **own, **variables},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        processes.append(process)
        url = f"http://127.0.0.1:{port}"
        _await_ready(url, process, log)
        return url

    yield start
    for process in processes:
        _stop(process)


@pytest.fixture(scope="session")
def service_url(start_service: StartService) -> str:
    """A service shared by the whole run: use users of your own."""
    return start_service()


@pytest.fixture
def api(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=20) as client:
        yield client


@pytest.fixture
def new_session(api: httpx.Client) -> NewSession:
    """Creates a session, of a new user unless one is named; answers its id."""

    def create(**fields: Any) -> str:
        response = api.post("/v2/sessions", json={"user_id": uuid4().hex, **fields})
        assert response.status_code == 200, response.text
        session_id: str = response.json()["session_id"]
        return session_id

    return create


@pytest.fixture
def session_id(new_session: NewSession) -> str:
    return new_session()
