"""A knowledge base of ten million patterns: how soon it is ready, its memory, its predictions.

``python bench/large.py make FOLDER [PATTERNS]`` writes a snapshot file of dense knowledge (100
symbols, patterns of 4-60 symbols, 18 on average), which takes a quarter of an hour for ten million.
``python bench/large.py FOLDER`` then starts from it and prints what it measured.
"""

import asyncio
import random
import statistics
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import psutil

from kato_service.domain.pattern import Pattern
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.snapshots.snapshots import Snapshots
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.search.pattern_searcher import PatternSearcher

KB, SEED = "large", 20261130
SYMBOLS = [f"s{number}" for number in range(100)]
THRESHOLD, LIMIT, QUERIES = 0.1, 100, 40
PROGRESS = 500_000


def events_of(rng: random.Random) -> tuple[tuple[str, ...], ...]:
    size = max(4, min(60, round(rng.lognormvariate(2.77, 0.55))))
    symbols = rng.choices(SYMBOLS, k=size)
    events, start = [], 0
    while start < size:
        end = start + rng.choice((1, 1, 1, 1, 2, 2, 2, 3, 3, 4))
        events.append(tuple(sorted(symbols[start:end])))
        start = end
    return tuple(events)


def snapshots_in(folder: Path) -> Snapshots:
    return Snapshots(folder / "snapshots", limit_bytes=10**12, min_patterns=1)


async def make(folder: Path, count: int) -> None:
    rng = random.Random(SEED)
    fold = Fold(PatternSearcher("c").new_index())
    for first in range(1, count + 1):
        name = f"{rng.getrandbits(160):040x}"
        fold.index.put(Pattern(name, events_of(rng), first=first, revision=first), learns=1)
        if first % PROGRESS == 0:
            print(f"{first} patterns", flush=True)
    log = SqliteKnowledgeLog(folder / "log.sqlite")
    await log.start()
    await log.create(KB)
    head = await log.head(KB)
    assert head is not None
    token = uuid4().hex
    await log.insert(KB, count + 1, [Learn(token, "f" * 40, (("a",), ("b",)), None, 5)])
    fold.incarnation, fold.revision, fold.token = head.incarnation, count + 1, token
    snapshots = snapshots_in(folder)
    captured = snapshots.capture(KB, fold)
    assert captured is not None
    await snapshots.save(captured)
    await log.close()


async def measure(folder: Path) -> None:
    log = SqliteKnowledgeLog(folder / "log.sqlite")
    await log.start()
    process, searcher = psutil.Process(), PatternSearcher("c")
    empty, began, used = process.memory_info().rss, time.perf_counter(), time.process_time()
    fold = await snapshots_in(folder).restored(KB, log, lambda: Fold(searcher.new_index()))
    assert fold is not None
    ready_s, processor_s = time.perf_counter() - began, time.process_time() - used
    count = len(fold.index)
    print(f"{count} patterns ready in {ready_s:.1f} s, {processor_s:.1f} s of processor")
    resident, estimated = process.memory_info().rss - empty, fold.memory_bytes
    print(f"memory per pattern: {resident / count:.0f} bytes, estimated {estimated / count:.0f}")
    await log.close()
    queries(fold, random.Random(SEED + 1))


def queries(fold: Fold, rng: random.Random) -> None:
    states = [tuple(symbol for event in events_of(rng) for symbol in event) for _ in range(QUERIES)]
    index = fold.index
    learned: list[float] = []
    ended = threading.Event()

    def learn() -> None:
        first = 10**9
        while not ended.is_set():
            name = f"{rng.getrandbits(160):040x}"
            first += 1
            began = time.perf_counter()
            index.put(Pattern(name, events_of(rng), first=first, revision=first), learns=1)
            learned.append((time.perf_counter() - began) * 1e6)
            time.sleep(0.001)

    for title, learns in (("alone", False), ("while others learn", True)):
        thread = threading.Thread(target=learn) if learns else None
        if thread is not None:
            thread.start()
        times, used = [], time.process_time()
        for state in states:
            began = time.perf_counter()
            index.best(state, threshold=THRESHOLD, limit=LIMIT)
            times.append((time.perf_counter() - began) * 1000)
        processor_ms = (time.process_time() - used) * 1000 / QUERIES
        p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        print(f"query {title}: p50 {p50:.0f} ms, p95 {p95:.0f} ms, processor {processor_ms:.0f} ms")
        ended.set()
        if thread is not None:
            thread.join()
            print(f"learn meanwhile: p50 {statistics.median(learned):.0f} µs of {len(learned)}")
        ended.clear()


if __name__ == "__main__":
    if sys.argv[1] == "make":
        asyncio.run(make(Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 10**7))
    else:
        asyncio.run(measure(Path(sys.argv[1])))
