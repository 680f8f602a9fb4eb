"""Processes of the service, which tests start, kill and restart."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from support.forked import SERVICE, SERVICE_WITH_QDRANT, Process, started
from support.servers import START_PATIENCE_S, Killable, free_port

STOP_PATIENCE_S = 60.0
StartService = Callable[..., str]
NewService = Callable[..., "ServiceProcess"]


@dataclass
class ServiceProcess(Killable):
    """A process of the service that can be killed and restarted on its port and data."""

    kill_patience_s = STOP_PATIENCE_S

    directory: Path
    variables: dict[str, str]
    port: int = field(default_factory=free_port)
    process: Process | None = None

    @property
    def url(self) -> str:
        scheme = "https" if "TLS_CERT_FILE" in self.variables else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.directory / "service.log").read_text(errors="replace")

    def start(self) -> None:
        own = {"HOST": "127.0.0.1", "PORT": str(self.port)}
        own["DATA_DIR"] = str(self.directory / "data")
        program = SERVICE_WITH_QDRANT if "QDRANT_URL" in self.variables else SERVICE
        with (self.directory / "service.log").open("ab") as out:
            self.process = started(program, {**own, **self.variables}, out, self.directory)

    def is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{self.url}/health/ready", timeout=5, verify=False)
            return answer.status_code == 200
        return False

    def await_ready(self, patience_s: float = START_PATIENCE_S) -> None:
        assert self.process is not None
        give_up_at = time.monotonic() + patience_s
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > give_up_at:
                self.kill9()
                raise RuntimeError(f"the service is not ready: {self.log[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> int | None:
        """Send SIGTERM; return the exit status."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_PATIENCE_S)
        finally:
            self.kill9()


def _services(directories: pytest.TempPathFactory) -> Iterator[NewService]:
    services: list[ServiceProcess] = []

    def make(**variables: str) -> ServiceProcess:
        services.append(ServiceProcess(directories.mktemp("service"), variables))
        return services[-1]

    yield make
    for service in services:
        service.kill9()


@pytest.fixture
def new_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewService]:
    """``new_service(NAME=value, …)``: a process of the service with these variables, not started
    yet; it ends with the test."""
    yield from _services(tmp_path_factory)


@pytest.fixture(scope="module")
def new_lasting_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewService]:
    """The same for processes that the tests of one module share."""
    yield from _services(tmp_path_factory)


@pytest.fixture(scope="module")
def start_service(new_lasting_service: NewService) -> StartService:
    """Starts a service with the given environment variables; returns its URL."""
    return _starting(new_lasting_service)


@pytest.fixture(scope="session")
def new_shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewService]:
    """``new_service`` for the whole run: what it makes costs processor time until the run ends."""
    yield from _services(tmp_path_factory)


@pytest.fixture(scope="session")
def start_shared_service(new_shared_service: NewService) -> StartService:
    """``start_service`` for the whole run."""
    return _starting(new_shared_service)


def _starting(new: NewService) -> StartService:
    def start(**variables: str) -> str:
        service = new(**variables)
        service.start()
        service.await_ready()
        return service.url

    return start
