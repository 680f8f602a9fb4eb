"""The cluster of the e2e tests, and clients of the instances on it."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clusters import ARCHITECTURE, Cluster, wants_current_cluster
from commands import ROOT, run_visibly
from kato_platform import platform

FORWARD_PATIENCE_S = 20.0
RELEASE = ROOT / ".cache" / "e2e-dist"


class RefusedError(Exception):
    """The service responded with an error; carries status and body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


@dataclass
class Forward:
    """``kubectl port-forward`` to a service or pod; starts again after it died with its pod."""

    cluster: Cluster
    target: str
    namespace: str = "default"
    process: subprocess.Popen[str] | None = None
    url: str = ""

    def open(self) -> str:
        if self.process is not None and self.process.poll() is None:
            return self.url
        self.close()
        self.process = subprocess.Popen(
            [
                *(self.cluster.tool("kubectl"), "port-forward"),
                *("-n", self.namespace, self.target, ":8000"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **self.cluster.env},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.url = "http://" + line.split(" -> ")[0].removeprefix("Forwarding from ")
        return self.url

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)
            if self.process.stdout is not None:
                self.process.stdout.close()
        self.process = None


@dataclass
class Client:
    """HTTP to an instance, through its Service or one of its pods."""

    forward: Forward
    refused: list[int] = field(default_factory=list)
    token: str = ""

    def once(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Send one request; raises `RefusedError`, or OSError if the connection breaks."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        url = self.forward.open() + path
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise RefusedError(error.code, json.load(error)) from error

    def call(self, method: str, path: str, body: Any = None, *, patience_s: float = 90) -> Any:
        """Repeat a request through broken connections, 503 and 504 (give it a unique_id)."""
        give_up_at = time.monotonic() + patience_s
        while True:
            try:
                return self.once(method, path, body)
            except RefusedError as refused:
                if refused.status not in {503, 504} or time.monotonic() > give_up_at:
                    raise
                self.refused.append(refused.status)
            except (OSError, ValueError):
                self.forward.close()
                if time.monotonic() > give_up_at:
                    raise
            time.sleep(0.25)

    def session(self, user_id: str, **more: Any) -> str:
        body = {"user_id": user_id, **more}
        return "/v2/sessions/" + self.call("POST", "/v2/sessions", body)["session_id"]

    def learn(self, session: str, words: str, **more: Any) -> Any:
        body = {"observations": [{"strings": [word]} for word in words.split()], **more}
        return self.call("POST", f"{session}/observe-sequence", {**body, "learn_at_end": True})

    def predicted(self, session: str, words: str) -> list[dict[str, Any]]:
        self.call("POST", f"{session}/clear-stm", {})
        body = {"observations": [{"strings": [word]} for word in words.split()]}
        self.call("POST", f"{session}/observe-sequence", body)
        found: list[dict[str, Any]] = self.call("GET", f"{session}/predictions")["predictions"]
        return found


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with the chart installed; a test node is removed afterwards.

    The test node runs what is released: the chart and images of `make dist`. A cluster that
    KUBECONFIG or CLUSTER names runs images that docker builds: buildah may be missing there.
    """
    with platform(None if wants_current_cluster() else build_release()) as found:
        yield found


def build_release() -> Path:
    """A release of this checkout, for this machine's architecture alone."""
    command = (sys.executable, ROOT / "release" / "dist.py", "--out", RELEASE)
    run_visibly(*command, "--arch", ARCHITECTURE)
    return RELEASE


@pytest.fixture
def connect(cluster: Cluster) -> Iterator[Any]:
    """A function for clients: connect("prod") or connect("prod", "pod/prod-…")."""
    forwards: list[Forward] = []

    def connected(name: str, target: str = "", namespace: str = "default") -> Client:
        forward = Forward(cluster, target or f"service/{name}", namespace)
        forwards.append(forward)
        return Client(forward)

    yield connected
    for forward in forwards:
        with suppress(OSError):
            forward.close()
