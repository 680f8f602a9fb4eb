"""The README and the changelog agree with the repository."""

import re
import tomllib
from pathlib import Path

import pytest

from kato_service.settings.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_of_the_manual_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    commands = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", page.read_text(), re.M))
    assert commands <= targets


def test_make_help_lists_every_command() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    described = re.findall(r"^([a-z0-9-]+):.*## \S", makefile, re.M)
    assert sorted(phony.split()) == sorted(described)


def test_the_newest_release_of_the_changelog_is_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    releases = re.findall(
        r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert releases[0] == project["version"]


def test_every_variable_in_the_manuals_table_is_one_the_service_reads() -> None:
    page = (ROOT / "docs" / "running-the-service.md").read_text()
    rows = re.findall(r"^\| (`[A-Z].*?) \|", page, re.M)
    named = {name for row in rows for name in re.findall(r"`([A-Z][A-Z_]+)`", row)}
    read = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert named
    assert named <= read


@pytest.mark.parametrize("name", ["The service", "Knowledge", "The operator"])
def test_the_manual_shows_the_layers_that_the_import_contracts_check(name: str) -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    contracts = {each["name"]: each for each in tool["importlinter"]["contracts"]}
    page = " ".join((ROOT / "docs" / "development.md").read_text().split())
    assert f"`{' → '.join(contracts[f'{name} is layered']['layers'])}`" in page
