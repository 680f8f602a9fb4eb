"""When views are written in the background: coalesced, soon enough, whatever fails."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from kato_service.domain.pattern import pattern_name
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.writing.materialiser import Materialiser
from kato_service.knowledge.writing.trimming import TrimPlan

QUICK = KnowledgeLimits(view_delay_s=0.01, check_every_s=0.01)
MANY = DEFAULT_LIMITS.view_soon_entries


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Writing:
    """Records what is written, and decides how it ends."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.result: int | None = 1
        self.error: StoreUnavailableError | None = None

    async def __call__(self, kb: str) -> int | None:
        self.written.append(kb)
        if self.error:
            raise self.error
        return self.result

    def taken(self) -> list[str]:
        written, self.written = self.written, []
        return written


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writing() -> Writing:
    return Writing()


@pytest.fixture
def materialiser(clock: Clock, writing: Writing) -> Materialiser:
    return Materialiser(writing, clock=clock)


@pytest.fixture
def after(
    clock: Clock, writing: Writing, materialiser: Materialiser
) -> Callable[[float], list[str]]:
    """A function that gives what is written after so many seconds."""

    def written(seconds: float) -> list[str]:
        clock.now += seconds
        asyncio.run(materialiser.write_due())
        return writing.taken()

    return written


After = Callable[[float], list[str]]


def test_a_knowledge_base_is_written_once_after_its_delay(
    materialiser: Materialiser, after: After
) -> None:
    for _ in range(3):
        materialiser.schedule("one", 5)
        assert after(1.0) == []
    materialiser.schedule("two", 1)
    assert after(1.9) == []
    assert after(0.1) == ["one"]
    assert after(3.0) == ["two"]
    assert after(100.0) == []
    assert materialiser.written == 2


def test_a_lag_of_many_entries_does_not_wait(materialiser: Materialiser, after: After) -> None:
    materialiser.schedule("kato", MANY - 1)
    assert after(0.0) == []
    materialiser.schedule("kato", MANY)
    assert after(0.0) == ["kato"]
    assert after(10.0) == []


def test_attempts_back_off_while_a_store_does_not_answer(
    materialiser: Materialiser, writing: Writing, after: After
) -> None:
    writing.error = StoreUnavailableError("away")
    materialiser.schedule("kato", MANY)
    assert after(0.0) == ["kato"]
    materialiser.schedule("kato", 2 * MANY)
    assert after(4.9) == []
    assert after(0.1) == ["kato"]
    assert after(9.9) == []
    for pause_s in (0.1, 20.0, 40.0, 60.0, 60.0):
        assert after(pause_s) == ["kato"]
    assert materialiser.failures == 7
    writing.error = None
    assert after(60.0) == ["kato"]
    materialiser.schedule("kato", MANY)
    assert after(0.0) == ["kato"]


def test_a_base_that_another_process_writes_is_tried_again(
    materialiser: Materialiser, writing: Writing, after: After
) -> None:
    writing.result = None
    materialiser.schedule("kato", 1)
    assert after(5.0) == ["kato"]
    assert after(4.9) == []
    writing.result = 0
    assert after(0.1) == ["kato"]
    assert after(100.0) == []
    assert (materialiser.written, materialiser.failures) == (0, 0)


def learn(symbol: str) -> Learn:
    events = ((symbol,),)
    return Learn(uuid4().hex, pattern_name(events), events, None, 5)


async def test_the_background_task_writes_views_by_itself(tmp_path: Path) -> None:
    log = SqliteKnowledgeLog(tmp_path / "log.sqlite")
    bases = KnowledgeBases(log, PlainPatterns, limits=QUICK)
    await bases.start()
    running = asyncio.create_task(bases.run_materialiser())
    await asyncio.gather(
        *(bases.get(kb).append([learn("a"), learn("b")], since=0) for kb in ("one", "two"))
    )
    async with asyncio.timeout(60):
        while bases.usage().views_written < 4 or bases.usage().checkpoint_lag:
            await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await bases.close()


async def test_the_background_task_notices_a_restored_store_and_trims(tmp_path: Path) -> None:
    async def always() -> bool:
        return True

    log = SqliteKnowledgeLog(tmp_path / "log.sqlite")
    later = datetime.now(UTC) + timedelta(days=3)
    clock = Clock()
    trim = TrimPlan(is_safe=always, now=lambda: later)
    bases = KnowledgeBases(log, PlainPatterns, limits=QUICK, trim=trim, clock=clock)
    await bases.start()
    kb = bases.get("kato")
    entries = [learn(symbol) for symbol in "abcd"]
    await kb.append(entries, since=0)
    work = (bases.run_materialiser(), bases.run_upkeep())
    running = asyncio.gather(*work)

    async def until(reached: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while not await reached():
                clock.now += 60.0
                await asyncio.sleep(0.01)

    async def is_trimmed() -> bool:
        return len((await log.tail("kato", 0, limit=9)).entries) == 1

    async def is_gone() -> bool:
        return not kb.pattern_count  # none, or not kept in memory, as its log is empty

    await until(is_trimmed)
    assert kb.pattern_count == 4
    for table in ("log", "patterns"):
        await log._file.write(lambda db, table=table: db.execute(f"DELETE FROM {table}"))  # type: ignore[misc]  # bound now
    await until(is_gone)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await bases.close()
