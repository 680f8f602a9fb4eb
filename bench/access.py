"""What authentication and rate limits add to an observation: processor time of the service.

All variants run at once and take turns in short rounds, so that they meet the same machine.
"""

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

import psutil
from embedded import PORT

ROUNDS, PER_ROUND = 40, 250
KEYS = 1000
KEY = "kato_" + "k" * 43
Row = dict[str, str | float]


def access_rows() -> list[Row]:
    """Microseconds of processor time for one observation, and the ratio to no authentication."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        keys = {"API_KEYS_FILE": str(keys_file(folder))}
        variants = {
            "no authentication": {},
            f"one of {KEYS} named keys": keys,
            "named key and rate limit": {**keys, "RATE_LIMIT_PER_S": "1000000"},
        }
        subjects = [
            stack.enter_context(running(title, folder / str(number), PORT + number, environment))
            for number, (title, environment) in enumerate(variants.items())
        ]
        for _ in range(ROUNDS):
            for subject in subjects:
                subject.round()
    reference = subjects[0].median_us
    return [
        {"credentials": it.title, "µs": it.median_us, "ratio": it.median_us / reference}
        for it in subjects
    ]


def keys_file(folder: Path) -> Path:
    path = folder / "keys.jsonl"
    keys = [f"other-{number}" for number in range(KEYS - 1)] + [KEY]
    path.write_text(
        "\n".join(
            json.dumps(
                {
                    "name": f"k{number}",
                    "sha256": sha256(key.encode()).hexdigest(),
                    "scopes": ["write"],
                    "user": "bench",
                }
            )
            for number, key in enumerate(keys)
        )
    )
    return path


class Subject:
    """A service process, and one connection to it that observes."""

    def __init__(self, title: str, process: psutil.Process, port: int) -> None:
        self.title = title
        self._process = process
        self._socket = socket.create_connection(("127.0.0.1", port))
        session_id = json.loads(self._ask("POST", "/v2/sessions", b'{"user_id":"bench"}'))
        self._observe = _request(
            "POST", f"/v2/sessions/{session_id['session_id']}/observe", b'{"strings":["a","b"]}'
        )
        self._clear = _request("POST", f"/v2/sessions/{session_id['session_id']}/clear-stm", b"")
        self._taken_us: list[float] = []

    @property
    def median_us(self) -> float:
        return statistics.median(self._taken_us)

    def round(self) -> None:
        self._exchange(self._clear)
        before = self._processor_s()
        for _ in range(PER_ROUND):
            self._exchange(self._observe)
        self._taken_us.append((self._processor_s() - before) * 1e6 / PER_ROUND)

    def close(self) -> None:
        self._socket.close()

    def _processor_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def _ask(self, method: str, path: str, body: bytes) -> bytes:
        return self._exchange(_request(method, path, body)).partition(b"\r\n\r\n")[2]

    def _exchange(self, request: bytes) -> bytes:
        self._socket.sendall(request)
        answer = b""
        while not _is_whole(answer):
            answer += self._socket.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
        return answer


@contextmanager
def running(title: str, data: Path, port: int, environment: dict[str, str]) -> Iterator[Subject]:
    own = {"DATA_DIR": str(data), "PORT": str(port), "HOST": "127.0.0.1", "LOG_LEVEL": "error"}
    process = subprocess.Popen([sys.executable, "-m", "kato_service"], env={**own, **environment})
    try:
        subject = Subject(title, psutil.Process(process.pid), _awaited(port))
        yield subject
        subject.close()
    finally:
        process.terminate()
        process.wait(timeout=60)


def _awaited(port: int) -> int:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return port
    raise SystemExit(f"the service on port {port} did not start within a minute")


def _request(method: str, path: str, body: bytes) -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    (length,) = (
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    )
    return len(body) >= length


if __name__ == "__main__":
    for row in access_rows():
        print(row)
