"""The files of the console: complete, small, with nothing inline and nothing that parses text."""

import gzip
import re
from pathlib import Path

import pytest

from kato_service.api.console.paths import ASSETS, HEADERS
from support.documents import application

FOLDER = Path(__file__).parents[2] / "service" / "kato_service" / "api" / "console" / "assets"
MODULES = sorted(FOLDER.glob("*.js"))
MOST_BYTES = 150 * 1024


def served(**variables: str) -> set[str]:
    paths = (str(getattr(route, "path", "")) for route in application(**variables).routes)
    return {path for path in paths if path.startswith("/console")}


def test_every_file_is_served_and_nothing_else() -> None:
    assert {asset.file for asset in ASSETS} == {path.name for path in FOLDER.iterdir()}
    assert served() == {asset.path for asset in ASSETS}


@pytest.mark.parametrize("variable", ["ENABLE_CONSOLE", "ENABLE_V2_FEATURES"])
def test_an_instance_may_have_no_console(variable: str) -> None:
    assert served(**{variable: "false"}) == set()


def test_the_files_are_small() -> None:
    assert sum(len(gzip.compress(path.read_bytes())) for path in FOLDER.iterdir()) < MOST_BYTES


def test_the_page_has_relative_addresses_and_nothing_inline() -> None:
    page = (FOLDER / "index.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert all(re.fullmatch(r"console/[\w.-]+|docs|#\w+", one) for one in addresses)
    assert re.findall(r"<script>|<style|style=|\son\w+=", page) == []


def test_the_policy_allows_what_the_instance_serves_and_no_markup_from_text() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_makes_nodes_and_names_no_address(module: Path) -> None:
    text = module.read_text()
    parsing = r"innerHTML|outerHTML|insertAdjacent|document\.write|DOMParser|\beval\b|new Function"
    assert re.findall(parsing, text) == []
    assert set(re.findall(r"https?://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}
    imported = set(re.findall(r'from "\./([\w.]+)"', text))
    assert imported <= {path.name for path in MODULES}
    assert 'setAttribute("style"' not in text
