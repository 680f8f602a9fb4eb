"""Observing and learning through one worker, beside a floor program: the same stack, no KATO.

Called by run.py; alone: ``python bench/sessions.py``. Service, Redis and the load share the
machine's processors: what each of them used says which was the bottleneck.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis import Redis
from redis.exceptions import RedisError

HERE = Path(__file__).resolve().parent
STM_EVENTS = 20
CLIENTS = (1, 20, 200)
MEASURED_S = 4.0
WARM_UP_S = 1.0
Row = dict[str, str | int | float]
Requests = list[list[tuple[str, str, Any]]]


@dataclass
class Server:
    """One process of the service or of the floor."""

    name: str
    port: int
    process: "subprocess.Popen[str]"

    def longest_stall(self) -> dict[str, float]:
        """Since the last time it was asked."""
        self.process.send_signal(signal.SIGUSR1)
        assert self.process.stdout is not None
        found: dict[str, float] = json.loads(self.process.stdout.readline())
        return found

    def cpu_s(self) -> float:
        return used_s(self.process.pid)


@dataclass
class Stores:
    redis: Redis
    url: str
    pid: int

    def cpu_s(self) -> float:
        return used_s(self.pid)


def used_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def redis() -> Iterator[Stores]:
    """As the operator runs it: every write is on disk before it is acknowledged."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise SystemExit("redis-server is missing: apt-get install redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        options = (
            *("--port", str(port), "--dir", directory, "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always"),
        )
        process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        client = Redis(port=port)
        try:
            await_that(lambda: client.ping())
            yield Stores(client, f"redis://127.0.0.1:{port}/0", process.pid)
        finally:
            process.kill()
            process.wait()


@contextmanager
def server(what: str, **variables: str) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "served.py"), what],
            env={"DATA_DIR": directory, "HOST": "127.0.0.1", "LOG_LEVEL": "warning"}
            | {"PORT": str(port), "PATH": "/usr/bin:/bin"}
            | variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            ready = "/health/ready" if what == "kato" else "/openapi.json"
            await_that(lambda: httpx.get(f"http://127.0.0.1:{port}{ready}").raise_for_status())
            yield Server(what, port, process)
        finally:
            process.terminate()
            process.wait(timeout=30)


def await_that(answers: Any) -> None:
    for _ in range(200):
        try:
            answers()
        except (httpx.HTTPError, RedisError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit("a server did not become ready within 20 s")


def load(port: int, requests: Requests, seconds: float = MEASURED_S) -> dict[str, float]:
    """What the load generator measured, in a process of its own."""
    found = subprocess.run(
        [sys.executable, str(HERE / "load.py"), str(port), str(seconds)],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, float] = json.loads(found.stdout)
    return answer


def created(client: httpx.Client, count: int, **fields: Any) -> list[str]:
    found = [client.post("/v2/sessions", json=fields) for _ in range(count)]
    return [response.raise_for_status().json()["session_id"] for response in found]


def observing(sessions: list[str]) -> Requests:
    body = {"strings": ["hello", "world"]}
    return [[("POST", f"/v2/sessions/{one}/observe", body)] for one in sessions]


def observe_rows(stores: Stores, kato: Server, floor: Server, client: httpx.Client) -> list[Row]:
    """The same clients against the floor and against KATO, one after the other."""
    rows: list[Row] = []
    for count in CLIENTS:
        rates: list[float] = []
        for one in (floor, kato):
            requests = observing(created(client, count))
            for mine in requests:
                # Both find an STM that is full already.
                fill = {"observations": [{"strings": ["hello", "world"]}] * STM_EVENTS}
                client.post(f"{mine[0][1]}-sequence", json=fill).raise_for_status()
            load(one.port, requests, WARM_UP_S)
            one.longest_stall()
            before = one.cpu_s(), stores.cpu_s()
            found = load(one.port, requests)
            stall = one.longest_stall()
            rates.append(found["per_s"])
            rows.append(
                {
                    "program": one.name,
                    "clients": count,
                    "observe/s": round(found["per_s"]),
                    "of the floor": rates[-1] / rates[0],
                    "p50 ms": found["p50_ms"],
                    "p99 ms": found["p99_ms"],
                    "cpu µs": (one.cpu_s() - before[0]) * 1e6 / found["count"],
                    "redis cpu µs": (stores.cpu_s() - before[1]) * 1e6 / found["count"],
                    "load cpu": found["cpu"],
                    "stall ms": stall["late_ms"],
                    "of it computing ms": stall["computed_ms"],
                    "refused": int(found["refused"]),
                }
            )
    return rows


def main() -> None:
    with ExitStack() as stack:
        stores = stack.enter_context(redis())
        variables = {
            "REDIS_URL": stores.url,
            "PROCESSOR_ID": "bench",
            "MAX_STM_EVENTS": str(STM_EVENTS),
        }
        kato = stack.enter_context(server("kato", **variables))
        floor = stack.enter_context(server("floor", **variables))
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{kato.port}"))
        for row in observe_rows(stores, kato, floor, client):
            print(
                " | ".join(
                    f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
                )
            )


if __name__ == "__main__":
    main()
