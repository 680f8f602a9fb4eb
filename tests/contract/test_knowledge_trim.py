"""Trimming over every backend: what is dropped, what stays, and what late appends do."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from knowledge_stores import MemoryKnowledgeLog, Replica, Shelf
from structlog.testing import capture_logs

from kato_service.assembly import LONG_PENDING_S, _nothing_pending
from kato_service.connections.redis_client import RedisOptions
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.model.log import Head, KnowledgeLog
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.knowledge.writing.trimming import LogTrimmer, TrimPlan
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.state import Intent
from kato_service.sessions.steady_clock import SteadyClock
from kato_service.sessions.store import Limits, NewSession

EVENTS = (("a",), ("b",))
NAME = pattern_name(EVENTS)
DAY_S = 86_400.0


def learn() -> Learn:
    return Learn(uuid4().hex, NAME, EVENTS, None, 5)


def soon() -> Deadline:
    return Deadline.after(20)


async def always() -> bool:
    return True


def trimmer(
    log: KnowledgeLog, *, days: float = 3.0, limits: KnowledgeLimits = DEFAULT_LIMITS
) -> LogTrimmer:
    """A trimmer that works that many days from now, with a retention of two days."""
    now = datetime.now(UTC) + timedelta(days=days)
    return LogTrimmer(log, TrimPlan(always, lambda: now), replace(limits, retention_s=2 * DAY_S))


async def learned(kb: SuperKnowledgeBase, times: int = 1) -> list[Learn]:
    entries = [learn() for _ in range(times)]
    await kb.append(entries, since=0)
    return entries


async def frequency(kb: SuperKnowledgeBase) -> int:
    async with kb.reading(deadline=soon()) as reading:
        return reading.patterns[NAME].frequency


async def revisions(log: KnowledgeLog) -> list[int]:
    return [revision for revision, _ in (await log.tail("kato", 0, limit=99)).entries]


async def trimmed_until(log: KnowledgeLog) -> int:
    head = await log.head("kato")
    assert head is not None
    return head.trimmed


async def test_old_entries_before_the_checkpoint_are_dropped_and_no_others(
    replica: Replica, log: KnowledgeLog
) -> None:
    three = KnowledgeLimits(trim_entries=3)
    here = replica().get("kato")
    await learned(here, 6)
    assert await trimmer(log).trim("kato") == 0
    await here.materialise()
    await learned(here, 3)
    assert await trimmer(log, days=1).trim("kato") == 0
    assert await revisions(log) == list(range(1, 10))
    assert await trimmer(log, limits=three).trim("kato") == 3
    assert (await revisions(log), await trimmed_until(log)) == (list(range(4, 10)), 3)
    assert await trimmer(log, limits=three).trim("kato") == 2
    assert await trimmer(log, limits=three).trim("kato") == 0
    assert (await revisions(log), await trimmed_until(log)) == ([6, 7, 8, 9], 5)
    assert await frequency(here) == await frequency(replica().get("kato")) == 9
    await learned(here)
    assert await frequency(here) == await frequency(replica().get("kato")) == 10


async def test_a_log_with_nothing_to_drop_is_looked_at_without_a_write() -> None:
    steps = []

    async def step(what: str) -> None:
        steps.append(what)

    shelf = Shelf()
    here = KnowledgeBases(MemoryKnowledgeLog(shelf), PlainPatterns).get("kato")
    await learned(here, 4)
    await here.materialise()
    watched = MemoryKnowledgeLog(shelf, step=step)
    assert await trimmer(watched, days=1).trim("kato") == 0
    assert steps == ["head", "old"]
    assert await trimmer(watched).trim("kato") == 3
    assert {"claim", "raise head", "release"} <= set(steps)


async def test_nothing_is_trimmed_while_a_change_is_or_may_be_pending(
    replica: Replica, log: KnowledgeLog
) -> None:
    async def pending() -> bool:
        return False

    async def unknown() -> bool:
        raise StoreUnavailableError("redis did not answer")

    here = replica().get("kato")
    await learned(here, 4)
    await here.materialise()
    later = datetime.now(UTC) + timedelta(days=9)
    one_second = KnowledgeLimits(retention_s=1)
    assert await LogTrimmer(log, TrimPlan(pending, lambda: later), one_second).trim("kato") == 0
    with pytest.raises(StoreUnavailableError):
        await LogTrimmer(log, TrimPlan(unknown, lambda: later), one_second).trim("kato")
    assert (await revisions(log), await trimmed_until(log)) == ([1, 2, 3, 4], 0)
    assert await trimmer(log).trim("kato") == 3


async def test_an_append_into_a_trimmed_part_is_withdrawn_and_goes_to_the_end(
    replica: Replica, log: KnowledgeLog
) -> None:
    late, here = replica().get("kato"), replica().get("kato")
    await learned(here, 2)
    await late.tail(deadline=soon())
    await learned(here, 6)
    await here.materialise()
    await trimmer(log).trim("kato")
    entries = [learn(), learn()]
    applied = await late.append(entries, since=2)
    assert [(each.revision, each.frequency) for each in applied] == [(9, 9), (10, 10)]
    assert await revisions(log) == [8, 9, 10]
    assert await frequency(here) == await frequency(late) == 10


async def test_a_replica_that_missed_a_trim_reloads(replica: Replica, log: KnowledgeLog) -> None:
    away, here = replica().get("kato"), replica().get("kato")
    await learned(away, 2)
    await learned(here, 6)
    await here.materialise()
    await trimmer(log).trim("kato")
    assert await frequency(away) == 8


async def test_a_replica_that_missed_a_trim_does_not_report_a_replaced_store(
    replica: Replica, log: KnowledgeLog
) -> None:
    away, here = replica().get("kato"), replica().get("kato")
    await learned(away, 2)
    await learned(here, 6)
    await here.materialise()
    await trimmer(log).trim("kato")
    with capture_logs() as logs:
        await away.check()
    assert [each for each in logs if each["log_level"] == "warning"] == []
    assert away.checkpoint_lag == 0
    async with away.reading(deadline=soon()) as reading:
        assert reading.revision == 8


async def test_the_service_trims_nothing_while_a_change_is_pending_or_redis_is_away() -> None:
    now = [1_700_000_000.0]
    sessions = MemorySessionStore(SteadyClock(lambda: now[0], lambda: now[0]))
    new = NewSession("s", "i", None, "kato", 60, {}, {})
    state = await sessions.create(new, Limits(9, None))
    lock = await sessions.lock("s", "me", rolling_forward=False)
    assert lock is not None
    await sessions.intend(lock, Intent("id", (learn(),), 0, state, now[0]))
    now[0] += LONG_PENDING_S - 1
    assert await _nothing_pending(sessions)
    now[0] += 1
    assert not await _nothing_pending(sessions)
    pool = RedisConnectionPool(RedisOptions("redis://127.0.0.1:1/0"))
    with pytest.raises(StoreUnavailableError):
        await _nothing_pending(RedisSessionStore(pool.client, "kato"))
    await pool.close()


async def test_entries_that_a_crash_left_marked_are_ignored_and_dropped_later(
    replica: Replica, log: KnowledgeLog
) -> None:
    here = replica().get("kato")
    entries = await learned(here, 5)
    await here.materialise()
    head = await log.head("kato")
    assert head is not None
    await log.raise_head("kato", Head(head.incarnation, trimmed=4))
    assert await revisions(log) == [5]
    assert await frequency(replica().get("kato")) == 5
    stray = learn()
    there = replica().get("kato")
    applied = await there.append([entries[4], stray], since=4, lookup=True)
    assert [each.revision for each in applied] == [5, 6]
    assert await trimmer(log).trim("kato") == 4


async def test_the_frequency_after_an_entry_is_unknown_once_its_history_is_trimmed(
    replica: Replica, log: KnowledgeLog
) -> None:
    here = replica().get("kato")
    entries = await learned(here, 6)
    await here.materialise()
    await learned(here)
    there = replica().get("kato")
    await there.tail(deadline=soon())
    (before,) = await there.append(entries[5:], since=5, lookup=True)
    assert (before.revision, before.frequency) == (6, 6)
    await trimmer(log).trim("kato")
    again = replica().get("kato")
    await again.tail(deadline=soon())
    (after,) = await again.append(entries[5:], since=5, lookup=True)
    assert (after.revision, after.frequency) == (6, None)


async def test_a_log_without_views_is_not_trimmed(log: KnowledgeLog) -> None:
    assert await trimmer(log).trim("nobody") == 0
    await log.create("kato")
    await log.insert("kato", 1, [learn(), learn()])
    assert await trimmer(log).trim("kato") == 0
    assert await revisions(log) == [1, 2]


async def test_an_append_that_slept_for_half_the_retention_fails_instead_of_being_repeated() -> (
    None
):
    """Its entry got in, was materialised and trimmed while its process was stopped."""
    now = [datetime.now(UTC)]
    shelf = Shelf()
    other = KnowledgeBases(MemoryKnowledgeLog(shelf), PlainPatterns)
    others = MemoryKnowledgeLog(shelf)

    async def stopped(what: str) -> None:
        if what == "reply":
            await learned(other.get("kato"))
            await other.get("kato").materialise()
            now[0] += timedelta(days=3)
            await LogTrimmer(others, plan, limits).trim("kato")

    limits, plan = KnowledgeLimits(retention_s=2 * DAY_S), TrimPlan(always, lambda: now[0])
    log = MemoryKnowledgeLog(shelf, step=stopped)
    slow = KnowledgeBases(log, PlainPatterns, limits=limits, trim=plan)
    with pytest.raises(OutcomeUnknownError):
        await slow.get("kato").append([learn()], since=0)
    assert await frequency(other.get("kato")) == 2
    assert sorted(shelf.entries["kato"]) == [2]
    await asyncio.gather(slow.close(), other.close())
