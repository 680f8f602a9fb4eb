"""docs/security.md covers every risk, and names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| \*\*API(\d+)\*\* (.*)$", PAGE, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
LEFT = PAGE.partition("## What is left to you")[2]


def functions_in(file: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_every_risk_has_its_row() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 11))


@pytest.mark.parametrize(("number", "row"), ROWS, ids=[f"API{number}" for number, _ in ROWS])
def test_every_row_says_what_is_done_and_names_tests(number: str, row: str) -> None:
    _risk, done, shown = row.removesuffix(" |").split(" | ")
    assert len(done) > 100
    assert len(re.findall(r"`tests/[\w/]+\.py::test_\w+`", shown)) >= 2


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_the_page_names_exists(file: str, name: str) -> None:
    assert name in functions_in(ROOT / file)


@pytest.mark.parametrize("number", [1, 2, 4, 5, 6, 7, 8, 9, 10])
def test_the_page_says_what_is_left_to_the_operator(number: int) -> None:
    assert re.search(rf"\bAPI{number}\b", LEFT)
