"""What one request, one learn and one pattern cost: the constants of the simulation of replicas.

``python bench/scale_costs.py`` measures them on this machine and prints them as JSON. Times are
processor time, which other programs hardly affect. Knowledge is in SQLite: the client of MongoDB
costs more, and the server's own cost is not measured here.
"""

import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import bson
import httpx
import psutil
from loading import loading_rows, patterns
from sessions import STM_EVENTS, Requests, Server, Stores, created, load, redis, server

from kato_service.domain.deadline import Deadline
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.model.pattern_views import PatternView
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.stores.view_documents import encoded_view
from kato_service.logs import configure_logs
from kato_service.search.pattern_searcher import PatternSearcher

CLIENTS = 20
REQUESTS = 4_000
TAUGHT = 50
"""Patterns of a user's knowledge base in the measured predictions."""
BASES = 200
SIZES = (5, 105)
"""Patterns of small knowledge bases; the difference tells what a pattern costs."""
LARGE = 20_000


@dataclass(frozen=True, slots=True)
class Costs:
    """Constants, each measured by `measured` unless it says otherwise."""

    observe_us: float
    """Processor time of the service per observe, µs."""
    predict_us: float
    """The same for predictions from a small knowledge base, with its look-up of the log."""
    learn_us: float
    """The same for a learn of a short-term memory of two events."""
    redis_observe_us: float
    """Processor time of Redis per observe, µs."""
    redis_predict_us: float
    redis_learn_us: float
    session_bytes: float
    """Memory of Redis per session with 20 events in its short-term memory."""
    load_us: float
    """Processor time to load an empty knowledge base, µs."""
    load_pattern_us: float
    """Processor time to load one pattern from the views of MongoDB, µs."""
    view_bytes: float
    """What is read from MongoDB per pattern."""
    fold_us: float
    """Processor time to take over a learn that another replica made, µs."""
    base_bytes: float
    """Memory of the service per knowledge base without its patterns."""
    pattern_bytes: float
    """Memory of the service per pattern."""


def measured() -> Costs:
    """Costs on this machine, in about a minute."""
    rows = {str(row["what"]): row for row in asyncio.run(loading_rows(LARGE))}
    views = rows["views as MongoDB's batches (recorded)"]
    return Costs(
        **_request_costs(),
        **asyncio.run(_bases()),
        load_pattern_us=float(views["processor µs / pattern"]),
        view_bytes=_view_bytes(),
        fold_us=float(rows["the log alone, in SQLite"]["processor µs / pattern"]),
    )


def _request_costs() -> dict[str, float]:
    with (
        redis() as stores,
        server("kato", REDIS_URL=stores.url, MAX_STM_EVENTS=str(STM_EVENTS)) as kato,
        httpx.Client(base_url=f"http://127.0.0.1:{kato.port}", timeout=60) as client,
    ):
        _taught(client, "first")  # the scripts of Redis take memory once
        before = stores.redis.info("memory")["used_memory"]
        ids = [_taught(client, f"user {number}") for number in range(CLIENTS)]
        session_bytes = (stores.redis.info("memory")["used_memory"] - before) / len(ids)
        event = {"strings": ["hello", "world"]}
        observe = [_request(one, "observe", event) for one in ids]
        observed, redis_observed = _cost(kato, stores, [[each] for each in observe])
        predict: Requests = [[("GET", f"/v2/sessions/{one}/predictions", None)] for one in ids]
        predicted, redis_predicted = _cost(kato, stores, predict)
        both: Requests = [
            [each, _request(one, "learn", {})] for each, one in zip(observe, ids, strict=True)
        ]
        learned, redis_learned = _cost(kato, stores, both)
        return {
            "observe_us": observed,
            "predict_us": predicted,
            "learn_us": 2 * learned - observed,
            "redis_observe_us": redis_observed,
            "redis_predict_us": redis_predicted,
            "redis_learn_us": 2 * redis_learned - redis_observed,
            "session_bytes": session_bytes,
        }


def _request(session: str, operation: str, body: object) -> tuple[str, str, Any]:
    return "POST", f"/v2/sessions/{session}/{operation}", body


def _taught(client: httpx.Client, user: str) -> str:
    """The id of a session with a full short-term memory, whose user has taught some patterns."""
    (session,) = created(client, 1, user_id=user)
    url = f"/v2/sessions/{session}/observe-sequence"
    for number in range(TAUGHT):
        events = [{"strings": [f"s{number * 7 + at}"]} for at in range(6)]
        body = {"observations": events, "learn_at_end": True}
        client.post(url, json=body).raise_for_status()
    events = [{"strings": ["hello", "world"]}] * STM_EVENTS
    client.post(url, json={"observations": events}).raise_for_status()
    return session


def _cost(kato: Server, stores: Stores, requests: Requests) -> tuple[float, float]:
    """Processor time per request of the service and of Redis, in µs."""
    load(kato.port, requests, count=REQUESTS // 4)
    before = kato.cpu_s(), stores.cpu_s()
    count = load(kato.port, requests, count=REQUESTS)["count"]
    return (kato.cpu_s() - before[0]) * 1e6 / count, (stores.cpu_s() - before[1]) * 1e6 / count


async def _bases() -> dict[str, float]:
    """What knowledge bases cost to load and to hold: small ones of two sizes, in a line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "knowledge.sqlite"
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
            other.submit(_teach, path).result()  # what it frees must not hide what is held here
        bases = KnowledgeBases(SqliteKnowledgeLog(path), PatternSearcher().new_index)
        await bases.start()
        await _loaded(bases, 0, range(10))  # what the first loads import and allocate once
        few = await _loaded(bases, 0, range(10, BASES))
        many = await _loaded(bases, 1, range(10, BASES))
        await bases.close()
    more = SIZES[1] - SIZES[0]
    pattern_bytes = (many[1] - few[1]) / more
    return {
        "load_us": few[0] - SIZES[0] * (many[0] - few[0]) / more,
        "base_bytes": few[1] - SIZES[0] * pattern_bytes,
        "pattern_bytes": pattern_bytes,
    }


def _teach(path: Path) -> None:
    asyncio.run(_taught_bases(path))


async def _taught_bases(path: Path) -> None:
    bases = KnowledgeBases(SqliteKnowledgeLog(path), PatternSearcher().new_index)
    await bases.start()
    for which, size in enumerate(SIZES):
        for number in range(BASES):
            taught = patterns(size, number)
            learns = [Learn(uuid4().hex, each.name, each.events, None, 5) for each in taught]
            await bases.get(f"{which}-{number}").append(learns, since=0)
    await bases.materialise_due()
    await bases.close()


async def _loaded(bases: KnowledgeBases, which: int, numbers: range) -> tuple[float, float]:
    """Processor time in µs, and bytes of the process, per knowledge base that is loaded."""
    process = psutil.Process()
    began, size = time.process_time(), process.memory_info().rss
    for number in numbers:
        async with bases.get(f"{which}-{number}").reading(deadline=Deadline.after(60)):
            pass
    used, held = time.process_time() - began, process.memory_info().rss - size
    return used * 1e6 / len(numbers), held / len(numbers)


def _view_bytes() -> float:
    """Bytes per view as MongoDB sends it."""
    views = [encoded_view("kato~" + "0" * 40, PatternView(each)) for each in patterns(1000, 1)]
    return statistics.mean(len(bson.encode(view)) for view in views)


def main(show: Callable[[str], object] = print) -> None:
    configure_logs(level="error", style="json")
    show(
        json.dumps({name: round(value, 1) for name, value in asdict(measured()).items()}, indent=2)
    )


if __name__ == "__main__":
    main()
