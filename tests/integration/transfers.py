"""The import and export commands, run in this process or in their own, and what they moved."""

import argparse
import asyncio
import gzip
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, redirect_stderr
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from deployed_kato import DeployedKato, deployed_kato

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Delete, Entry, Learn, Update
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.portable.file import write
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.transfer.command import add_commands, ended

Target = dict[str, str]
Completed = subprocess.CompletedProcess[bytes]


def environment(variables: Target) -> Target:
    return {**{n: os.environ[n] for n in ("PATH", "HOME") if n in os.environ}, **variables}


def command(target: Target, *arguments: object) -> Completed:
    program = [sys.executable, "-m", "kato_service", *map(str, arguments)]
    return subprocess.run(
        program, env=environment(target), capture_output=True, timeout=300, check=False
    )


def done(target: Target, *arguments: object, code: int = 0) -> str:
    """Run the command in this process, which must end with *code*; gives what it wrote."""
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    given = parser.parse_args(list(map(str, arguments)))
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(said):
        for name, value in target.items():
            patch.setenv(name, value)
        assert ended(given) == code, said.getvalue()
    return said.getvalue()


@pytest.fixture
def kato() -> Iterator[DeployedKato]:
    with deployed_kato() as server:
        yield server


@pytest.fixture
def embedded(tmp_path: Path) -> Target:
    return {"DATA_DIR": str(tmp_path / "data")}


@pytest.fixture(params=["sqlite", "mongodb protocol"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """The environment of a service with its own knowledge."""
    embedded = {"DATA_DIR": str(tmp_path / "data")}
    if request.param == "sqlite":
        return embedded
    url = request.getfixturevalue("mongo_url")
    return {**embedded, "MONGO_BASE_URL": url, "MONGO_DATABASE": f"test_{uuid4().hex}"}


def exported(target: Target, *arguments: object) -> list[dict[str, Any]]:
    """The lines after the header."""
    out = Path(target["DATA_DIR"]).parent / "exported.gz"
    done(target, "export", *arguments, "-o", out)
    return lines_of(out)


def pattern(*events: Sequence[str], **more: object) -> dict[str, Any]:
    lists = [list(event) for event in events]
    name = pattern_name(map(tuple, lists))
    length = sum(map(len, lists))
    plain = {"name": name, "pattern_data": lists, "length": length, "frequency": 1, "emotives": []}
    return {**plain, **more}


def symbol(name: str, patterns: int, occurrences: int) -> dict[str, Any]:
    return {"name": name, "pattern_member_frequency": patterns, "frequency": occurrences}


def totals(learns: int, symbols: int, distinct: int) -> dict[str, Any]:
    return {
        "class": "totals",
        "total_pattern_frequencies": learns,
        "total_symbol_frequencies": symbols,
        "total_symbols_in_patterns_frequencies": distinct,
    }


async def opened(path: Path, engine: str = "c") -> KnowledgeBases:
    log: KnowledgeLog = SqliteKnowledgeLog(path)
    bases = KnowledgeBases(log, PatternSearcher(engine).new_index)
    await bases.start()
    return bases


def rows_of(embedded: Target) -> int:
    """Documents of the log, heads included."""
    path = Path(embedded["DATA_DIR"]) / "knowledge.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        try:
            return int(db.execute("SELECT count(*) FROM log").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def file_of(path: Path, count: int) -> Path:
    """An exported knowledge base of *count* patterns, some of them deleted and edited."""

    async def learned() -> None:
        bases = await opened(path / "log.sqlite")
        entries: list[Entry] = [
            learn([str(number)], [str(number % 7), "x"], joy=number % 3) for number in range(count)
        ]
        entries += [Delete("d", entries[1].name), Update("u", entries[2].name, 9)]  # type: ignore[union-attr]  # learns
        entries.append(learn(["0"], ["0", "x"], joy=1))
        await bases.get("kato").append(entries, since=0)
        async with bases.get("kato").reading(deadline=Deadline.after(60)) as reading:
            with (path / "knowledge.jsonl.gz").open("wb") as out:
                await write(reading.copied(), "kato", out)
        await bases.close()

    asyncio.run(learned())
    return path / "knowledge.jsonl.gz"


def learn(*events: Sequence[str], **emotives: float) -> Learn:
    symbols = tuple(map(tuple, events))
    return Learn(uuid4().hex, pattern_name(symbols), symbols, emotives, 3, {"k": ('{"a":1}',)})


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The lines after the header, without the checksum, which includes the header."""
    lines = list(map(json.loads, gzip.decompress(file.read_bytes()).splitlines()))[1:]
    del lines[-1]["sha256"]
    return lines
