"""HTTP to instances in the cluster, through ``kubectl port-forward``."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from clusters import Cluster


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
