"""Entries that are in the log although the process that appends them has not noticed."""

import asyncio
from uuid import uuid4

import pytest
from knowledge_stores import MemoryKnowledgeLog, Replica, Shelf

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.errors import OutcomeUnknownError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Clear, Learn
from kato_service.knowledge.model.log import Tail
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase

EVENTS = (("a",), ("b",))
NAME = pattern_name(EVENTS)


def learn() -> Learn:
    return Learn(uuid4().hex, NAME, EVENTS, None, 5)


def soon() -> Deadline:
    return Deadline.after(20)


async def frequency(kb: SuperKnowledgeBase) -> int:
    async with kb.reading(deadline=soon()) as reading:
        return reading.patterns[NAME].frequency


async def test_an_entry_that_a_load_from_views_skips_is_looked_up_before_it_is_appended(
    replica: Replica,
) -> None:
    """The views show the entry already, so no entry that is applied carries its token."""
    here, there = replica().get("kato"), replica().get("kato")
    await there.append([learn()], since=0)
    entry = learn()
    since = await here.tail(deadline=soon())
    with here.register([entry], since=since):
        await there.append([entry], since=since, lookup=True)
        await there.append([learn()], since=since)
        await there.materialise()
        here.unload()
        (applied,) = await here.append([entry], since=since)
    assert (applied.revision, applied.frequency) == (2, 2)
    assert await frequency(here) == await frequency(there) == 3


class LateToShow(MemoryKnowledgeLog):
    """Refuses a revision as taken before its reads show it."""

    hidden = 0
    reads_until_shown = 4

    async def tail(self, kb: str, after: int, *, limit: int) -> Tail:
        tail = await super().tail(kb, after, limit=limit)
        if self.reads_until_shown and any(r == self.hidden for r, _ in tail.entries):
            self.reads_until_shown -= 1
            shown = tuple(each for each in tail.entries if each[0] < self.hidden)
            return Tail(shown, tail.head, more=False)
        return tail


async def test_a_taken_revision_that_no_read_shows_yet_is_waited_for() -> None:
    shelf = Shelf()
    late = LateToShow(shelf)
    here, there = (KnowledgeBases(log, PlainPatterns) for log in (late, MemoryKnowledgeLog(shelf)))
    kb = here.get("kato")
    await kb.append([learn()], since=0)
    await there.get("kato").append([learn()], since=0)
    late.hidden = 2
    applied = await kb.append([learn(), learn()], since=1)
    assert late.reads_until_shown == 0
    assert [(each.revision, each.frequency) for each in applied] == [(3, 3), (4, 4)]
    assert await frequency(there.get("kato")) == 4
    await asyncio.gather(here.close(), there.close())


async def test_the_outcome_of_an_entry_before_a_clear_comes_from_the_log_not_from_views() -> None:
    """The clear comes before the view writer reaches the pattern: no view ever shows it."""
    shelf = Shelf()
    entry, clear = learn(), Clear(uuid4().hex)

    async def step(what: str) -> None:
        if what == "claim":
            await there.append([entry, clear], since=1)
            await writing.tail(deadline=soon())

    logs = (
        MemoryKnowledgeLog(shelf),
        MemoryKnowledgeLog(shelf, step=step),
        MemoryKnowledgeLog(shelf),
    )
    bases = [KnowledgeBases(log, PlainPatterns) for log in logs]
    there, writing, late = (each.get("kato") for each in bases)
    await there.append([learn()], since=0)
    await writing.tail(deadline=soon())
    await writing.materialise()
    (applied,) = await late.append([entry], since=1, lookup=True)
    assert (applied.revision, applied.frequency) == (2, 2)
    for each in bases:
        await each.close()


async def test_an_entry_that_a_closing_process_has_sent_is_of_unknown_outcome() -> None:
    shelf, sent = Shelf(), asyncio.Event()

    async def step(what: str) -> None:
        if what == "reply":
            sent.set()
            await asyncio.Event().wait()

    here = KnowledgeBases(MemoryKnowledgeLog(shelf, step=step), PlainPatterns)
    append = asyncio.create_task(here.get("kato").append([learn()], since=0))
    async with asyncio.timeout(10):
        await sent.wait()
        await here.close()
        with pytest.raises(OutcomeUnknownError):
            await append
    assert len(shelf.entries["kato"]) == 1
