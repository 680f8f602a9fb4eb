"""Many small knowledge bases: memory of each, and what a scrape of the metrics costs.

`small_bases.py ENGINE BASES` measures the memory alone, in this process, and prints JSON: a process
that has measured another engine before has memory to reuse.
"""

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

from embedded import Client, directory, processor_s, service
from engine import Row

from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.logs import configure_logs
from kato_service.search.pattern_searcher import PatternSearcher

WORDS = [f"symbol {number}" for number in range(1000)]
"""What all users draw their symbols from."""
PATTERNS, EVENTS, BASES = 50, 6, 500
WARM = 50
"""Knowledge bases that are made before the first look at the memory."""
USERS = (100, 2000)
SCRAPES = 40


def memory_rows() -> list[Row]:
    """Memory of one knowledge base of 50 patterns, measured and estimated, by engine."""
    rows: list[Row] = []
    for engine in ("c", "numpy"):
        command = [sys.executable, __file__, engine, str(BASES)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        rows.append({"engine": engine, "bases": BASES, **found})
    return rows


def metrics_rows() -> list[Row]:
    """Processor time of a scrape, and of the cheapest request, by users that have learned."""
    rows: list[Row] = []
    for users in USERS:
        with (
            directory() as data,
            service(data, VECTORS="disabled", MAX_SESSIONS="100000") as client,
        ):
            rows.append(_scraped(users, client))
    return rows


def _scraped(users: int, client: Client) -> Row:
    learned = [{"strings": [word]} for word in WORDS[:EVENTS]]
    for number in range(users):
        created = client.value("POST", "/v2/sessions", {"user_id": f"user {number}"})
        path = f"/v2/sessions/{created['session_id']}/observe-sequence"
        client.ask("POST", path, {"observations": learned, "learn_at_end": True})
    scrape, live = (_processor_ms(client, path) for path in ("/metrics", "/health/live"))
    return {"users": users, "scrape ms": scrape, "live ms": live}


def _processor_ms(client: Client, path: str) -> float:
    before = processor_s(client.pid)
    for _ in range(SCRAPES):
        client.ask("GET", path)
    return (processor_s(client.pid) - before) * 1000 / SCRAPES


async def memory(engine: str, count: int) -> dict[str, float]:
    """KB of one knowledge base: by growth of the process, and as its residency estimates."""
    configure_logs(level="error", style="console")
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as made:
        log = SqliteKnowledgeLog(Path(made) / "knowledge.sqlite")
        bases = KnowledgeBases(log, PatternSearcher(engine).new_index)
        await bases.start()
        for number in range(WARM):
            await _learn(bases, f"warm~{number}", rng)
        gc.collect()
        grown, estimated = _resident_bytes(), bases.usage().used_bytes
        for number in range(count):
            await _learn(bases, f"user~{number}", rng)
        gc.collect()
        grown, estimated = _resident_bytes() - grown, bases.usage().used_bytes - estimated
        await bases.close()
    return {"KB of process": grown / count / 1000, "KB estimated": estimated / count / 1000}


async def _learn(bases: KnowledgeBases, kb: str, rng: random.Random) -> None:
    patterns = [tuple((word,) for word in _drawn(rng)) for _ in range(PATTERNS)]
    learns = [Learn(uuid4().hex, pattern_name(one), one, None, 5) for one in patterns]
    base = bases.get(kb)
    await base.append(learns, since=0)
    await base.materialise()


def _drawn(rng: random.Random) -> list[str]:
    """Words as new strings, as requests bring them."""
    return ["".join(list(word)) for word in rng.choices(WORDS, k=EVENTS)]


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(memory(sys.argv[1], int(sys.argv[2])))))
