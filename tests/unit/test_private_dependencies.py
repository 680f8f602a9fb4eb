"""The undocumented parts of other packages that KATO builds on, and the bounds on their versions.

The files test_private_*.py check these parts, package by package: a version that changes one fails
there, naming the module that has to follow. The tests here make sure that no such version is
installed before its bound is raised, and that every undocumented module in use is listed.
"""

import ast
import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BOUNDED = ("fastapi", "kopf", "kubernetes", "pymongo", "qdrant-client", "starlette", "uvicorn")
"""Packages of which KATO uses undocumented parts."""
DOCUMENTED = {
    *("fastapi.routing", "kubernetes.aio", "qdrant_client.models"),
    *("pymongo.asynchronous.collection", "pymongo.asynchronous.database", "pymongo.errors"),
    *("pymongo.monitoring", "pymongo.read_concern"),
    *("starlette.applications", "starlette.datastructures", "starlette.exceptions"),
    *("starlette.requests", "starlette.responses", "starlette.routing", "starlette.types"),
    "starlette.websockets",
}
UNDOCUMENTED = {
    "fastapi.openapi.utils",
    *("qdrant_client.common.client_exceptions", "qdrant_client.http.exceptions"),
    *("uvicorn.protocols.http.flow_control", "uvicorn.protocols.http.httptools_impl"),
    "uvicorn.protocols.websockets.websockets_sansio_impl",
}
"""Modules that the service or the operator imports although no manual documents them."""


def requirements(name: str) -> list[Requirement]:
    """Every requirement of pyproject.toml for the package."""
    project = PROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    found = (Requirement(line) for group in groups for line in group)
    return [requirement for requirement in found if requirement.name == name]


@cache
def imports() -> list[tuple[Path, ast.Import | ast.ImportFrom]]:
    """Every import of the service and the operator, with its file."""
    return [
        (file.relative_to(ROOT), node)
        for folder in ("service", "operator")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that an import names."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("name", BOUNDED)
def test_a_package_with_private_parts_in_use_has_an_upper_bound(name: str) -> None:
    assert requirements(name)
    for requirement in requirements(name):
        operators = {part.operator for part in requirement.specifier}
        assert operators & {"<", "~="}, f"{requirement}: no upper bound in pyproject.toml"


@pytest.mark.parametrize("name", BOUNDED)
def test_the_installed_version_is_within_the_bounds(name: str) -> None:
    for requirement in requirements(name):
        assert requirement.specifier.contains(version(name)), (
            f"{name} {version(name)} is installed, pyproject.toml has {requirement}: raise the"
            " bound once all tests/unit/test_private_*.py pass"
        )


def test_every_undocumented_module_in_use_is_listed() -> None:
    packages = {name.replace("-", "_") for name in BOUNDED}
    found = {module for _, node in imports() for module in imported(node) if "." in module}
    ours = {module for module in found if module.split(".")[0] in packages}
    assert ours - DOCUMENTED == UNDOCUMENTED


def test_no_private_module_or_name_of_another_package_is_imported() -> None:
    private = [
        f"{file}: {module}"
        for file, node in imports()
        for module in imported(node)
        if not module.startswith("kato_") and any(map(is_private, module.split(".")))
    ]
    private += [
        f"{file}: {node.module}.{alias.name}"
        for file, node in imports()
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("kato_")
        for alias in node.names
        if is_private(alias.name)
    ]
    assert private == []
