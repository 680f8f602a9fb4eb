"""One knowledge base of millions of patterns: memory, ready from a snapshot, queries, learns.

`python bench/large.py [PATTERNS]`, a million if none is given; ten million take four minutes of
processor time and 4 GiB. The patterns are dense: their symbols come from a hundred, so a query
meets nearly all of them. Wall times depend on what else the machine does; compare the processor
times.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from engine import LIMIT, THRESHOLD, Row
from loading import BATCH, KB, OpenLog, Stopwatch

from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Pattern, Stm
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.snapshots.snapshots import Snapshots
from kato_service.logs import configure_logs
from kato_service.search.pattern_searcher import PatternSearcher

PATTERNS, SYMBOLS, SEED = 1_000_000, 100, 20261123
SNAPSHOT_BYTES = 10**11
QUERIES, STATE_SYMBOLS = 12, 10
LEARN_PAUSE_S = 0.002
"""Seconds between two learns during queries."""


def patterns(rng: random.Random) -> Iterator[Pattern]:
    """Patterns of 4-60 symbols, 18 on average, in the order of their first learns, without end."""
    events = [(f"s{number}",) for number in range(SYMBOLS)]
    first = 0
    while True:
        first += 1
        size = max(4, min(60, round(rng.lognormvariate(2.77, 0.55))))
        drawn = tuple(rng.choices(events, k=size))
        yield Pattern(f"{rng.getrandbits(160):040x}", drawn, first=first, revision=first)


def filled(made: Iterator[Pattern], count: int, incarnation: str) -> Fold:
    """A fold that shows *count* patterns, at the revision after them."""
    fold = Fold(PatternSearcher("c").new_index())
    loader = fold.index.loader()
    for first in range(0, count, BATCH):
        loader.add(list(islice(made, min(BATCH, count - first))))
    loader.finish()
    fold.incarnation, fold.revision, fold.token = incarnation, count, "token"
    return fold


async def snapshot_rows(made: Iterator[Pattern], count: int) -> tuple[list[Row], Fold]:
    """Write the patterns to a snapshot and read them again, as a service that starts does."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        snapshots = Snapshots(folder / "snapshots", limit_bytes=SNAPSHOT_BYTES, min_patterns=1)
        async with OpenLog(folder / "log.sqlite", count) as log:
            await log.insert(KB, count, [Learn("token", "f" * 40, (("a",), ("b",)), None, 5)])
            head = await log.head(KB)
            assert head is not None
            captured = snapshots.capture(KB, filled(made, count, head.incarnation))
            assert captured is not None
            watch = Stopwatch()
            await snapshots.save(captured)
            size = sum(path.stat().st_size for path in (folder / "snapshots").iterdir())
            rows = [watch.row("snapshot written", count, **{"bytes / pattern": size / count})]
            del captured
            watch, searcher = Stopwatch(), PatternSearcher("c")
            fold = await snapshots.restored(KB, log, lambda: Fold(searcher.new_index()))
            assert fold is not None
            assert len(fold.patterns) == count
            in_memory = {"bytes / pattern": fold.memory_bytes / count}
            rows.append(watch.row("snapshot read", count, **in_memory))
            return rows, fold


def query_rows(fold: Fold, made: Iterator[Pattern], rng: random.Random) -> list[Row]:
    """The same queries on one processor, on all, and on all with learns at the same time."""
    states = [
        tuple((f"s{rng.randrange(SYMBOLS)}",) for _ in range(STATE_SYMBOLS)) for _ in range(QUERIES)
    ]
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everything)})  # inherited by the threads of a query
    try:
        rows = [_asked("one processor", fold, states)]
    finally:
        os.sched_setaffinity(0, everything)
    rows.append(_asked(f"{len(everything)} processors", fold, states))
    return [*rows, _asked_during_learns(fold, states, made)]


def _asked(what: str, fold: Fold, states: list[Stm]) -> Row:
    searcher, genes = PatternSearcher("c"), Genes(recall_threshold=THRESHOLD, max_predictions=LIMIT)
    walls, computed = [], []
    for state in states:
        wall, used = time.perf_counter(), time.process_time()
        found = searcher.predict(fold.reading(), state, genes)
        walls.append((time.perf_counter() - wall) * 1000)
        computed.append((time.process_time() - used) * 1000)
        assert len(found) == LIMIT
    return {
        "queries": what,
        "p50 ms": statistics.median(walls),
        "slowest ms": max(walls),
        "processor p50 ms": statistics.median(computed),
    }


def _asked_during_learns(fold: Fold, states: list[Stm], made: Iterator[Pattern]) -> Row:
    ended, times = threading.Event(), []

    def learn() -> None:
        while not ended.wait(LEARN_PAUSE_S):
            pattern = next(made)
            began = time.perf_counter()
            fold.index.put(pattern, learns=1)
            times.append((time.perf_counter() - began) * 1000)

    learning = threading.Thread(target=learn)
    learning.start()
    try:
        row = _asked("all, during learns", fold, states)
    finally:
        ended.set()
        learning.join()
    learned = {"learns": len(times), "learn p50 ms": statistics.median(times)}
    return {**row, **learned, "slowest learn ms": max(times)}


def main(count: int) -> None:
    configure_logs(level="warning", style="console")
    rng = random.Random(SEED)
    made = patterns(rng)
    rows, fold = asyncio.run(snapshot_rows(made, count))
    for row in rows + query_rows(fold, made, rng):
        print({name: round(v, 2) if isinstance(v, float) else v for name, v in row.items()})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PATTERNS)
