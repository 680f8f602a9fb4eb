"""The folder operator/ must never hide the standard library's operator module."""

import json
import operator
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

import kato_client
import kato_operator
import kato_service

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "service/kato_service/search/native"
STDLIB_OPERATOR = Path(sysconfig.get_paths()["stdlib"]).resolve() / "operator.py"


def test_this_process_imported_the_standard_librarys_operator() -> None:
    assert Path(operator.__file__).resolve() == STDLIB_OPERATOR


@pytest.mark.parametrize("folder", ["operator", "service", "tests", "e2e"])
def test_workspace_folders_are_not_packages(folder: str) -> None:
    assert not list((ROOT / folder).glob("__init__.py"))


def test_no_test_folder_is_a_package() -> None:
    assert not [*(ROOT / "tests").rglob("__init__.py"), *(ROOT / "e2e").rglob("__init__.py")]


@pytest.mark.parametrize(
    ("folder", "package"), [("operator", "kato_operator"), ("service", "kato_service")]
)
def test_nothing_else_is_importable_from_the_path_entries(folder: str, package: str) -> None:
    modules = {path.stem for path in (ROOT / folder).glob("*.py")}
    packages = {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
    assert (modules, packages) == (set(), {package})


@pytest.mark.parametrize("cwd", [ROOT, Path("/")], ids=["repository", "elsewhere"])
def test_a_fresh_interpreter_imports_the_standard_librarys_operator(cwd: Path) -> None:
    code = "import kato_operator, kato_service, operator; print(operator.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, check=True, capture_output=True, text=True
    )
    assert Path(done.stdout.strip()).resolve() == STDLIB_OPERATOR


def test_all_packages_and_projects_have_one_version() -> None:
    files = (ROOT / "pyproject.toml", ROOT / "client" / "pyproject.toml")
    versions = {
        tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"] for file in files
    }
    packages = (kato_operator, kato_service, kato_client)
    assert {package.__version__ for package in packages} == versions
    for name in ("package.json", "package-lock.json"):
        text = (ROOT / "client" / "typescript" / name).read_text(encoding="utf-8")
        assert {json.loads(text)["version"]} == versions
    assert len(versions) == 1


@pytest.mark.parametrize(
    ("room", "known"),
    [
        ("index", {"index"}),
        ("align", {"index", "align"}),
        ("query", {"index", "align", "query"}),
        ("stored", {"index", "stored"}),
        ("text", {"index", "text"}),
        ("python", {"index", "align", "query", "stored", "text", "python"}),
    ],
)
def test_folders_of_the_engine_include_only_lower_layers(room: str, known: set[str]) -> None:
    sources = [*(NATIVE / room).glob("*.[ch]")]
    texts = [path.read_text(encoding="utf-8") for path in sources]
    included = {name for text in texts for name in re.findall(r'#include "(.*)/.*"', text)}
    assert sources
    assert included <= known


def _packages() -> list[Path]:
    names = ("operator/kato_operator", "service/kato_service", "client/kato_client")
    return [path.parent for name in names for path in sorted((ROOT / name).rglob("__init__.py"))]


def test_every_package_has_a_contract_that_names_all_its_modules() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    named = {one for item in contracts if item.get("exhaustive") for one in item["containers"]}
    packages = {".".join(path.relative_to(ROOT).parts[1:]) for path in _packages()}
    assert packages == named


def test_no_folder_has_more_than_sixteen_modules() -> None:
    counts = {path: len([*path.glob("*.py")]) - 1 for path in _packages()}
    engine = {path.parent for path in NATIVE.rglob("*.c")}
    counts |= {path: len([*path.glob("*.c")]) for path in engine}
    assert {path.name: count for path, count in counts.items() if count > 16} == {}
