"""Patterns of a KATO 3.x with ``kato-service import``: ClickHouse's rows, and its Redis."""

import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

sys.path.insert(0, str(Path(__file__).parent))
from transfers import Target, done, exported, pattern, rows_of


def rows_in(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """A file as ``FORMAT JSONEachRow`` writes it."""
    file = path / "patterns.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def row(*events: Sequence[str], **more: object) -> dict[str, Any]:
    plain = pattern(*events)
    return {"name": plain["name"], "pattern_data": plain["pattern_data"], **more}


def patterns_of(target: Target) -> list[tuple[Any, ...]]:
    fields = ("events", "frequency", "learns", "emotives", "metadata")
    return [tuple(row[field] for field in fields) for row in exported(target) if "events" in row]


def test_rows_that_hold_everything_are_imported_in_their_order(
    tmp_path: Path, target: Target
) -> None:
    emotives, metadata = '[{"joy": 0.5}]', '{"book": ["b"]}'
    first = row(["z"], ["y"], frequency="12", emotives=emotives, metadata=metadata)
    file = rows_in(
        tmp_path, [first, row(["a", "b"], ["c"], frequency=1, emotives="", metadata="{}")]
    )
    assert "are exact" in done(target, "import", file)
    assert patterns_of(target) == [
        ([["z"], ["y"]], 12, 12, [{"joy": 0.5}], {"book": ["b"]}),
        ([["a", "b"], ["c"]], 1, 1, [], {}),
    ]


def test_what_rows_lack_comes_from_redis(tmp_path: Path, embedded: Target, redis_url: str) -> None:
    kb = f"node_{uuid4().hex}"
    one, other = row(["a"], ["b"]), row(["c"], ["d"])
    with Redis.from_url(redis_url) as redis:
        redis.set(f"{kb}:frequency:{one['name']}", 4)
        redis.set(f"{kb}:emotives:{one['name']}", '[{"joy": 1.0}, {"joy": -1.0}]')
        redis.set(f"{kb}:metadata:{one['name']}", '{"k": ["v"]}')
    said = done(
        embedded, "import", rows_in(tmp_path, [one, other]), "--redis", redis_url, "--processor", kb
    )
    assert "1 patterns have no frequency, and get 1" in said
    assert patterns_of(embedded) == [
        ([["a"], ["b"]], 4, 4, [{"joy": 1.0}, {"joy": -1.0}], {"k": ["v"]}),
        ([["c"], ["d"]], 1, 1, [], {}),
    ]


def test_compressed_rows_are_imported(tmp_path: Path, embedded: Target) -> None:
    file = rows_in(tmp_path, [row(["a"], ["b"], frequency=2)])
    packed = tmp_path / "patterns.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    done(embedded, "import", packed)
    assert "1 of 1 parts are already imported" in done(embedded, "import", file)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row(["a"]), "line 2: frequency: not a whole number"),
        (row(["a"], frequency="x"), "line 2: frequency: not a whole number"),
        ({"pattern_data": [["a"]], "frequency": 1}, "line 2: name"),
        (row(["a"], frequency=1, emotives="joy"), "line 2: emotives or metadata: not the JSON"),
        ({**row(["a"], frequency=1), "pattern_data": "a"}, "line 2: pattern_data: not a list"),
        (row(["x"], ["y"], frequency=1), "the name is there twice"),
    ],
)
def test_wrong_rows_are_refused_with_their_line(
    tmp_path: Path, embedded: Target, wrong: dict[str, Any], reason: str
) -> None:
    file = rows_in(tmp_path, [row(["x"], ["y"], frequency=1), wrong])
    assert reason in done(embedded, "import", file, code=2)
    assert rows_of(embedded) == 0


def test_redis_needs_the_name_of_the_knowledge_base(tmp_path: Path, embedded: Target) -> None:
    file = rows_in(tmp_path, [row(["a"], ["b"])])
    said = done(embedded, "import", file, "--redis", "redis://127.0.0.1:1", code=2)
    assert "--processor: with --redis" in said
    source = ("--redis", "redis://:hunter2@127.0.0.1:1", "--processor", "x")
    said = done(embedded, "import", file, *source, code=3)
    assert "cannot be read" in said
    assert "hunter2" not in said
