"""Knowledge bases start from snapshot files whose position the store confirms, and no others."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from knowledge_stores import Store
from structlog.testing import capture_logs

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Pattern, pattern_name
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Clear, Delete, Entry, Import, Learn, Statistics
from kato_service.knowledge.model.log import Head, KnowledgeLog
from kato_service.knowledge.snapshots.snapshot_file import read_header, read_pieces, write_snapshot
from kato_service.knowledge.snapshots.snapshots import ABANDONED_S, Snapshots
from kato_service.search.pattern_searcher import PatternSearcher

pytest.importorskip("kato_service.search._engine")


class Replicas:
    """Makes replicas that share a directory of snapshot files."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self._directory = directory
        self.running: list[KnowledgeBases] = []

    def __call__(self, engine: str = "c", limit_bytes: int = 10**9) -> KnowledgeBases:
        snapshots = Snapshots(self._directory, limit_bytes=limit_bytes, min_patterns=1)
        index = PatternSearcher(engine).new_index
        made = KnowledgeBases(self._store.new_log(), index, snapshots=snapshots)
        self.running.append(made)
        return made

    async def end(self, kb: KnowledgeBases) -> None:
        self.running.remove(kb)
        await kb.close()


@pytest.fixture
async def replica(knowledge_store: Store, tmp_path: Path) -> AsyncIterator[Replicas]:
    made = Replicas(knowledge_store, tmp_path / "snapshots")
    await made().start()
    yield made
    for each in list(made.running):
        await made.end(each)


def learn(*events: str, **more: object) -> Learn:
    pattern = tuple((event, "x") for event in events)
    defaults: dict[str, object] = {"emotives": None, "persistence": 5, "metadata": {}}
    return Learn(uuid4().hex, pattern_name(pattern), pattern, **{**defaults, **more})  # type: ignore[arg-type]  # a test's shorthand


def lively() -> tuple[Entry, ...]:
    token, gone = "token", learn("gone")
    return (
        *(learn("old"), Clear(token + "1"), gone, learn("a"), learn("b")),
        *(
            learn("a", emotives={"joy": 0.5}, metadata={"k": ("1",)}),
            Delete(token + "2", gone.name),
        ),
        Import(token + "3", "elsewhere", 0, learn("b").name, learn("b").events, 4, 3),
        Statistics(token + "4", "elsewhere", 1, Corrections({"x": (-1, 2)}, 1, 2, 3)),
    )


async def facts(kb: KnowledgeBases) -> tuple[object, ...]:
    async with kb.get("kb").reading(deadline=Deadline.after(30)) as reading:
        patterns: list[Pattern] = list(reading.patterns.values())
        counted = dict(reading.statistics.pattern_member_frequency)
        totals = (reading.statistics.total_learns, reading.statistics.total_symbols)
        return (
            patterns,
            counted,
            totals,
            dict(reading.tombstones),
            dict(reading.imports),
            reading.revision,
        )


async def saved(kb: KnowledgeBases) -> None:
    await facts(kb)
    await kb.get("kb").save_snapshot(at_the_end=True)


def the_file(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "snapshots").iterdir()
    return path


async def loaded(kb: KnowledgeBases) -> tuple[tuple[object, ...], list[str]]:
    """Its content, and why it did not use the file."""
    with capture_logs() as logs:
        found = await facts(kb)
    return found, [each["reason"] for each in logs if each["event"] == "snapshot not used"]


async def test_a_replica_starts_from_the_file_and_the_entries_after_it(
    replica: Replicas, log: KnowledgeLog
) -> None:
    here = replica()
    await here.get("kb").append(lively(), since=0)
    await saved(here)
    await here.get("kb").append([learn("late"), learn("gone")], since=0)
    expected = await facts(here)
    reads: list[str] = []
    there = replica()
    there._log.views.page = lambda *_, **__: reads.append("views")  # type: ignore[method-assign, assignment]
    assert await loaded(there) == (expected, [])
    assert reads == []


async def test_a_fold_from_a_file_still_writes_the_views_that_are_missing(
    replica: Replicas, log: KnowledgeLog
) -> None:
    here = replica()
    await here.get("kb").append(lively(), since=0)
    await saved(here)
    there = replica()
    await facts(there)
    assert await there.get("kb").materialise() == 3
    head = await log.head("kb")
    assert head is not None
    assert head.checkpoint == len(lively())
    assert (await loaded(replica()))[0] == await facts(here)


async def test_a_damaged_file_is_reported_and_the_store_is_read(
    replica: Replicas, tmp_path: Path
) -> None:
    here = replica()
    await here.get("kb").append(lively(), since=0)
    await saved(here)
    expected = await facts(here)
    path = the_file(tmp_path)
    whole = path.read_bytes()
    for damaged, reason in (
        (whole[:-40], "torn"),
        (whole[:60] + b"?" + whole[61:], "checksum"),
        (whole.replace(b"snapshot 1\n", b"snapshot 0\n"), "version"),
        (b"", "version"),
    ):
        path.write_bytes(damaged)
        found, reasons = await loaded(replica())
        assert found == expected
        assert len(reasons) == 1
        assert reason in reasons[0]
        assert not path.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"incarnation": "other"}, "another history", id="other history"),
        pytest.param({"revision": 99}, "ahead of the store", id="ahead"),
        pytest.param({"token": "other"}, "another entry", id="other entry"),
        pytest.param({"kb": "other"}, "another knowledge base", id="other kb"),
    ],
)
async def test_a_file_of_another_history_is_reported_and_the_store_is_read(
    replica: Replicas, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    here = replica()
    await here.get("kb").append(lively(), since=0)
    await saved(here)
    path = the_file(tmp_path)
    header = read_header(path)
    pieces = list(read_pieces(path, header))
    write_snapshot(path, replace(header, **change), pieces)  # type: ignore[arg-type]  # fields
    found, reasons = await loaded(replica())
    assert found == await facts(here)
    assert len(reasons) == 1
    assert reason in reasons[0]


async def test_a_file_from_before_a_trim_is_not_used(replica: Replicas, log: KnowledgeLog) -> None:
    here = replica()
    await here.get("kb").append(lively(), since=0)
    await saved(here)
    await here.get("kb").append([learn("late")], since=0)
    await here.get("kb").materialise()
    head = await log.head("kb")
    assert head is not None
    await log.raise_head("kb", Head(head.incarnation, trimmed=len(lively())))
    found, reasons = await loaded(replica())
    assert found == await facts(here)
    assert reasons == ["the log is trimmed beyond it"]


async def test_closing_writes_files_that_are_out_of_date(replica: Replicas, tmp_path: Path) -> None:
    here = replica()
    await here.get("kb").append(lively(), since=0)
    await replica.end(here)
    assert read_header(the_file(tmp_path)).revision == len(lively())


async def test_the_oldest_files_are_removed_beyond_the_limit(
    replica: Replicas, tmp_path: Path
) -> None:
    here = replica(limit_bytes=2_500)
    (tmp_path / "snapshots").mkdir()
    theirs = tmp_path / "snapshots" / "knowledge.sqlite"
    theirs.write_bytes(bytes(10_000))
    os.utime(theirs, (0, 0))
    for number in range(6):
        kb = here.get(f"kb{number}")
        await kb.append([learn("y" * 200)], since=0)
        await kb.save_snapshot()
    kept = {read_header(path).kb for path in (tmp_path / "snapshots").glob("*.snapshot")}
    assert 1 < len(kept) < 6
    assert "kb5" in kept
    assert theirs.exists()


async def test_partial_files_of_killed_writers_are_removed_and_recent_ones_stay(
    replica: Replicas, tmp_path: Path
) -> None:
    here = replica()
    await here.get("kb").append(lively(), since=0)
    await saved(here)
    written = the_file(tmp_path)
    old, new = (written.with_name(f"{written.name}.{name}.partial") for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * ABANDONED_S,) * 2)
    await here.get("kb").append([learn("more")], since=0)
    await saved(here)
    assert {path.name for path in written.parent.iterdir()} == {written.name, new.name}


async def test_the_numpy_engine_reads_and_writes_no_files(
    replica: Replicas, tmp_path: Path
) -> None:
    here = replica("c")
    await here.get("kb").append(lively(), since=0)
    await saved(here)
    there = replica("numpy")
    assert await loaded(there) == (await facts(here), [])
    await there.get("kb").save_snapshot()
    assert read_header(the_file(tmp_path)).revision == len(lively())


async def test_a_directory_that_cannot_be_written_does_no_other_harm(
    replica: Replicas, tmp_path: Path
) -> None:
    (tmp_path / "snapshots").write_text("no directory")
    here = replica()
    await here.get("kb").append(lively(), since=0)
    with capture_logs() as logs:
        await here.get("kb").save_snapshot()
    assert [each["event"] for each in logs] == ["snapshot not written"]
    assert len(await facts(here)) == 6
