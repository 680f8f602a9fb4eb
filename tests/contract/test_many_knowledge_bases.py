"""Thousands of small knowledge bases in one instance: bounded memory, handles and tasks."""

import asyncio
import gc
from pathlib import Path
from uuid import uuid4

import pytest

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.search.pattern_searcher import PatternSearcher

COUNT = 2000
AT_ONCE = 100
ROOM_FOR = 50
EVENTS = (("a",), ("b",))
NAME = pattern_name(EVENTS)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def learn() -> Learn:
    return Learn(uuid4().hex, NAME, EVENTS, None, 5)


async def known(bases: KnowledgeBases, kb: str) -> int:
    async with bases.get(kb).reading(deadline=Deadline.after(60)) as reading:
        return reading.patterns[NAME].frequency


@pytest.mark.long
async def test_two_thousand_knowledge_bases_fit_into_the_room_of_fifty(tmp_path: Path) -> None:
    clock = Clock()
    log = SqliteKnowledgeLog(tmp_path / "knowledge.sqlite")
    new_index = PatternSearcher("auto").new_index
    probe = KnowledgeBases(log, new_index)
    await probe.start()
    await probe.get("probe").append([learn()], since=0)
    room = ROOM_FOR * probe.get("probe").memory_bytes
    limits = KnowledgeLimits(memory_bytes=room)
    bases = KnowledgeBases(log, new_index, limits=limits, clock=clock)
    names = [f"kato~{number:040}" for number in range(COUNT)]
    gc.collect()  # handles of earlier tests
    before = handles(), len(asyncio.all_tasks())
    for start in range(0, COUNT, AT_ONCE):
        some = names[start : start + AT_ONCE]
        await asyncio.gather(*(bases.get(name).append([learn()], since=0) for name in some))
        clock.now += 5.0
        await bases.materialise_due()
        await asyncio.sleep(0)
        assert bases.usage().bases <= max(ROOM_FOR, AT_ONCE)
    async with asyncio.timeout(60):
        while len(asyncio.all_tasks()) > before[1]:
            await asyncio.sleep(0.01)
    gc.collect()
    assert (handles(), len(asyncio.all_tasks())) == before
    assert bases.usage().bases <= ROOM_FOR
    assert bases.usage().unloads >= COUNT - ROOM_FOR
    assert bases.usage().views_written >= ROOM_FOR
    assert [await known(bases, name) for name in names[::40]] == [1] * 50
    clock.now += 5.0
    await bases.materialise_due()
    assert bases.usage().checkpoint_lag == 0
    assert len(bases._bases) <= ROOM_FOR  # nothing refers to unloaded ones
    await bases.close()
