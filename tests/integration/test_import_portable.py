"""Imports of files with ``kato-service import``: exact, checked first, resumable."""

import asyncio
import gzip
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

sys.path.insert(0, str(Path(__file__).parent))
from transfers import Target, done, environment, exported, file_of, lines_of, opened, rows_of

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Clear, Delete, Entry, Learn, Update
from kato_service.portable.file import MAX_LINE_BYTES, PortableKnowledge, write
from kato_service.portable.importing import KnowledgeImport
from kato_service.portable.source import surveyed
from kato_service.search.pattern_searcher import PatternSearcher


def test_an_import_killed_in_the_middle_continues_and_is_exact(
    tmp_path: Path, embedded: Target
) -> None:
    file = file_of(tmp_path, 4000)
    seen = [0]
    for stop_at in (400, 1500):
        program = [sys.executable, "-m", "kato_service", "import", str(file)]
        with subprocess.Popen(
            program, env=environment(embedded), stderr=subprocess.DEVNULL
        ) as running:
            while rows_of(embedded) < stop_at and running.poll() is None:
                time.sleep(0.001)
            running.kill()
        seen.append(rows_of(embedded))
    assert seen == sorted(seen)  # a slow killer may find it done
    said = done(embedded, "import", file)
    assert "are exact" in said
    assert "\n0 of" not in said
    assert lines_of(file) == exported(embedded)


def test_an_import_into_a_server_killed_in_the_middle_continues_and_is_exact(
    tmp_path: Path, mongo_url: str
) -> None:
    file = file_of(tmp_path, 700)
    target = {
        "DATA_DIR": str(tmp_path / "data"),
        "MONGO_BASE_URL": mongo_url,
        "MONGO_DATABASE": f"test_{uuid4().hex}",
    }
    program = [sys.executable, "-m", "kato_service", "import", str(file)]
    with subprocess.Popen(
        program, env=environment(target), stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("importing"):
                break
        with MongoClient[dict[str, Any]](mongo_url) as client:
            log = client[target["MONGO_DATABASE"]]["log"]
            while log.count_documents({}) < 100 and running.poll() is None:
                time.sleep(0.001)
        running.kill()  # wherever it hits, the outcome is the same
    assert "are exact" in done(target, "import", file)
    assert lines_of(file) == exported(target)


def test_a_truncated_or_changed_file_is_noticed_before_anything_is_written(
    tmp_path: Path, embedded: Target
) -> None:
    whole = file_of(tmp_path, 30).read_bytes()
    text = gzip.decompress(whole)
    lines = text.splitlines(keepends=True)
    broken = {
        "cut": whole[: len(whole) // 2],
        "lines": gzip.compress(b"".join(lines[:-1])),
        "line": gzip.compress(b"".join([*lines[:5], *lines[6:]])),
        "changed": gzip.compress(text.replace(b'"frequency":9', b'"frequency":8')),
        "other": gzip.compress(b'{"format":"else"}\n'),
        "empty": b"",
        "after the end": gzip.compress(text + lines[1]),
        "twice": whole + whole,
        "trailing": whole + b"more",
        "checksum": whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],
        "endless": gzip.compress(lines[0] + b" " * (MAX_LINE_BYTES + 2)),
    }
    for name, content in broken.items():
        file = tmp_path / name
        file.write_bytes(content)

        async def found(file: Path = file) -> None:
            await surveyed(PortableKnowledge(file))

        with pytest.raises(Exception, match=r"damaged|was not written by"):
            asyncio.run(found())
    done(embedded, "import", tmp_path / "changed", code=2)
    done(embedded, "import", tmp_path / "nowhere", code=2)
    assert rows_of(embedded) == 0


def test_a_source_that_changes_during_the_import_is_noticed(tmp_path: Path) -> None:
    class Growing(PortableKnowledge):
        passes = 0

        async def patterns(self):  # type: ignore[no-untyped-def]  # as in the base class
            self.passes += 1
            async for batch in super().patterns():
                yield [replace(one, frequency=self.passes) for one in batch]

    async def moved() -> None:
        bases, source = await opened(tmp_path / "target.sqlite"), Growing(file)
        importing = KnowledgeImport(
            source, bases.get("kato"), await surveyed(source), lambda _: None
        )
        try:
            await importing.append()
        finally:
            await bases.close()

    file = file_of(tmp_path, 5)
    with pytest.raises(Exception, match="changed while it was imported"):
        asyncio.run(moved())


symbols = st.sampled_from(["a", "b", "c", "", "$", "🙂"])
EVENTS = st.lists(st.lists(symbols, min_size=1, max_size=3), min_size=1, max_size=3)
maps = st.dictionaries(st.sampled_from(["joy", "a.b"]), st.floats(-1, 1), max_size=2)


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    history: list[Entry] = []
    names = ["0" * 40]
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from([Learn, Learn, Learn, Update, Delete, Clear]))
        token = uuid4().hex
        if kind is Learn:
            events = tuple(map(tuple, draw(EVENTS)))
            names.append(pattern_name(events))
            history.append(
                Learn(token, names[-1], events, draw(st.none() | maps), 2, {"k": ("1",)})
            )
        elif kind is Clear:
            history.append(Clear(token))
        elif kind is Update:
            window = draw(st.none() | st.tuples(maps))
            history.append(
                Update(token, draw(st.sampled_from(names)), draw(st.integers(0, 9)), window)
            )
        else:
            history.append(Delete(token, draw(st.sampled_from(names))))
    return history


@pytest.mark.parametrize("engine", ["c", "numpy"])
@settings(max_examples=8)
@given(history=histories(), stm=EVENTS)
def test_predictions_after_a_move_have_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    engine: str,
    history: list[Entry],
    stm: list[list[str]],
) -> None:
    folder = tmp_path_factory.mktemp("move")
    searcher = PatternSearcher(engine)
    state = tuple(map(tuple, stm))

    async def predicted(bases: KnowledgeBases, file: Path) -> list[bytes]:
        async with bases.get("kato").reading(deadline=Deadline.after(60)) as reading:
            with file.open("wb") as out:
                await write(reading.copied(), "kato", out)
            return [
                orjson.dumps(asdict(prediction))
                for threshold in (0.0, 0.1, 0.6)
                for prediction in searcher.predict(
                    reading, state, Genes(recall_threshold=threshold)
                )
            ]

    async def moved() -> tuple[list[bytes], list[bytes]]:
        here = await opened(folder / "here.sqlite", engine)
        there = await opened(folder / "there.sqlite", engine)
        await here.get("kato").append(history, since=0)
        before = await predicted(here, folder / "here.gz")
        source = PortableKnowledge(folder / "here.gz")
        survey = await surveyed(source)
        importing = KnowledgeImport(source, there.get("kato"), survey, lambda _: None)
        await importing.check(merge=False)
        await importing.append()
        assert not (await importing.compare()).different_count
        after = await predicted(there, folder / "there.gz")
        await here.close()
        await there.close()
        return before, after

    before, after = asyncio.run(moved())
    assert after == before
    assert lines_of(folder / "here.gz") == lines_of(folder / "there.gz")


def test_a_running_service_shows_imported_knowledge_at_once(
    tmp_path: Path, new_service: Callable[..., Any]
) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    file = file_of(tmp_path, 50)
    with httpx.Client(base_url=service.url, timeout=60) as api:
        made = api.post("/v2/sessions", json={"user_id": "me"}).json()
        path = f"/v2/sessions/{made['session_id']}"
        assert api.get(f"{path}/patterns").json()["patterns"] == []
        target = {"DATA_DIR": str(service.directory / "data")}
        done(target, "import", file, "--user", "me")
        api.post(f"{path}/observe", json={"strings": ["3"]})
        api.post(f"{path}/observe", json={"strings": ["3", "x"]})
        found = api.get(f"{path}/predictions").json()["predictions"]
    assert found[0]["sequence"] == [["3"], ["3", "x"]]
