"""Runs the embedded service as a separate process, on knowledge written without HTTP."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from kato_service.domain.pattern import Pattern
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog

PORT = 18473
DATABASE = "knowledge.sqlite"
BATCH = 1000


@contextmanager
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@contextmanager
def service(data: Path, **environment: str) -> Iterator["Client"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "kato_service"],
        env={
            "DATA_DIR": str(data),
            "PORT": str(PORT),
            "HOST": "127.0.0.1",
            "LOG_LEVEL": "error",
            **environment,
        },
    )
    try:
        client = Client(process.pid)
        client.await_ready()
        yield client
        client.close()
    finally:
        process.terminate()
        process.wait(timeout=60)


def processor_s(pid: int) -> float:
    """Processor time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class RefusedError(Exception):
    """The service responded with an error; carries its text."""


class Client:
    """One connection that does as little work per request as a client can."""

    def __init__(self, pid: int = 0) -> None:
        """*pid*: the process of the service; 0: it is not needed."""
        self.pid = pid
        self._connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        headers = {} if content is None else {"content-type": "application/json"}
        self._connection.request(method, path, content, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RefusedError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return text

    def await_loaded(self, path: str) -> None:
        """Ask for *path* until it succeeds: the first request for a knowledge base loads it."""
        for _ in range(30):
            try:
                self.ask("GET", path)
            except RefusedError as refused:
                print(refused, file=sys.stderr)
            else:
                return
        raise SystemExit(f"GET {path} failed 30 times; see the answers above")

    def value(self, method: str, path: str, body: object = None) -> Any:
        return json.loads(self.ask(method, path, body))

    def await_ready(self) -> None:
        for _ in range(300):
            try:
                self.ask("GET", "/health/ready")
            except (OSError, http.client.HTTPException, RefusedError):
                self._connection.close()
                time.sleep(0.1)
            else:
                return
        raise SystemExit(f"the service on port {PORT} did not become ready within 30 s")

    def close(self) -> None:
        self._connection.close()


async def write_log(path: Path, kb: str, patterns: Iterable[Pattern]) -> None:
    """Write the log that learning *patterns* would have written."""
    log = SqliteKnowledgeLog(path)
    await log.start()
    await log.create(kb)
    learns = (Learn(f"t{p.first}", p.name, p.events, None, 5) for p in patterns)
    first = 1
    while batch := list(islice(learns, BATCH)):
        await log.insert(kb, first, batch)
        first += len(batch)
    await log.close()


def timed_ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


async def timed_s(work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started
