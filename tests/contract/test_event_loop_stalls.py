"""How long the event loop is blocked while a large knowledge base is in use.

`make engine-stalls` is the long form: a million patterns on a quiet machine, and 10 ms.
"""

import asyncio
import gc
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
import structlog

from kato_service import json_text
from kato_service.api.shapes import rendering
from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.search.pattern_searcher import PatternSearcher

log = structlog.get_logger()

PATTERNS = int(os.environ.get("KATO_STALL_PATTERNS", "20000"))
MAX_STALL_MS = {"c": int(os.environ.get("KATO_MAX_STALL_MS", "400")), "numpy": 2000}
"""Generous: threads that the loop waits for share the processors with other processes."""
MAX_WORK_MS = {"c": 20, "numpy": 300}
"""Work of the loop's thread alone, with the garbage collector's walk through numpy's objects, on a
machine that takes `REFERENCE_MS` for the reference; a slower one may take as many times longer."""
REFERENCE_MS = 4.0
PREDICTIONS = 1000
QUERIES = {"c": 20, "numpy": 2}


class LongestStall:
    def __init__(self) -> None:
        self.ms = 0.0
        """Without the turns that other processes had while the loop's thread could have run."""
        self.work_ms = 0.0
        """Work of the loop's own thread, whatever else runs on the machine."""

    async def watch(self) -> None:
        before, worked = own_time_s(), time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now, work = own_time_s(), time.thread_time()
            self.ms = max(self.ms, (now - before) * 1000 - 1)
            self.work_ms = max(self.work_ms, (work - worked) * 1000)
            before, worked = now, work


def own_time_s() -> float:
    """A clock of this thread that stands still while it waits for a processor, on Linux."""
    now, waited_s = time.monotonic(), 0.0
    with suppress(OSError):
        statistics = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text()
        waited_s = int(statistics.split()[1]) / 1e9
    return now - waited_s


def slowness() -> float:
    """How many times longer this machine takes now for the reference, at least 1."""
    began = time.thread_time()
    sum(number * number for number in range(100_000))
    return max(1.0, (time.thread_time() - began) * 1000 / REFERENCE_MS)


@asynccontextmanager
async def watched() -> AsyncIterator[LongestStall]:
    stall = LongestStall()
    watching = asyncio.create_task(stall.watch())
    await asyncio.sleep(0.01)
    yield stall
    await asyncio.sleep(0.01)
    watching.cancel()


def learn(rng: random.Random) -> Learn:
    events = tuple(
        (f"s{min(int(rng.paretovariate(0.4)), 9999)}", f"w{rng.randrange(5000)}")
        for _ in range(rng.randint(2, 15))
    )
    return Learn(uuid4().hex, pattern_name(events), events, None, 5)


@pytest.fixture(autouse=True)
def objects_of_tests_set_aside() -> Iterator[None]:
    """The garbage collector's walk through all of pytest would be the longest stall."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def rng() -> random.Random:
    return random.Random(7)


@pytest.fixture
async def path(tmp_path: Path, rng: random.Random) -> Path:
    """A file with the log of `PATTERNS` learns."""
    log = SqliteKnowledgeLog(tmp_path / "knowledge.sqlite")
    await log.start()
    await log.create("kato")
    for first in range(1, PATTERNS, 1000):
        await log.insert("kato", first, [learn(rng) for _ in range(1000)])
    await log.close()
    return tmp_path / "knowledge.sqlite"


async def answered(base: SuperKnowledgeBase, searcher: PatternSearcher, entry: Learn) -> int:
    """Predict and write the JSON; gives the number of predictions."""
    genes = Genes(max_predictions=PREDICTIONS)
    async with base.reading(deadline=Deadline.after(60)) as reading:
        search = searcher.search(reading, entry.events[:6], genes)
        found = await asyncio.to_thread(searcher.run, search)
    await json_text.array(map(rendering.prediction, found.predictions))
    return len(found.predictions)


async def asked(base: SuperKnowledgeBase, searcher: PatternSearcher, queries: list[Learn]) -> None:
    counts = [await answered(base, searcher, query) for query in queries]
    assert max(counts) == PREDICTIONS


async def taught(base: SuperKnowledgeBase, learns: list[Learn]) -> None:
    """Learn one by one, then so many at once that segments fill up and get their postings."""
    for entry in learns[:20]:
        await base.append([entry], since=PATTERNS)
    for first in range(20, len(learns), 500):
        await base.append(learns[first : first + 500], since=PATTERNS)


@pytest.mark.parametrize("engine", MAX_STALL_MS)
async def test_the_event_loop_is_never_blocked_for_long_by_a_large_knowledge_base(
    engine: str, path: Path, rng: random.Random, record_property: Callable[[str, object], None]
) -> None:
    searcher = PatternSearcher(engine)
    bases = KnowledgeBases(SqliteKnowledgeLog(path), searcher.new_index)
    base = bases.get("kato")
    stalls = {}
    queries = [learn(rng) for _ in range(QUERIES[engine])]
    learns = [learn(rng) for _ in range(4040)]
    slow = slowness()
    async with watched() as stall:
        assert await base.tail(deadline=Deadline.after(60)) == PATTERNS
    stalls["load"] = stall
    async with watched() as stall:
        await asked(base, searcher, queries)
    stalls["query"] = stall
    async with watched() as stall:
        await taught(base, learns[:2020])
    stalls["learn"] = stall
    async with watched() as stall, asyncio.TaskGroup() as both:
        both.create_task(asked(base, searcher, queries))
        both.create_task(taught(base, learns[2020:]))
    stalls["both"] = stall
    async with watched() as stall:
        base.unload()
    stalls["unload"] = stall
    slow = max(slow, slowness())
    await bases.close()
    shown = {name: f"{one.ms:.1f} ms, of work {one.work_ms:.1f}" for name, one in stalls.items()}
    record_property("longest stalls", shown)
    log.info("longest stalls", engine=engine, slowness=round(slow, 2), **shown)
    assert max(stall.ms for stall in stalls.values()) < MAX_STALL_MS[engine]
    assert max(stall.work_ms for stall in stalls.values()) < MAX_WORK_MS[engine] * slow
