"""Measures the prices that `scale_out.py` works with: processor time and bytes of single requests.

``python bench/scale_costs.py [FILE]`` starts Redis and one process of the service, and writes JSON
(`bench/scale_costs.json`), which says on what, and under which load, it was measured.
"""

import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import bson
import httpx
import psutil
from loading import batches
from scale_knowledge import EVENTS, prices
from sessions import (
    STM_EVENTS,
    Requests,
    Server,
    Stores,
    await_that,
    created,
    free_port,
    load,
    observing,
    redis,
)

from kato_service.domain.pattern import Pattern
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.model.pattern_views import PatternView
from kato_service.knowledge.stores.documents import encoded
from kato_service.knowledge.stores.view_documents import encoded_view
from kato_service.logs import configure_logs
from kato_service.search.pattern_searcher import PatternSearcher

OUT = Path(__file__).resolve().parent / "scale_costs.json"
SIZES = (50, 1000)
"""Patterns of the knowledge bases that are asked and loaded."""
CLIENTS, CREATED, OBSERVED = 20, 300, 2000
FILLED = 100
"""Sessions whose memory in Redis is measured."""
IDLE_S = 15.0
BASES, LARGE = 20, 200_000
"""Small knowledge bases whose memory is measured, and patterns of a large one."""
Costs = dict[str, float]


@dataclass(frozen=True)
class World:
    stores: Stores
    kato: Server
    client: httpx.Client


@contextmanager
def world() -> Iterator[World]:
    """The program as users start it: nothing watches its event loop, which would cost, too."""
    with ExitStack() as stack:
        stores, port = stack.enter_context(redis()), free_port()
        variables = {
            "REDIS_URL": stores.url,
            "DATA_DIR": stack.enter_context(tempfile.TemporaryDirectory()),
            "VECTORS": "disabled",
            "MAX_STM_EVENTS": str(STM_EVENTS),
            "PORT": str(port),
            "HOST": "127.0.0.1",
            "LOG_LEVEL": "error",
        }
        process = subprocess.Popen([sys.executable, "-m", "kato_service"], env=variables, text=True)
        stack.callback(process.wait, timeout=60)
        stack.callback(process.terminate)
        address = f"http://127.0.0.1:{port}"
        await_that(lambda: httpx.get(f"{address}/health/ready").raise_for_status())
        client = stack.enter_context(httpx.Client(base_url=address, timeout=60))
        yield World(stores, Server("kato", port, process), client)


def measured(here: World, requests: Requests, count: int) -> Costs:
    """What each of *count* requests cost, after some to warm up."""
    load(here.kato.port, requests, count=len(requests))
    service, store = here.kato.cpu_s(), here.stores.cpu_s()
    done = load(here.kato.port, requests, count=count)["count"]
    return {
        "service_us": (here.kato.cpu_s() - service) * 1e6 / done,
        "redis_us": (here.stores.cpu_s() - store) * 1e6 / done,
    }


def served(here: World) -> dict[str, Costs]:
    """A process that nobody asks, creating a session, observing, and what Redis holds then."""
    resident, used = psutil.Process(here.kato.process.pid).memory_info().rss, here.kato.cpu_s()
    time.sleep(IDLE_S)
    idle_us = (here.kato.cpu_s() - used) * 1e6 / IDLE_S
    before = _redis_bytes(here)
    create: Requests = [[("POST", "/v2/sessions", {"user_id": f"u{n}"})] for n in range(CLIENTS)]
    creating = measured(here, create, CREATED)
    session_bytes = (_redis_bytes(here) - before) / (CREATED + CLIENTS)
    sessions = [created(here.client, 1, user_id=f"seen {n}")[0] for n in range(FILLED)]
    before = _redis_bytes(here)
    body = {"observations": [{"strings": ["hello", "world"]}] * STM_EVENTS}
    for one in sessions:
        here.client.post(f"/v2/sessions/{one}/observe-sequence", json=body).raise_for_status()
    stm_bytes = (_redis_bytes(here) - before) / FILLED
    return {
        "create": creating,
        "observe": measured(here, observing(sessions[:CLIENTS]), OBSERVED),
        "idle": {"service_us_per_s": idle_us, "resident_bytes": float(resident)},
        "redis_bytes": {"session": session_bytes, f"stm_of_{STM_EVENTS}": stm_bytes},
    }


def _redis_bytes(here: World) -> int:
    return int(here.stores.redis.info("memory")["used_memory"])


def sizes() -> Costs:
    """Bytes of a knowledge base in memory, and of a learned pattern in the log and the views."""
    program = Path(__file__).resolve().parent / "small_bases.py"
    command = [sys.executable, str(program), "c", str(BASES)]
    small = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    index = PatternSearcher("c").new_index()
    for batch in batches(LARGE, 1):
        for pattern in batch:
            index.put(pattern, learns=1)
    events = tuple((f"symbol {n}",) for n in range(EVENTS))
    learn = Learn(uuid4().hex, "0" * 40, events, None, 5)
    view = PatternView(Pattern("0" * 40, events, first=1, revision=1))
    kb = f"kato~{'0' * 40}"
    return {
        "base_of_50_bytes": small["KB of process"] * 1000,
        "pattern_bytes_in_a_large_base": index.memory_bytes() / LARGE,
        "log_entry_bytes": len(bson.encode(encoded(kb, 1, learn, datetime.now(UTC)))),
        "view_bytes": len(bson.encode(encoded_view(kb, view))),
    }


def main(out: Path) -> None:
    configure_logs(level="error", style="console")
    with world() as here:
        requests = served(here)
    found = {
        "measured_on": {
            "at": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "stores": "Redis with appendfsync always; SQLite in the process",
            "load": os.getloadavg()[0],
        },
        **requests,
        **asyncio.run(prices(SIZES)),
        "sizes": sizes(),
    }
    out.write_text(json.dumps(_rounded(found), indent=1) + "\n", encoding="utf-8")
    print(f"written to {out}")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.3g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
