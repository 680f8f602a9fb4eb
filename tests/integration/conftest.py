"""Real processes on free ports: the service with embedded stores, and a Kubernetes API server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
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
NewService = Callable[..., "ServiceProcess"]
NewSession = Callable[..., str]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class ServiceProcess:
    """One process of the service, to be killed and started again on its port and data."""

    directory: Path
    variables: dict[str, str]
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.directory / "service.log").read_text(errors="replace")

    def start(self) -> None:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"HOST": "127.0.0.1", "PORT": str(self.port)}
        own["DATA_DIR"] = str(self.directory / "data")
        with (self.directory / "service.log").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kato_service"],
                env={**inherited, **own, **self.variables},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health/ready", timeout=2).status_code == 200
        return False

    def await_ready(self, patience_s: float = START_PATIENCE_S) -> None:
        assert self.process is not None
        give_up_at = time.monotonic() + patience_s
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > give_up_at:
                self.kill9()
                raise RuntimeError(f"the service is not ready: {self.log[-2000:]}")
            time.sleep(0.05)

    def kill9(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_PATIENCE_S)
            self.process = None

    def stop(self) -> int | None:
        """Ask it to end; its exit status."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_PATIENCE_S)
        finally:
            self.kill9()


@pytest.fixture(scope="session")
def new_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewService]:
    """``new_service(NAME=value, …)``: a service process with these variables, not started yet."""
    services: list[ServiceProcess] = []

    def make(**variables: str) -> ServiceProcess:
        services.append(ServiceProcess(tmp_path_factory.mktemp("service"), variables))
        return services[-1]

    yield make
    for service in services:
        service.stop()


@pytest.fixture(scope="session")
def start_service(new_service: NewService) -> StartService:
    """Starts a service with the given environment variables; answers its URL."""

    def start(**variables: str) -> str:
        service = new_service(**variables)
        service.start()
        service.await_ready()
        return service.url

    return start


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
