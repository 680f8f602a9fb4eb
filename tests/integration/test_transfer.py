"""Knowledge moved by ``kato-service import`` and ``export``: exact, repeatable, resumable."""

import argparse
import asyncio
import gzip
import io
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, redirect_stderr
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from deployed_kato import DeployedKato, deployed_kato

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Clear, Delete, Entry, Learn, Update
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.transfer.command import _written, add_commands, ended
from kato_service.transfer.deployed import deployed_knowledge
from kato_service.transfer.importing import KnowledgeImport
from kato_service.transfer.portable import MAX_LINE_BYTES, PortableKnowledge, write
from kato_service.transfer.source import surveyed

GOLDEN = Path(__file__).parent.parent / "golden" / "kb.jsonl.gz"
READS = {"hello", "ismaster", "isMaster", "listDatabases", "find", "getMore", "endSessions"}
Target = dict[str, str]
Completed = subprocess.CompletedProcess[bytes]


def environment(variables: Target) -> Target:
    return {**{n: os.environ[n] for n in ("PATH", "HOME") if n in os.environ}, **variables}


def command(target: Target, *arguments: object) -> Completed:
    program = [sys.executable, "-m", "kato_service", *map(str, arguments)]
    return subprocess.run(
        program, env=environment(target), capture_output=True, timeout=120, check=False
    )


def done(target: Target, *arguments: object, code: int = 0) -> str:
    """What it said, run in this process; it ended with *code*."""
    parser = argparse.ArgumentParser()
    add_commands(parser)
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
    """The environment of a service that has knowledge of its own."""
    embedded = {"DATA_DIR": str(tmp_path / "data")}
    if request.param == "sqlite":
        return embedded
    url = request.getfixturevalue("mongo_url")
    return {**embedded, "MONGO_BASE_URL": url, "MONGO_DATABASE": f"test_{uuid4().hex}"}


def exported(target: Target, *arguments: object) -> list[dict[str, Any]]:
    """The lines behind the header."""
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


def golden_cases() -> list[dict[str, Any]]:
    with gzip.open(GOLDEN, "rt", encoding="utf-8") as lines:
        return [case for case in map(json.loads, lines) if case["state"]["patterns"]]


def deploy_golden(kato: DeployedKato, case: dict[str, Any]) -> None:
    state = case["state"]
    kato.deploy(
        case["kb"], patterns=state["patterns"], symbols=state["symbols"], totals=state["totals"]
    )


def windows(emotives: Any) -> Any:
    return [emotives] if isinstance(emotives, dict) and emotives else emotives or []


def assert_moved(lines: list[dict[str, Any]], state: dict[str, Any]) -> None:
    *rows, trailer = lines
    patterns = [row for row in rows if "events" in row]
    assert [(p["name"], p["events"], p["frequency"], p["emotives"]) for p in patterns] == [
        (p["name"], p["pattern_data"], p["frequency"], windows(p["emotives"]))
        for p in state["patterns"]
    ]
    assert [row for row in rows if "symbol" in row] == []
    assert [trailer[f"total_{name}"] for name in ("learns", "symbols", "distinct_symbols")] == [
        0
    ] * 3


def test_the_state_of_a_deployment_becomes_exactly_ours(kato: DeployedKato, target: Target) -> None:
    case = max(golden_cases(), key=lambda case: len(case["state"]["patterns"]))
    deploy_golden(kato, case)
    said = done(target, "import", "--from", kato.url)
    assert "are exact" in said
    assert_moved(exported(target), case["state"])
    assert set(kato.commands) <= READS


async def opened(path: Path, engine: str = "c") -> KnowledgeBases:
    log: KnowledgeLog = SqliteKnowledgeLog(path)
    bases = KnowledgeBases(log, PatternSearcher(engine).new_index)
    await bases.start()
    return bases


def test_every_golden_knowledge_base_is_taken_over(kato: DeployedKato, tmp_path: Path) -> None:
    async def moved() -> list[str]:
        bases, wrong = await opened(tmp_path / "log.sqlite"), []
        for case in golden_cases():
            async with deployed_knowledge(kato.url, case["kb"]) as source:
                survey = await surveyed(source)
                importing = KnowledgeImport(source, bases.get(case["kb"]), survey, lambda _: None)
                await importing.append()
                found = await importing.compare()
            counts = (found.equal, found.different_count, survey.foreign_names, survey.corrections)
            if counts != (len(case["state"]["patterns"]), 0, 0, ()):
                wrong.append(f"{case['kb']}: {counts}")
        await bases.close()
        return wrong

    for case in golden_cases():
        deploy_golden(kato, case)
    assert asyncio.run(moved()) == []


def test_statistics_that_disagree_are_kept(kato: DeployedKato, embedded: Target) -> None:
    kato.deploy(
        "old",
        patterns=[pattern("a", "b", frequency=3.0), pattern(["c", "c"], frequency=0)],
        symbols=[symbol("a", 9, 1), symbol("b", 3, 3), symbol("x", 2, 5), symbol("c", 0, 0)],
        totals=totals(11, 0, 7),
    )
    done(embedded, "import", "--from", kato.url, "--processor", "old", "--user", "me")
    *rows, trailer = exported(embedded, "--user", "me")
    assert [row for row in rows if "symbol" in row] == [
        symbol_row("a", 6, -2),
        symbol_row("x", 2, 5),
    ]
    assert (trailer["total_learns"], trailer["total_symbols"]) == (8, -6)
    assert trailer["total_distinct_symbols"] == 1


def symbol_row(name: str, patterns: int, occurrences: int) -> dict[str, Any]:
    return {"symbol": name, "pattern_member_frequency": patterns, "frequency": occurrences}


def test_older_forms_of_names_emotives_and_metadata_are_understood(
    kato: DeployedKato, embedded: Target
) -> None:
    plain = pattern("a", "b")
    kato.deploy(
        "old",
        patterns=[
            {**plain, "name": f"PTRN|{plain['name']}", "emotives": {"a.b": 1, "$": -0.5}},
            pattern("c", "d", name="f" * 40, metadata={"k": ["v", {"a": [1]}], "one": 2}),
        ],
    )
    said = done(embedded, "import", "--from", kato.url)
    assert "1 names are not the hash" in said
    assert "no totals" in said
    assert "symbols_kb is empty" in said
    first, second, _ = exported(embedded)
    assert (first["name"], first["emotives"]) == (plain["name"], [{"a.b": 1.0, "$": -0.5}])
    assert (second["name"], second["events"]) == ("f" * 40, [["c"], ["d"]])
    assert second["metadata"] == {"k": ["v", {"a": [1]}], "one": [2]}


def test_a_second_import_and_a_dry_run_change_nothing(kato: DeployedKato, embedded: Target) -> None:
    kato.deploy("old", patterns=[pattern("a", "b", frequency=2)], totals=totals(9, 9, 9))
    assert "nothing was written" in done(embedded, "import", "--from", kato.url, "--dry-run")
    assert rows_of(embedded) == 0
    done(embedded, "import", "--from", kato.url)
    before = rows_of(embedded)
    assert "2 of 2 parts are in" in done(embedded, "import", "--from", kato.url)
    assert rows_of(embedded) == before == 3


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


@pytest.mark.parametrize(
    ("document", "named"),
    [
        pytest.param(pattern("c", "d", name="Z" * 40), "name", id="name"),
        pytest.param(pattern("c", "d", frequency=-1), "frequency", id="negative"),
        pytest.param(pattern("c", "d", frequency=2.5), "frequency", id="fraction"),
        pytest.param(pattern("c", "d", frequency=True), "frequency", id="truth"),
        pytest.param(pattern("c", "d", pattern_data=[["c"], []]), "pattern_data", id="empty event"),
        pytest.param(pattern("c", "d", pattern_data=["c"]), "pattern_data", id="flat"),
        pytest.param(pattern("c", "d", pattern_data=[[1]]), "pattern_data", id="number"),
        pytest.param(pattern("c", "d", emotives=[{"joy": "much"}]), "emotives", id="emotive"),
        pytest.param(pattern("c", "d", emotives=[{"joy": float("nan")}]), "emotives", id="nan"),
        pytest.param(pattern("c", "d", metadata={"k": ["x" * 17_000]}), "metadata", id="metadata"),
        pytest.param(pattern("a", "b"), "twice", id="same name"),
    ],
)
def test_a_bad_document_is_named_and_nothing_is_half_imported(
    kato: DeployedKato, tmp_path: Path, document: dict[str, Any], named: str
) -> None:
    async def found() -> tuple[int, int, str]:
        async with deployed_knowledge(kato.url, "old") as source:
            survey = await surveyed(source)
        return survey.patterns, survey.refused_count, str(survey.refused[0])

    kato.deploy("old", patterns=[pattern("a", "b"), document])
    patterns, refused, reason = asyncio.run(found())
    assert (patterns, refused) == (1, 1)
    assert named in reason
    assert f"{1:024x}" in reason or document["name"] in reason


def test_bad_documents_stop_the_import_unless_they_are_left_out(
    kato: DeployedKato, embedded: Target
) -> None:
    kato.deploy("old", patterns=[pattern("a", "b"), pattern("c", frequency=None)])
    said = done(embedded, "import", "--from", kato.url, code=2)
    assert f"{1:024x}" in said
    assert rows_of(embedded) == 0
    done(embedded, "import", "--from", kato.url, "--skip-refused")
    assert len(exported(embedded)) == 2


def test_a_processor_that_is_not_there_is_answered_with_those_that_are(
    kato: DeployedKato, embedded: Target
) -> None:
    for name in ("one", "two"):
        kato.deploy(name, patterns=[pattern("a", name)])
    for arguments in (("--processor", "three"), ("--processor", "a/b"), ()):
        said = done(embedded, "import", "--from", kato.url, *arguments, code=2)
        assert "found: one, two" in said


def test_a_source_that_cannot_be_reached_is_said_without_its_password(embedded: Target) -> None:
    url = "mongodb://me:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=100"
    finished = command(embedded, "import", "--from", url)  # the driver leaves a socket to the exit
    said = finished.stderr.decode()
    assert finished.returncode == 3
    assert "cannot be read" in said
    said += done(embedded, "import", "--from", "mongodb://me:hunter2@:x", code=2)
    said += done(embedded, "import", "--from", "mongodb://me:hunter2@h/?foo=bar", code=2)
    assert "hunter2" not in said


def test_a_source_that_goes_away_in_the_middle_is_gone_on_with(
    kato: DeployedKato, embedded: Target
) -> None:
    kato.deploy("old", patterns=[pattern("a", str(number)) for number in range(3500)])
    kato.fail_after_batches = 4
    done(embedded, "import", "--from", kato.url, "--processor", "old", code=3)
    assert 0 < rows_of(embedded) < 3501
    kato.fail_after_batches = None
    assert "are exact" in done(embedded, "import", "--from", kato.url)


def test_knowledge_of_other_origin_is_only_added_to_when_that_is_wanted(
    kato: DeployedKato, embedded: Target
) -> None:
    kato.deploy("one", patterns=[pattern("a", "b", frequency=2)])
    kato.deploy("two", patterns=[pattern("a", "b", frequency=3), pattern("c", "d")])
    source = ("import", "--from", kato.url, "--processor")
    done(embedded, *source, "one")
    assert "--merge" in done(embedded, *source, "two", code=2)
    assert "more than this import" in done(embedded, *source, "two", "--merge")
    done(embedded, *source, "two", "--merge")
    done(embedded, *source, "one")
    first, second, _ = exported(embedded)
    assert (first["frequency"], first["learns"], second["frequency"]) == (5, 5, 1)


def test_a_name_of_other_events_is_never_merged(kato: DeployedKato, embedded: Target) -> None:
    kato.deploy("one", patterns=[pattern("a", "b", name="f" * 40)])
    kato.deploy("two", patterns=[pattern("c", "d", name="f" * 40)])
    source = ("import", "--from", kato.url, "--processor")
    done(embedded, *source, "one")
    assert "other events" in done(embedded, *source, "two", "--merge", code=2)


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
        async with bases.get("kato").reading(deadline=Deadline.after(60)) as view:
            with (path / "knowledge.jsonl.gz").open("wb") as out:
                write(view, "kato", out)
        await bases.close()

    asyncio.run(learned())
    return path / "knowledge.jsonl.gz"


def learn(*events: Sequence[str], **emotives: float) -> Learn:
    symbols = tuple(map(tuple, events))
    return Learn(uuid4().hex, pattern_name(symbols), symbols, emotives, 3, {"k": ('{"a":1}',)})


def test_an_import_killed_in_the_middle_goes_on_and_is_exact(
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


def test_an_import_into_a_server_killed_in_the_middle_goes_on_and_is_exact(
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
            if line.startswith("appending"):
                break
        time.sleep(0.3)  # into the middle of it; wherever it hits, the outcome is the same
        running.kill()
    assert "are exact" in done(target, "import", file)
    assert lines_of(file) == exported(target)


def lines_of(file: Path) -> list[dict[str, Any]]:
    """Behind the header; the check-sum counts that in, so it is left out."""
    lines = list(map(json.loads, gzip.decompress(file.read_bytes()).splitlines()))[1:]
    del lines[-1]["sha256"]
    return lines


def test_a_file_that_was_cut_or_changed_is_noticed_before_anything_is_written(
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
        "plain": text,
        "other": gzip.compress(b'{"format":"else"}\n'),
        "empty": b"",
        "behind": gzip.compress(text + lines[1]),
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

        with pytest.raises(Exception, match=r"damaged|none that"):
            asyncio.run(found())
    done(embedded, "import", tmp_path / "changed", code=2)
    done(embedded, "import", tmp_path / "nowhere", code=2)
    assert rows_of(embedded) == 0


def test_an_export_has_the_same_bytes_whenever_it_is_made(tmp_path: Path, target: Target) -> None:
    done(target, "import", file_of(tmp_path, 40))
    out = tmp_path / "out.gz"
    done(target, "export", "-o", out)
    assert command(target, "export").stdout == out.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("out", [".", "folder", "file/x", "nowhere/x", "x" * 300, "pipe", "full"])
def test_a_file_that_cannot_be_written_is_said(
    tmp_path: Path, embedded: Target, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    if out == "full":
        with Path("/dev/full").open("wb") as full:
            program = [sys.executable, "-m", "kato_service", "export"]
            ended = subprocess.run(
                program, env=environment(embedded), stdout=full, stderr=subprocess.PIPE, check=False
            )
        said, code = ended.stderr.decode(), ended.returncode
    else:
        said, code = done(embedded, "export", "-o", out, code=2), 2
    assert code == 2
    assert "cannot be written" in said.splitlines()[-1]
    assert not list(tmp_path.rglob("*.partial"))
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("user", ["", "x" * 257, "a\nb", "\udcff"])
def test_a_user_that_the_api_refuses_is_refused(
    tmp_path: Path, embedded: Target, capsys: pytest.CaptureFixture[str], user: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        done(embedded, "export", "--user", user, "-o", tmp_path / "x")
    assert ended.value.code == 2
    assert "printable" in capsys.readouterr().err


def test_two_exports_into_one_file_do_not_mix(tmp_path: Path) -> None:
    """Each writes beside the other one; whoever ends last has the name."""
    out = tmp_path / "out.gz"
    (tmp_path / "out.gz.partial").write_bytes(b"another's")
    _written(out, lambda file: file.write(b"mine"))
    assert out.read_bytes() == b"mine"
    assert (tmp_path / "out.gz.partial").read_bytes() == b"another's"


def test_a_source_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
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
        async with bases.get("kato").reading(deadline=Deadline.after(60)) as view:
            with file.open("wb") as out:
                write(view, "kato", out)
            return [
                orjson.dumps(asdict(prediction))
                for threshold in (0.0, 0.1, 0.6)
                for prediction in searcher.predict(view, state, Genes(recall_threshold=threshold))
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


def test_a_running_service_has_what_was_imported_at_once(
    tmp_path: Path, new_service: Callable[..., Any]
) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    file = file_of(tmp_path, 50)
    with httpx.Client(base_url=service.url, timeout=30) as api:
        made = api.post("/v2/sessions", json={"user_id": "me"}).json()
        path = f"/v2/sessions/{made['session_id']}"
        assert api.get(f"{path}/patterns").json()["patterns"] == []
        target = {"DATA_DIR": str(service.directory / "data")}
        done(target, "import", file, "--user", "me")
        api.post(f"{path}/observe", json={"strings": ["3"]})
        api.post(f"{path}/observe", json={"strings": ["3", "x"]})
        found = api.get(f"{path}/predictions").json()["predictions"]
    assert found[0]["sequence"] == [["3"], ["3", "x"]]
