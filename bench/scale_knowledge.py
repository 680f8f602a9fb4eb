"""Prices of what requests do with knowledge, in this process, over SQLite: for `scale_costs.py`."""

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from engine import LIMIT, THRESHOLD, Source

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Event, pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.search.pattern_searcher import PatternSearcher

EVENTS = 6
"""Symbols of a learned pattern, one in each event."""
TURNS = 60
KEPT = KnowledgeLimits()
ONE = KnowledgeLimits(memory_bytes=1)
"""Of a process that keeps only the knowledge base that was used last."""
Costs = dict[str, float]


async def spent_us(turns: int, work: Callable[[int], Awaitable[object]]) -> float:
    """Microseconds of the processor, all threads together, for each of *turns*."""
    began = time.process_time()
    for turn in range(turns):
        await work(turn)
    return (time.process_time() - began) * 1e6 / turns


def opened(path: Path, limits: KnowledgeLimits = KEPT) -> KnowledgeBases:
    return KnowledgeBases(SqliteKnowledgeLog(path), PatternSearcher("c").new_index, limits=limits)


async def taught(bases: KnowledgeBases, kb: str, patterns: list[tuple[Event, ...]]) -> None:
    entries = [Learn(uuid4().hex, pattern_name(one), one, None, 5) for one in patterns]
    base = bases.get(kb)
    await base.open(deadline=Deadline.after(60))
    for first in range(0, len(entries), 500):
        await base.append(entries[first : first + 500], since=0)


def pattern(*names: object) -> tuple[Event, ...]:
    return tuple((f"{' '.join(map(str, names))} {number}",) for number in range(EVENTS))


async def learning(path: Path) -> dict[str, float]:
    """A learn of a user who has a knowledge base in memory, and the views of it."""
    bases = opened(path)
    await bases.start()
    for turn in range(TURNS):
        await taught(bases, f"learner {turn}", [pattern("known")])
        await bases.get(f"learner {turn}").materialise()
    learn = await spent_us(TURNS, lambda turn: taught(bases, f"learner {turn}", [pattern("new")]))
    views = await spent_us(TURNS, lambda turn: bases.get(f"learner {turn}").materialise())
    await bases.close()
    return {"learn_us": learn, "views_us": views}


async def catching_up(path: Path) -> Costs:
    """What a read costs more for each entry that another process learned meanwhile."""
    writer, reader = opened(path), opened(path)
    await writer.start()
    await reader.start()
    await taught(writer, "shared", [pattern("first")])
    found: dict[int, float] = {}
    for entries, turns in ((0, TURNS), (1, TURNS), (100, TURNS // 6)):
        used = 0.0
        for turn in range(turns):
            if entries:
                await taught(writer, "shared", [pattern(entries, turn, n) for n in range(entries)])
            used += await spent_us(1, lambda _: _read(reader, "shared"))
        found[entries] = used / turns
    await writer.close()
    await reader.close()
    return {
        "first_entry_us": max(0.0, found[1] - found[0]),
        "entry_us": max(0.0, found[100] - found[0]) / 100,
    }


async def predicting(path: Path, size: int) -> Costs:
    """A prediction from memory, and what it costs more if it has to load *size* patterns first."""
    names = [f"first of {size}", f"second of {size}"]
    keeps, drops = opened(path), opened(path, ONE)
    await keeps.start()
    await drops.start()
    states = []
    for name in names:
        source = Source("zipf", random.Random(name))
        await taught(keeps, name, [one.events for one in source.patterns(size)])
        await keeps.get(name).materialise()
        states.append(source.state())

    async def predict(bases: KnowledgeBases, turn: int) -> None:
        # Two users take turns, so that a process that keeps one knowledge base loads each time.
        await _read(bases, names[turn % 2], states[turn % 2])

    resident = await spent_us(TURNS, lambda turn: predict(keeps, turn))
    loading = await spent_us(TURNS, lambda turn: predict(drops, turn))
    await keeps.close()
    await drops.close()
    return {"patterns": size, "predict_us": resident, "load_us": loading - resident}


async def _read(bases: KnowledgeBases, kb: str, state: tuple[str, ...] = ()) -> None:
    async with bases.get(kb).reading(deadline=Deadline.after(60)) as knowledge:
        if state:
            index = knowledge.index
            await asyncio.to_thread(index.best, state, threshold=THRESHOLD, limit=LIMIT)
    await asyncio.sleep(0)  # what is too much is unloaded in the next turn


async def prices(sizes: tuple[int, ...]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "knowledge.sqlite"
        return {
            **await learning(path),
            "catching_up": await catching_up(path),
            "by_size": [await predicting(path, size) for size in sizes],
        }
