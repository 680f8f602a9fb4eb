"""How long the event loop stands still while a large knowledge base is worked with.

`make engine-stalls` is the long form: a million patterns on a quiet machine, and 10 ms.
"""

import asyncio
import gc
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import structlog

from kato_service.api import json_text, rendering
from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.entries import Learn
from kato_service.knowledge.sqlite import SqliteKnowledgeLog
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.search.pattern_searcher import PatternSearcher

log = structlog.get_logger()

PATTERNS = int(os.environ.get("KATO_STALL_PATTERNS", "20000"))
MAX_STALL_MS = {"c": int(os.environ.get("KATO_MAX_STALL_MS", "400")), "numpy": 2000}
"""Generous: other processes have their turns on the machines of a test too."""
PREDICTIONS = 1000
QUERIES = {"c": 20, "numpy": 2}


class LongestStall:
    def __init__(self) -> None:
        self.ms = 0.0

    async def watch(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            self.ms = max(self.ms, (now - before) * 1000 - 1)
            before = now


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
def tests_own_objects_apart() -> Iterator[None]:
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
    """A file with the log of that many learns."""
    log = SqliteKnowledgeLog(tmp_path / "knowledge.sqlite")
    await log.start()
    await log.create("kato")
    for first in range(1, PATTERNS, 1000):
        await log.insert("kato", first, [learn(rng) for _ in range(1000)])
    await log.close()
    return tmp_path / "knowledge.sqlite"


async def answered(base: SuperKnowledgeBase, searcher: PatternSearcher, entry: Learn) -> int:
    """Predict and write the JSON; gives how many predictions there were."""
    genes = Genes(max_predictions=PREDICTIONS)
    async with base.reading(deadline=Deadline.after(60)) as view:
        search = searcher.search(view, entry.events[:6], genes)
        found = await asyncio.to_thread(searcher.run, search)
    await json_text.array(map(rendering.prediction, found))
    return len(found)


async def asked(base: SuperKnowledgeBase, searcher: PatternSearcher, rng: random.Random) -> None:
    counts = [
        await answered(base, searcher, learn(rng)) for _ in range(QUERIES[searcher.engine_name])
    ]
    assert max(counts) == PREDICTIONS


async def taught(base: SuperKnowledgeBase, rng: random.Random) -> None:
    """One by one, then so many at once that segments are filled and get their postings."""
    for _ in range(20):
        await base.append([learn(rng)], since=PATTERNS)
    for _ in range(4):
        await base.append([learn(rng) for _ in range(500)], since=PATTERNS)


@pytest.mark.parametrize("engine", MAX_STALL_MS)
async def test_the_loop_turns_while_a_large_knowledge_base_is_worked_with(
    engine: str, path: Path, rng: random.Random, record_property: Callable[[str, object], None]
) -> None:
    searcher = PatternSearcher(engine)
    bases = KnowledgeBases(SqliteKnowledgeLog(path), searcher.new_index)
    base = bases.get("kato")
    stalls = {}
    async with watched() as stall:
        assert await base.tail(deadline=Deadline.after(60)) == PATTERNS
    stalls["load"] = stall.ms
    async with watched() as stall:
        await asked(base, searcher, rng)
    stalls["query"] = stall.ms
    async with watched() as stall:
        await taught(base, rng)
    stalls["learn"] = stall.ms
    async with watched() as stall, asyncio.TaskGroup() as both:
        both.create_task(asked(base, searcher, rng))
        both.create_task(taught(base, rng))
    stalls["both"] = stall.ms
    async with watched() as stall:
        base.unload()
    stalls["unload"] = stall.ms
    await bases.close()
    record_property("longest stalls in ms", stalls)
    log.info(
        "longest stalls",
        engine=engine,
        **{f"{name}_ms": round(ms, 1) for name, ms in stalls.items()},
    )
    assert max(stalls.values()) < MAX_STALL_MS[engine]
