"""Imports from a deployed KATO with ``kato-service import --from``: exact and repeatable."""

import asyncio
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from deployed_kato import DeployedKato
from transfers import Target, command, done, exported, opened, pattern, rows_of, symbol, totals

from kato_service.portable.importing import KnowledgeImport
from kato_service.portable.source import surveyed
from kato_service.transfer.deployed import deployed_knowledge

GOLDEN = Path(__file__).parent.parent / "golden" / "kb.jsonl.gz"
READS = {"hello", "ismaster", "isMaster", "listDatabases", "find", "getMore", "endSessions"}


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


def test_the_knowledge_of_a_deployment_is_imported_exactly(
    kato: DeployedKato, target: Target
) -> None:
    case = max(golden_cases(), key=lambda case: len(case["state"]["patterns"]))
    deploy_golden(kato, case)
    said = done(target, "import", "--from", kato.url)
    assert "are exact" in said
    assert_moved(exported(target), case["state"])
    assert set(kato.commands) <= READS


def test_every_golden_knowledge_base_is_imported_exactly(
    kato: DeployedKato, tmp_path: Path
) -> None:
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
    assert "2 of 2 parts are already imported" in done(embedded, "import", "--from", kato.url)
    assert rows_of(embedded) == before == 3


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
def test_a_bad_document_is_reported_and_nothing_is_half_imported(
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


def test_bad_documents_stop_the_import_unless_they_are_skipped(
    kato: DeployedKato, embedded: Target
) -> None:
    kato.deploy("old", patterns=[pattern("a", "b"), pattern("c", frequency=None)])
    said = done(embedded, "import", "--from", kato.url, code=2)
    assert f"{1:024x}" in said
    assert rows_of(embedded) == 0
    done(embedded, "import", "--from", kato.url, "--skip-refused")
    assert len(exported(embedded)) == 2


def test_an_unknown_processor_is_answered_with_the_known_ones(
    kato: DeployedKato, embedded: Target
) -> None:
    for name in ("one", "two"):
        kato.deploy(name, patterns=[pattern("a", name)])
    for arguments in (("--processor", "three"), ("--processor", "a/b"), ()):
        said = done(embedded, "import", "--from", kato.url, *arguments, code=2)
        assert "found: one, two" in said


def test_a_source_that_cannot_be_reached_is_reported_without_its_password(embedded: Target) -> None:
    url = "mongodb://me:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=100"
    finished = command(embedded, "import", "--from", url)  # the driver leaves a socket to the exit
    said = finished.stderr.decode()
    assert finished.returncode == 3
    assert "cannot be read" in said
    said += done(embedded, "import", "--from", "mongodb://me:hunter2@:x", code=2)
    said += done(embedded, "import", "--from", "mongodb://me:hunter2@h/?foo=bar", code=2)
    assert "hunter2" not in said


def test_an_import_continues_after_its_source_went_away_in_the_middle(
    kato: DeployedKato, embedded: Target
) -> None:
    kato.deploy("old", patterns=[pattern("a", str(number)) for number in range(3500)])
    kato.fail_after_batches = 4
    done(embedded, "import", "--from", kato.url, "--processor", "old", code=3)
    assert 0 < rows_of(embedded) < 3501
    kato.fail_after_batches = None
    assert "are exact" in done(embedded, "import", "--from", kato.url)


def test_knowledge_of_other_origin_is_only_added_to_with_merge(
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
