"""Observing and learning through one worker, compared with floors: the same stack without KATO.

`run.py` calls this module; ``python bench/sessions.py`` runs it alone. Service, Redis and load
share the machine's processors; the processor time of each shows which one was the bottleneck.

``BEFORE=<folder>`` names a checkout of another version, whose engine is built: its service and its
floor are measured in turns with ours.
"""

import asyncio
import gc
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvloop
from embedded import processor_s
from redis import Redis
from redis.exceptions import RedisError

from kato_service.connections.redis_client import RedisOptions
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.store import Limits, NewSession

HERE = Path(__file__).resolve().parent
BEFORE = os.environ.get("BEFORE")
FLOORS = ("asgi", "pipelined", "floor")
"""Programs of `served.py`: a server that asks nobody, one that sends the same commands to Redis,
and the same with a framework."""
OTHER = " before"
"""Ends the names of programs of the other checkout."""
TURNS = 2
STM_EVENTS = 20
CLIENTS = (1, 20, 200)
MANY = 10_000
SEED = 20261123
MEASURED_S = 4.0
WARM_UP_S = 1.0
Row = dict[str, str | int | float]
Requests = list[list[tuple[str, str, Any]]]


@dataclass
class Server:
    """A process of the service or of the floor."""

    name: str
    port: int
    process: "subprocess.Popen[str]"

    def longest_stall(self) -> dict[str, float]:
        """The longest stall since the last call."""
        self.process.send_signal(signal.SIGUSR1)
        assert self.process.stdout is not None
        found: dict[str, float] = json.loads(self.process.stdout.readline())
        return found

    def cpu_s(self) -> float:
        return processor_s(self.process.pid)


@dataclass
class Stores:
    redis: Redis
    url: str
    pid: int

    def cpu_s(self) -> float:
        return processor_s(self.pid)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def redis() -> Iterator[Stores]:
    """Redis as the operator runs it: every write is on disk before it is acknowledged."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise SystemExit("redis-server is not installed: run apt-get install redis-server")
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
        home = Path(BEFORE) if BEFORE and what.endswith(OTHER) else HERE.parent
        program = what.removesuffix(OTHER)
        process = subprocess.Popen(
            [sys.executable, str(home / "bench" / "served.py"), program],
            env={"DATA_DIR": directory, "HOST": "127.0.0.1", "LOG_LEVEL": "warning"}
            | {"PORT": str(port), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(home / "service")}
            | variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            ready = "/health/ready" if program == "kato" else "/openapi.json"
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


def load(
    port: int, requests: Requests, seconds: float = MEASURED_S, *, count: int = 0
) -> dict[str, float]:
    """What the load generator, a separate process, measured; it ends by time or by *count*."""
    found = subprocess.run(
        [sys.executable, str(HERE / "load.py"), str(port), str(seconds), str(count)],
        input=json.dumps(requests),
        stdout=subprocess.PIPE,
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


def in_turn(sessions: list[str]) -> list[tuple[str, str, Any]]:
    """The requests of one client that observes on all *sessions* in turn."""
    return [one for (one,) in observing(sessions)]


@contextmanager
def kato_and(*others: str) -> Iterator[tuple[Stores, Server, list[Server], httpx.Client]]:
    """KATO and other programs on one Redis, and a client of KATO."""
    with ExitStack() as stack:
        stores = stack.enter_context(redis())
        variables = {
            "REDIS_URL": stores.url,
            "PROCESSOR_ID": "bench",
            "MAX_STM_EVENTS": str(STM_EVENTS),
            "MAX_SESSIONS": str(2 * MANY),
        }
        kato = stack.enter_context(server("kato", **variables))
        found = [stack.enter_context(server(one, **variables)) for one in others]
        client = httpx.Client(base_url=f"http://127.0.0.1:{kato.port}", timeout=60)
        yield stores, kato, found, stack.enter_context(client)


class Measured:
    """What some clients got from one program, in several turns."""

    def __init__(self, program: Server, stores: Stores, requests: Requests) -> None:
        self._program = program
        self._stores = stores
        self._requests = requests
        self._found: list[dict[str, float]] = []
        self._cpu_s = self._redis_cpu_s = 0.0
        load(program.port, requests, WARM_UP_S)
        program.longest_stall()

    def measure(self) -> None:
        cpu_s, redis_cpu_s = self._program.cpu_s(), self._stores.cpu_s()
        found = load(self._program.port, self._requests, MEASURED_S / TURNS)
        self._cpu_s += self._program.cpu_s() - cpu_s
        self._redis_cpu_s += self._stores.cpu_s() - redis_cpu_s
        self._found.append(found | self._program.longest_stall())

    @property
    def rate(self) -> float:
        return self._mean("per_s")

    def row(self, floor: float) -> Row:
        """*floor*: the rate of the floor."""
        count = sum(one["count"] for one in self._found)
        return {
            "program": self._program.name,
            "clients": len(self._requests),
            "observe/s": round(self.rate),
            "of the floor": self.rate / floor,
            "p50 ms": self._mean("p50_ms"),
            "p99 ms": self._mean("p99_ms"),
            "cpu µs": self._cpu_s * 1e6 / count,
            "redis cpu µs": self._redis_cpu_s * 1e6 / count,
            "load cpu": self._mean("cpu"),
            "stall ms": max(one["late_ms"] for one in self._found),
            "of it computing ms": max(one["computed_ms"] for one in self._found),
            "refused": int(sum(one["refused"] for one in self._found)),
        }

    def _mean(self, figure: str) -> float:
        return statistics.mean(one[figure] for one in self._found)


def observe_rows() -> list[Row]:
    """The same clients on the floors and on KATO, in turns."""
    others = (*FLOORS, *(("floor before", "kato before") if BEFORE else ()))
    with kato_and(*others) as (stores, kato, floors, client):
        programs = (*floors, kato)
        return [row for count in CLIENTS for row in _observe_rows(count, stores, programs, client)]


def _observe_rows(
    count: int, stores: Stores, programs: Sequence[Server], client: httpx.Client
) -> list[Row]:
    measured: dict[str, Measured] = {}
    for one in programs:
        requests = observing(created(client, count))
        for mine in requests:
            # All programs start with a full STM.
            fill = {"observations": [{"strings": ["hello", "world"]}] * STM_EVENTS}
            client.post(f"{mine[0][1]}-sequence", json=fill).raise_for_status()
        measured[one.name] = Measured(one, stores, requests)
    for turn in range(TURNS):
        # Back and forth, so that what changes on the machine meanwhile hits all alike.
        for each in list(measured.values())[:: -1 if turn % 2 else 1]:
            each.measure()
    return [each.row(measured["floor"].rate) for each in measured.values()]


def store_rows() -> list[Row]:
    with redis() as stores:
        return uvloop.run(_store_rows(stores.url))


async def _store_rows(url: str) -> list[Row]:
    """What the store costs alone: round trips of one caller, with decoding and encoding."""
    pool = RedisConnectionPool(RedisOptions(url))
    store = RedisSessionStore(pool.client, "bench-store")
    rows: list[Row] = []
    gc.collect()
    gc.freeze()  # as the service does after its set-up
    for events in (0, STM_EVENTS, 1000):
        given = NewSession(uuid4().hex, uuid4().hex, None, "kb", 3600, {}, {})
        session_id = (await store.create(given, Limits(10**6, None))).session_id
        lock = await store.lock(session_id, "me", rolling_forward=False)
        assert lock is not None
        stm = tuple((f"s{number}", "x") for number in range(events))
        await store.save(lock, replace(lock.state, stm=stm), None)
        times: dict[str, list[float]] = {"load": [], "lock": [], "save one event more": []}
        for _ in range(400):
            began = time.perf_counter()
            await store.load(session_id)
            loaded = time.perf_counter()
            lock = await store.lock(session_id, "me", rolling_forward=False)
            assert lock is not None
            locked = time.perf_counter()
            longer = (*lock.state.stm, ("new", "x"))[-events:] if events else ()
            await store.save(lock, replace(lock.state, stm=longer), None)
            saved = time.perf_counter()
            for name, took in zip(
                times, (loaded - began, locked - loaded, saved - locked), strict=True
            ):
                times[name].append(took * 1000)
        p50 = {f"{name} p50 ms": statistics.median(found) for name, found in times.items()}
        rows.append({"events in the STM": events, **p50})
    await pool.close()
    return rows


def learn_rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        return uvloop.run(_learn_rows(Path(directory)))


async def _learn_rows(directory: Path) -> list[Row]:
    """Concurrent learns, each acknowledged when durable; the log writes them in groups."""
    log = SqliteKnowledgeLog(directory / "learns.sqlite")
    bases = KnowledgeBases(log, PatternSearcher().new_index)
    await bases.start()
    base = bases.get("bench")
    each = 100
    rows: list[Row] = []
    for learners in (1, 20, 200):

        async def learn(who: int, learners: int = learners) -> None:
            for turn in range(each):
                events = ((f"{learners}-{who}",), (f"{turn}",))
                entry = Learn(uuid4().hex, pattern_name(events), events, None, 5)
                await base.append([entry], since=0)

        began = time.perf_counter()
        await asyncio.gather(*(learn(who) for who in range(learners)))
        elapsed_s = time.perf_counter() - began
        rows.append({"learners at once": learners, "learns/s": round(learners * each / elapsed_s)})
    await bases.close()
    return rows


def many_rows() -> list[Row]:
    """Ten thousand live sessions: created, observed on in random order, listed."""
    with kato_and() as (stores, kato, _, client):
        return [_many_row(stores, kato, client)]


def _many_row(stores: Stores, kato: Server, client: httpx.Client) -> Row:
    before = stores.redis.info("memory")["used_memory"]
    create = [("POST", "/v2/sessions", {"ttl_seconds": 86400})]
    made = load(kato.port, [create] * 20, count=MANY)
    idle = (stores.redis.info("memory")["used_memory"] - before) / made["count"]
    ids = [
        key.decode().partition("{")[2].rstrip("}")
        for key in stores.redis.scan_iter("kato:bench:{*}", count=1000)
    ]
    random.Random(SEED).shuffle(ids)
    seen = load(kato.port, [in_turn(ids[i::200]) for i in range(200)])
    pages: list[float] = []
    cursor: str | None = None
    while cursor is not None or not pages:
        began = time.perf_counter()
        given = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        cursor = client.get("/v2/sessions", params=given).raise_for_status().json()["next_cursor"]
        pages.append((time.perf_counter() - began) * 1000)
    return {
        "live sessions": len(ids),
        "creates/s": round(made["per_s"]),
        "Redis bytes per idle session, indexes too": round(idle),
        "observe/s, 200 clients on all": round(seen["per_s"]),
        "observe p50 ms": seen["p50_ms"],
        "observe p99 ms": seen["p99_ms"],
        "page of 100, p50 ms": statistics.median(pages),
        "refused": int(made["refused"] + seen["refused"]),
    }


SESSION_MEASURES: dict[str, Callable[[], list[Row]]] = {
    "Observing compared with floors, Redis with appendfsync always": observe_rows,
    "Sessions in Redis, one caller": store_rows,
    "Durable learns, SQLite": learn_rows,
    "Many sessions": many_rows,
}


def show(title: str, rows: list[Row]) -> None:
    print(f"\n{title}\n" + " | ".join(rows[0]))
    for row in rows:
        print(" | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()))


if __name__ == "__main__":
    print("load average before:", *os.getloadavg())
    for title, measured in SESSION_MEASURES.items():
        show(title, measured())
    print("\nload average after:", *os.getloadavg())
