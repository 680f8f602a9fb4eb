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
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.writing.materialiser import Materialiser
from kato_service.knowledge.writing.trimming import TrimPlan


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Writing:
    """What is written, and how it goes."""

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
    """What is written when so many seconds have gone by."""

    def written(seconds: float) -> list[str]:
        clock.now += seconds
        asyncio.run(materialiser.write_due())
        return writing.taken()

    return written


After = Callable[[float], list[str]]


def test_what_lags_is_written_once_after_its_delay(
    materialiser: Materialiser, after: After
) -> None:
    for _ in range(3):
        materialiser.lagging("one", 5)
        assert after(1.0) == []
    materialiser.lagging("two", 1)
    assert after(1.9) == []
    assert after(0.1) == ["one"]
    assert after(3.0) == ["two"]
    assert after(100.0) == []
    assert materialiser.written == 2


def test_a_thousand_entries_are_not_left_to_wait(materialiser: Materialiser, after: After) -> None:
    materialiser.lagging("kato", 999)
    assert after(0.0) == []
    materialiser.lagging("kato", 1000)
    assert after(0.0) == ["kato"]
    assert after(10.0) == []


def test_a_store_that_is_away_is_asked_less_and_less_often(
    materialiser: Materialiser, writing: Writing, after: After
) -> None:
    writing.error = StoreUnavailableError("away")
    materialiser.lagging("kato", 5000)
    assert after(0.0) == ["kato"]
    materialiser.lagging("kato", 6000)
    assert after(4.9) == []
    assert after(0.1) == ["kato"]
    assert after(9.9) == []
    for pause_s in (0.1, 20.0, 40.0, 60.0, 60.0):
        assert after(pause_s) == ["kato"]
    assert materialiser.failures == 7
    writing.error = None
    assert after(60.0) == ["kato"]
    materialiser.lagging("kato", 1000)
    assert after(0.0) == ["kato"]


def test_what_somebody_else_is_at_is_looked_at_again(
    materialiser: Materialiser, writing: Writing, after: After
) -> None:
    writing.result = None
    materialiser.lagging("kato", 1)
    assert after(5.0) == ["kato"]
    assert after(4.9) == []
    writing.result = 0
    assert after(0.1) == ["kato"]
    assert after(100.0) == []
    assert (materialiser.written, materialiser.failures) == (0, 0)


def learn(symbol: str) -> Learn:
    events = ((symbol,),)
    return Learn(uuid4().hex, pattern_name(events), events, None, 5)


async def test_the_background_task_writes_without_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kato_service.knowledge.writing.materialiser.DELAY_S", 0.01)
    bases = KnowledgeBases(SqliteKnowledgeLog(tmp_path / "log.sqlite"), PlainPatterns)
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


async def test_the_background_task_notices_a_restored_store_and_trims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def always() -> bool:
        return True

    monkeypatch.setattr("kato_service.knowledge.writing.upkeep.CHECK_S", 0.01)
    monkeypatch.setattr("kato_service.knowledge.writing.materialiser.DELAY_S", 0.01)
    log = SqliteKnowledgeLog(tmp_path / "log.sqlite")
    later = datetime.now(UTC) + timedelta(days=3)
    clock = Clock()
    trim = TrimPlan(is_safe=always, now=lambda: later)
    bases = KnowledgeBases(log, PlainPatterns, trim=trim, clock=clock)
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

    async def is_reloaded() -> bool:
        return kb.pattern_count == 0

    await until(is_trimmed)
    assert kb.pattern_count == 4
    for table in ("log", "patterns"):
        await log._file.write(lambda db, table=table: db.execute(f"DELETE FROM {table}"))  # type: ignore[misc]  # bound now
    await until(is_reloaded)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await bases.close()
