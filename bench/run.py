"""Measures and prints tables; JSON goes to build/bench/. Ratios come from one run, side by side.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher
from itertools import accumulate
from pathlib import Path

import httpx

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Stm, flatten, pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.entries import Learn
from kato_service.knowledge.sqlite import SqliteKnowledgeLog
from kato_service.knowledge.super_knowledge_base import KnowledgeView
from kato_service.search.pattern_searcher import PatternSearcher

OUT = Path(__file__).resolve().parents[1] / "build" / "bench"
SEED = 20261123
QUERIES = 12
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


def queries(patterns: list[Stm], rng: random.Random) -> list[Stm]:
    """Slices of learned patterns with a few symbols replaced."""
    made = []
    for _ in range(QUERIES):
        events = rng.choice(patterns)
        start = rng.randrange(max(1, len(events) - 3))
        part = list(events[start : start + rng.randint(2, 40)])
        part[rng.randrange(len(part))] = rng.choice(rng.choice(patterns))
        made.append(tuple(part))
    return made


def timed_ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def matched_exhaustively(patterns: list[Stm], stm: Stm, threshold: float) -> int:
    """How many patterns reach the threshold: every one aligned by the standard library."""
    state = flatten(stm)
    matcher = SequenceMatcher(None, autojunk=False)
    kept = 0
    for events in patterns:
        symbols = flatten(events)
        matcher.set_seqs(symbols, state)
        matched = sum(block.size for block in matcher.get_matching_blocks())
        kept += matched > 0 and 2.0 * matched / (len(symbols) + len(state)) >= threshold
    return kept


def match_row(view: KnowledgeView, patterns: list[Stm], rng: random.Random) -> Row:
    searcher, genes = PatternSearcher(), Genes(max_predictions=len(patterns))
    indexed, exhaustive = [], []
    for stm in queries(patterns, rng):
        found = searcher.predict(view, stm, genes)
        assert len(found) == matched_exhaustively(patterns, stm, genes.recall_threshold)
        indexed.append(timed_ms(lambda stm=stm: searcher.predict(view, stm, Genes())))
        exhaustive.append(timed_ms(lambda stm=stm: matched_exhaustively(patterns, stm, 0.1)))
    return {
        "patterns": len(patterns),
        "indexed p50 ms": statistics.median(indexed),
        "alignment alone, exhaustive p50 ms": statistics.median(exhaustive),
        "ratio": statistics.median(exhaustive) / statistics.median(indexed),
    }


async def matching() -> list[Row]:
    rng = random.Random(SEED)
    rows: list[Row] = []
    for count in (1_000, 10_000):
        patterns = zipf_patterns(count, 10_000, rng)
        with tempfile.TemporaryDirectory() as directory:
            log = SqliteKnowledgeLog(Path(directory) / "knowledge.sqlite")
            bases = KnowledgeBases(log, PatternSearcher().new_index)
            await bases.start()
            base = bases.get("bench")
            learns = [
                Learn(token=f"t{n}", name=pattern_name(p), events=p, emotives=None, persistence=5)
                for n, p in enumerate(patterns)
            ]
            started = time.perf_counter()
            for first in range(0, count, 1000):
                await base.append(learns[first : first + 1000], since=0)
            learn_us = (time.perf_counter() - started) * 1e6 / count
            async with base.reading(deadline=Deadline.after(60)) as view:
                rows.append({**match_row(view, patterns, rng), "learn µs (batched)": learn_us})
            await bases.close()
    return rows


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
        "Matching, zipf knowledge base, one thread": asyncio.run(matching()),
        "Requests over HTTP, embedded stores, one client": requests(),
    }
    for title, rows in tables.items():
        show(title, rows)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.json").write_text(json.dumps(tables, indent=1), encoding="utf-8")
    print(f"\nwritten to {OUT.relative_to(Path.cwd())}/results.json")


if __name__ == "__main__":
    main()
