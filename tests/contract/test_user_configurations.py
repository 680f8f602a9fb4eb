"""Configurations of users on every store: the same on every replica, old or new after a kill."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from knowledge_stores import MemoryKnowledgeLog, Shelf, Store

from kato_service.errors import LimitExceededError, OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.configurations import ConfigurationPlan, UserConfigurations
from kato_service.knowledge.model.configurations import ConfigurationEntry
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog

ALICE, BOB = "kato~alice", "kato~bob"
OLD, NEW = {"recall_threshold": 0.5}, {"recall_threshold": 0.7, "stm_mode": "ROLLING"}
QUICK = ConfigurationPlan(valid_s=0.2, known_after_s=0.21, retry_s=0.2, patience_s=20.0)
AT_ONCE = ConfigurationPlan(valid_s=0.0, known_after_s=0.0, retry_s=0.05)
Step = Callable[[str], Awaitable[None]]


def opened(log: KnowledgeLog, plan: ConfigurationPlan = QUICK) -> UserConfigurations:
    return UserConfigurations(log.configurations, "kato", plan)


def in_memory(
    shelf: Shelf, step: Step | None = None, plan: ConfigurationPlan = AT_ONCE
) -> UserConfigurations:
    return opened(MemoryKnowledgeLog(shelf, step=step), plan)


async def held(log: KnowledgeLog) -> list[str]:
    """Whose configurations the store holds, those that were replaced included."""
    found = await log.configurations.since("kato", 0, limit=1000)
    return [entry.kb for _, entry in found if entry.kb]


async def test_what_is_acknowledged_is_what_sessions_on_every_replica_begin_with(
    knowledge_store: Store, log: KnowledgeLog
) -> None:
    one, other = opened(log), opened(knowledge_store.new_log())
    for writer, reader, genes in ((one, other, OLD), (other, one, NEW), (one, other, {})):
        await reader.current()  # what it knows now may be used for a while
        await writer.put(ALICE, genes)
        await reader.current()
        assert reader.genes(ALICE) == genes == writer.genes(ALICE)
    assert await one.remove(ALICE)
    await other.current()
    assert not other.is_configured(ALICE)
    assert not await other.remove(ALICE)


async def test_what_is_read_is_used_without_asking_the_store_until_it_may_be_old() -> None:
    asked: list[str] = []

    async def count(what: str) -> None:
        asked.append(what)

    now = 100.0
    log = MemoryKnowledgeLog(Shelf(), step=count)
    known = UserConfigurations(log.configurations, "kato", QUICK, clock=lambda: now)
    for _ in range(5):
        await known.current()
    assert asked == ["configurations"]
    now += QUICK.valid_s
    await known.current()
    assert asked == ["configurations"] * 2


async def test_concurrent_changes_leave_one_of_them_everywhere(
    knowledge_store: Store, log: KnowledgeLog
) -> None:
    replicas = [opened(log), opened(knowledge_store.new_log())]
    changes = [(replicas[n % 2], {"max_predictions": n + 1}) for n in range(12)]
    stored = await asyncio.gather(*(one.put(ALICE, genes) for one, genes in changes))
    revisions = [each.revision for each in stored]
    assert len(set(revisions)) == len(changes)
    last = max(stored, key=lambda each: each.revision)
    for one in (*replicas, opened(knowledge_store.new_log())):
        assert await one.get(ALICE) == last
    assert await held(log) == [ALICE]


async def test_what_is_set_right_after_a_removal_stays() -> None:
    shelf = Shelf()
    removed: list[str] = []

    async def step(what: str) -> None:
        if what == "configurations" and ("kato", 2) in shelf.configurations and not removed:
            removed.append(ALICE)  # the removal is in, and its writer does not know that yet
            await in_memory(shelf).put(ALICE, NEW)

    one = in_memory(shelf, step)
    await one.put(ALICE, OLD)
    assert await one.remove(ALICE)
    assert removed
    assert await _genes(one) == NEW == await _genes(in_memory(shelf))


async def test_users_and_instances_have_configurations_of_their_own(log: KnowledgeLog) -> None:
    one = opened(log)
    other = UserConfigurations(log.configurations, "kato2", QUICK)
    await asyncio.gather(one.put(ALICE, OLD), one.put(BOB, NEW), other.put(ALICE, NEW))
    await one.remove(BOB)
    assert (one.genes(ALICE), one.genes(BOB), other.genes(ALICE)) == (OLD, {}, NEW)


async def test_nothing_of_a_removed_configuration_is_left(log: KnowledgeLog) -> None:
    one = opened(log)
    await one.put(ALICE, OLD)
    await one.put(BOB, OLD)
    await one.put(ALICE, NEW)
    await one.remove(ALICE)
    assert await held(log) == [BOB]


async def test_entries_that_hold_nothing_are_dropped_in_time(log: KnowledgeLog) -> None:
    stored = log.configurations
    entries = [
        ConfigurationEntry("t1", at=1.0),
        ConfigurationEntry("t2", at=1.0, kb=ALICE, genes="{}"),
        ConfigurationEntry("t3", at=1.0, removes=1),
        ConfigurationEntry("t4", at=1.0, removes=2),
        ConfigurationEntry("t5", at=9.0),
        ConfigurationEntry("t6", at=1.0),
    ]
    for number, entry in enumerate(entries, 1):
        await stored.insert("kato", number, entry)
    await stored.insert("kato", 2, ConfigurationEntry("late", at=1.0))  # the revision is taken
    await stored.forget("kato", 6, 5.0)
    found = await stored.since("kato", 0, limit=10)
    # One still removes something, one is young, and one is at the end.
    assert [entry.token for _, entry in found] == ["t2", "t4", "t5", "t6"]
    await stored.blank("kato", ALICE, 4)
    await stored.forget("kato", 6, 5.0)
    await stored.forget("kato", 6, 5.0)
    found = await stored.since("kato", 5, limit=1)
    assert [tuple(each) for each in found] == [(5, entries[4])]
    assert len(await stored.since("kato", 0, limit=10)) == 2


def crashing(at: int) -> Step:
    """Fails every effect from the one of this number on, as if the process had ended there."""
    count = 0

    async def step(_what: str) -> None:
        nonlocal count
        count += 1
        if count > at:
            raise StoreUnavailableError("the process has ended")

    return step


@pytest.mark.parametrize("change", ["put", "remove"])
async def test_a_kill_at_any_effect_leaves_the_old_or_the_new_configuration(change: str) -> None:
    for at in range(50):
        shelf = Shelf()
        running = in_memory(shelf)
        await running.put(ALICE, OLD)
        dying = in_memory(shelf, crashing(at))
        failed = False
        try:
            await (dying.put(ALICE, NEW) if change == "put" else dying.remove(ALICE))
        except StoreUnavailableError:
            failed = True
        after = NEW if change == "put" else {}
        found = [await _genes(running), await _genes(in_memory(shelf))]
        assert found[0] == found[1]
        assert found[0] in (OLD, after)
        assert failed or found[0] == after
        # Whoever changes it next, or removes it, lets go of everything.
        await running.remove(ALICE)
        assert [entry.kb for entry in shelf.configurations.values() if entry.kb] == []
        assert await _genes(in_memory(shelf)) == {} == await _genes(running)
        if not failed:
            return
    raise AssertionError("the change takes more effects than the test has")


async def _genes(known: UserConfigurations) -> object:
    await known.current()
    return known.genes(ALICE)


async def test_a_change_of_unknown_outcome_goes_in_once() -> None:
    lost = iter(["reply", "insert configuration"])
    waited_for = next(lost)

    async def losing(what: str) -> None:
        nonlocal waited_for
        if what == waited_for:
            waited_for = next(lost, "")
            raise OutcomeUnknownError("the answer was lost")

    shelf = Shelf()
    one = in_memory(shelf, losing, ConfigurationPlan(valid_s=0.0, known_after_s=0.0))
    first = await one.put(ALICE, OLD)  # it went in
    second = await one.put(ALICE, NEW)  # it did not
    assert (first.revision, second.revision) == (1, 2)
    assert sorted(revision for _, revision in shelf.configurations) == [1, 2]


async def test_a_store_that_went_back_to_a_backup_is_read_anew() -> None:
    shelf = Shelf()
    one, other = in_memory(shelf), in_memory(shelf)
    await one.put(ALICE, OLD)
    backup = dict(shelf.configurations)
    await one.put(ALICE, NEW)
    assert await _genes(other) == NEW
    shelf.configurations = backup
    assert await _genes(other) == OLD
    shelf.configurations = {}
    assert await _genes(other) == {}


async def test_while_the_store_is_away_sessions_begin_with_what_was_known_last() -> None:
    is_away = False

    async def step(_what: str) -> None:
        if is_away:
            raise StoreUnavailableError("away")

    shelf = Shelf()
    one = in_memory(shelf, step)
    await one.put(ALICE, OLD)
    is_away = True
    assert await _genes(one) == OLD
    with pytest.raises(StoreUnavailableError):
        await one.put(ALICE, NEW)
    with pytest.raises(StoreUnavailableError):
        await in_memory(shelf, step).current()
    is_away = False
    assert await _genes(one) == OLD


class Watched:
    """A process that looks for changes all the time, and counts how often it reads."""

    def __init__(self, shelf: Shelf, plan: ConfigurationPlan) -> None:
        self.now, self.reads, self.is_away = 100.0, 0, False
        log = MemoryKnowledgeLog(shelf, step=self._step)
        self.known = UserConfigurations(
            log.configurations, "kato", plan, clock=lambda: self.now, wall=lambda: self.now
        )

    async def _step(self, what: str) -> None:
        self.reads += what == "configurations"
        if self.is_away:
            raise StoreUnavailableError("away")

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look for changes; at first nobody needs them."""
        task = asyncio.create_task(self.known.run())
        try:
            await self.read(more=1)
            await self.at_rest()
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.known.close()

    async def read(self, *, more: int) -> None:
        """Wait until it has read so many times more."""
        until = self.reads + more
        async with asyncio.timeout(60):
            while self.reads < until:
                await asyncio.sleep(0.001)

    async def at_rest(self) -> None:
        """Let time pass until it looks no more."""
        self.now += OFTEN.needed_s
        async with asyncio.timeout(60):
            seen = -1
            while seen != self.reads:
                seen = self.reads
                await asyncio.sleep(0.1)


OFTEN = ConfigurationPlan(refresh_s=0.002, valid_s=0.4, known_after_s=0.0, rest_s=3600.0)


async def test_changes_are_looked_for_only_while_somebody_needs_them() -> None:
    one = Watched(Shelf(), OFTEN)
    async with one.looking():
        await one.known.current()
        await one.read(more=5)
        one.now += OFTEN.needed_s / 2
        assert one.known.genes(ALICE) == {}
        one.now += OFTEN.needed_s / 2
        await one.read(more=5)
        await one.at_rest()


async def test_the_first_session_after_a_pause_reads_once_and_knows_every_change() -> None:
    shelf = Shelf()
    one, other = Watched(shelf, ConfigurationPlan(refresh_s=3600.0)), in_memory(shelf)
    async with one.looking():
        await other.put(ALICE, OLD)
        rested = one.reads
        await asyncio.gather(*(one.known.current() for _ in range(100)))
        assert (one.known.genes(ALICE), one.reads) == (OLD, rested + 1)
        await one.at_rest()
        await other.put(ALICE, NEW)
        await one.known.current()
        assert one.known.genes(ALICE) == NEW


async def test_that_the_store_was_away_before_a_pause_says_nothing_about_now() -> None:
    shelf = Shelf()
    one, other = Watched(shelf, OFTEN), in_memory(shelf)
    async with one.looking():
        await one.known.current()
        one.now += OFTEN.valid_s
        one.is_away = True
        await one.known.current()
        await one.at_rest()
        with pytest.raises(StoreUnavailableError):
            await one.known.get(ALICE)
        one.is_away = False
        await other.put(ALICE, NEW)
        await one.known.current()
        assert one.known.genes(ALICE) == NEW


async def test_sessions_after_a_pause_begin_with_what_was_read_last_while_the_store_is_away() -> (
    None
):
    shelf = Shelf()
    one = Watched(shelf, OFTEN)
    async with one.looking():
        await one.known.put(ALICE, OLD)
        await one.at_rest()
        one.is_away = True
        await one.known.current()
        assert one.known.genes(ALICE) == OLD
        await one.known.current()
        assert one.known.genes(ALICE) == OLD
        await one.read(more=2)
        one.is_away = False
        await in_memory(shelf).put(ALICE, NEW)
        await one.read(more=2)
        assert one.known.genes(ALICE) == NEW


async def test_what_nobody_needs_is_looked_at_now_and_then() -> None:
    plan = ConfigurationPlan(refresh_s=0.001, rest_s=0.005)
    one = Watched(Shelf(), plan)
    task = asyncio.create_task(one.known.run())
    await one.read(more=5)
    one.is_away = True
    await one.read(more=5)
    task.cancel()
    await asyncio.wait([task])
    assert OFTEN.kept_s / 2 > 2 * ConfigurationPlan().rest_s
    await one.known.close()


async def test_a_process_looks_often_until_it_has_read_for_the_first_time() -> None:
    one = Watched(Shelf(), OFTEN)
    one.is_away = True
    task = asyncio.create_task(one.known.run())
    await one.read(more=5)
    one.is_away = False
    await one.read(more=1)
    await one.at_rest()
    task.cancel()
    await asyncio.wait([task])
    await one.known.close()


async def test_a_session_waits_for_a_store_that_is_being_set_up(tmp_path: Path) -> None:
    log = SqliteKnowledgeLog(tmp_path / "knowledge.sqlite")
    one = opened(log, ConfigurationPlan(patience_s=20.0))
    waiting = asyncio.create_task(one.current())
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    await log.start()
    async with asyncio.timeout(20):
        await waiting
    assert one.is_current
    await one.close()
    await log.close()


async def test_a_store_that_does_not_answer_delays_a_session_once() -> None:
    is_frozen = False

    async def step(_what: str) -> None:
        while is_frozen:
            await asyncio.sleep(0.01)

    plan = ConfigurationPlan(valid_s=0.0, known_after_s=0.0, patience_s=0.05)
    one = in_memory(Shelf(), step, plan)
    await one.put(ALICE, OLD)
    is_frozen = True
    async with asyncio.timeout(10):
        assert [await _genes(one) for _ in range(3)] == [OLD, OLD, OLD]
    is_frozen = False
    await one.put(ALICE, NEW)
    assert await _genes(one) == NEW
    await one.close()


async def test_a_process_that_was_stopped_for_long_reads_everything_anew() -> None:
    now = 0.0
    shelf = Shelf()
    log = MemoryKnowledgeLog(shelf)
    one = UserConfigurations(log.configurations, "kato", AT_ONCE, clock=lambda: now)
    await one.put(ALICE, OLD)
    await one.put(BOB, OLD)
    # Another process removes both, and what it leaves is dropped.
    other = in_memory(shelf)
    await other.remove(ALICE)
    await other.remove(BOB)
    await other.put(BOB, NEW)
    await log.configurations.forget("kato", 5, 10.0**10)
    assert list(shelf.configurations) == [("kato", 5)]
    now += AT_ONCE.kept_s
    await one.current()
    assert (one.genes(ALICE), one.genes(BOB)) == ({}, NEW)


async def test_no_more_users_than_allowed_have_a_configuration(log: KnowledgeLog) -> None:
    one = opened(log, ConfigurationPlan(known_after_s=0.0, most=1))
    await one.put(ALICE, OLD)
    with pytest.raises(LimitExceededError, match="config cannot be kept: 1 users"):
        await one.put(BOB, OLD)
    assert not one.is_configured(BOB)
    await one.put(ALICE, NEW)
    await one.remove(ALICE)
    await one.put(BOB, OLD)
