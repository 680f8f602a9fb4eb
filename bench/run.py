"""Measures, prints tables, and writes JSON to build/bench/. Ratios come from a single run.

`--large` also matches against a million patterns.

Nothing here passes or fails by time. Wrong answers fail: their speed would mean nothing.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from bulk_learn import bulk_rows
from embedded import directory, service, timed_ms, timed_s
from engine import LIMIT, THRESHOLD, Row, engine_rows
from loading import loading_rows
from predictions import PATTERNS, prediction_rows
from questions import answer_rows, question_rows
from sessions import SESSION_MEASURES
from side_by_side import side_by_side_rows
from small_bases import memory_rows, metrics_rows
from starting import starting_rows

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Stm, pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.logs import configure_logs
from kato_service.search.pattern_searcher import PatternSearcher

OUT = Path(__file__).resolve().parents[1] / "build" / "bench"
SEED = 20261123


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


async def learning() -> list[Row]:
    """Learning in batches through log and fold, and loading the result."""
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


def requests() -> list[Row]:
    """Latency of the verbs over HTTP, compared with the same server's cheapest response."""
    samples: dict[str, list[float]] = {"live": [], "observe": [], "learn": [], "predictions": []}
    with directory() as data, service(data) as client:
        session = f"/v2/sessions/{client.value('POST', '/v2/sessions', {})['session_id']}"
        for turn in range(200):
            for word in ("one", "two", f"w{turn % 50}"):
                body = {"strings": [word]}
                samples["observe"].append(
                    timed_ms(lambda body=body: client.ask("POST", f"{session}/observe", body))
                )
            samples["predictions"].append(
                timed_ms(lambda: client.ask("GET", f"{session}/predictions"))
            )
            samples["learn"].append(timed_ms(lambda: client.ask("POST", f"{session}/learn")))
            samples["live"].append(timed_ms(lambda: client.ask("GET", "/health/live")))
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


def reference_us() -> float:
    """Processor time of a fixed piece of Python, the least of ten: how fast this machine is now.

    Figures of runs that took place elsewhere, or at another time, compare as multiples of it.
    """
    return min(timeit.repeat(_reference, timer=time.process_time, number=10, repeat=10)) * 1e5


def _reference() -> int:
    return sum(number * number for number in range(10_000))


def show(title: str, rows: list[Row]) -> None:
    print(f"\n{title} (10 000 squares: {reference_us():.0f} µs)")
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--large", action="store_true", help="also measure a million patterns (11 minutes)"
    )
    large = parser.parse_args().large
    configure_logs(level="warning", style="console")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    machine = f"{platform.platform()}, {os.cpu_count()} cores, load {load}"
    print(f"{machine}, Python {platform.python_version()}, seed {SEED}")
    title = f"Matching, threshold {THRESHOLD}, {LIMIT} predictions, one caller"
    measures: dict[str, Callable[[], list[Row]]] = {
        title: lambda: engine_rows(large=large, seed=SEED),
        "Threads, learns, long states": lambda: side_by_side_rows(large=large, seed=SEED),
        "Learning and loading, zipf, SQLite": lambda: asyncio.run(learning()),
        "Ready from views, the log alone, a snapshot file": lambda: asyncio.run(
            loading_rows(1_000_000 if large else 100_000, SEED)
        ),
        f"GET predictions, {PATTERNS} patterns, 100 predictions": lambda: prediction_rows(SEED),
        "Predictions as objects and as JSON, processor time": lambda: answer_rows(SEED),
        f"What comes next, and why; {LIMIT} listed, processor time": lambda: question_rows(SEED),
        "Start to ready, embedded stores": starting_rows,
        "One of many small knowledge bases": memory_rows,
        "A scrape of the metrics, processor time": metrics_rows,
        "Requests over HTTP, embedded stores, one client": requests,
        "Many short patterns, SQLite, one worker": bulk_rows,
        **SESSION_MEASURES,
    }
    tables = {}
    for title, measured in measures.items():
        tables[title] = measured()
        show(title, tables[title])
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.json").write_text(json.dumps(tables, indent=1), encoding="utf-8")
    print(f"\nwritten to {OUT.relative_to(Path.cwd())}/results.json")


if __name__ == "__main__":
    main()
