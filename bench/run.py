"""Measures and prints tables; JSON goes to build/bench/. Ratios come from one run, side by side.

`--large` also matches against a million patterns.

Nothing here passes or fails by time; exactness is asserted, since a wrong answer is no figure.
"""

import asyncio
import json
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import httpx
from engine import LIMIT, THRESHOLD, engine_rows

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Stm, pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.entries import Learn
from kato_service.knowledge.sqlite import SqliteKnowledgeLog
from kato_service.search.pattern_searcher import PatternSearcher

OUT = Path(__file__).resolve().parents[1] / "build" / "bench"
SEED = 20261123
Row = dict[str, str | int | float]


def zipf_patterns(count: int, alphabet: int, rng: random.Random) -> list[Stm]:
    """Distinct patterns of 4-60 one-symbol events, symbols drawn zipf-like."""
    symbols = [f"s{number}" for number in range(alphabet)]
    weights = list(accumulate(1 / (rank + 1) for rank in range(alphabet)))
    found: dict[str, Stm] = {}
    while len(found) < count:
        drawn = rng.choices(symbols, cum_weights=weights, k=rng.randint(4, 60))
        events = tuple((symbol,) for symbol in drawn)
        found[pattern_name(events)] = events
    return list(found.values())


def timed_ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


async def learning() -> list[Row]:
    """Learns in batches through log and fold, and the load of what was learned."""
    rng = random.Random(SEED)
    rows: list[Row] = []
    for count in (1_000, 10_000):
        patterns = zipf_patterns(count, 10_000, rng)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "knowledge.sqlite"
            learn_s = await timed_s(lambda path=path, made=patterns: learned(path, made))
            load_s = await timed_s(lambda path=path: loaded(path))
        rows.append(
            {
                "patterns": count,
                "learn µs, batches of 1000": learn_s * 1e6 / count,
                "load µs / pattern": load_s * 1e6 / count,
            }
        )
    return rows


async def learned(path: Path, patterns: list[Stm]) -> None:
    bases = KnowledgeBases(SqliteKnowledgeLog(path), PatternSearcher().new_index)
    await bases.start()
    learns = [
        Learn(token=f"t{n}", name=pattern_name(p), events=p, emotives=None, persistence=5)
        for n, p in enumerate(patterns)
    ]
    for first in range(0, len(learns), 1000):
        await bases.get("bench").append(learns[first : first + 1000], since=0)
    await bases.close()


async def loaded(path: Path) -> None:
    bases = KnowledgeBases(SqliteKnowledgeLog(path), PatternSearcher().new_index)
    async with bases.get("bench").reading(deadline=Deadline.after(60)):
        pass
    await bases.close()


async def timed_s(work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


@contextmanager
def service() -> Iterator[str]:
    """The embedded service as a process of its own."""
    with tempfile.TemporaryDirectory() as directory:
        port = 18473
        process = subprocess.Popen(
            [sys.executable, "-m", "kato_service"],
            env={
                "DATA_DIR": directory,
                "PORT": str(port),
                "HOST": "127.0.0.1",
                "LOG_LEVEL": "error",
            },
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def await_ready(client: httpx.Client) -> None:
    for _ in range(200):
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("the service did not become ready within 20 s")


def requests() -> list[Row]:
    """Latency of the verbs over HTTP, beside the same server's cheapest answer."""
    samples: dict[str, list[float]] = {"live": [], "observe": [], "learn": [], "predictions": []}
    with service() as url, httpx.Client(base_url=url, timeout=30) as client:
        await_ready(client)
        session = "/v2/sessions/" + client.post("/v2/sessions", json={}).json()["session_id"]
        for turn in range(200):
            for word in ("one", "two", f"w{turn % 50}"):
                body = {"strings": [word]}
                samples["observe"].append(
                    timed_ms(lambda body=body: client.post(f"{session}/observe", json=body))
                )
            samples["predictions"].append(timed_ms(lambda: client.get(f"{session}/predictions")))
            samples["learn"].append(timed_ms(lambda: client.post(f"{session}/learn")))
            samples["live"].append(timed_ms(lambda: client.get("/health/live")))
    base = statistics.median(samples["live"])
    return [
        {
            "request": verb,
            "p50 ms": statistics.median(values),
            "p95 ms": statistics.quantiles(values, n=20)[-1],
            "of /health/live": statistics.median(values) / base,
        }
        for verb, values in samples.items()
    ]


def show(title: str, rows: list[Row]) -> None:
    print(f"\n{title}")
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()))


def main() -> None:
    print(f"{platform.platform()}, Python {platform.python_version()}, seed {SEED}")
    tables = {
        f"Matching, threshold {THRESHOLD}, {LIMIT} predictions, one thread": engine_rows(
            large="--large" in sys.argv, seed=SEED
        ),
        "Learning and loading, zipf, SQLite": asyncio.run(learning()),
        "Requests over HTTP, embedded stores, one client": requests(),
    }
    for title, rows in tables.items():
        show(title, rows)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.json").write_text(json.dumps(tables, indent=1), encoding="utf-8")
    print(f"\nwritten to {OUT.relative_to(Path.cwd())}/results.json")


if __name__ == "__main__":
    main()
