"""Number of faults, seed and servers of the torture tests, and the table of their results."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from _pytest.terminal import TerminalReporter

from torture.stack import Stack, built

POINTS = int(os.environ.get("TORTURE_POINTS", "0"))
"""Faults of each kind; 0: the short form."""
SEED = int(os.environ.get("SEED", secrets.randbelow(10**9)))
NewStack = Callable[..., Awaitable[Stack]]


@pytest.fixture
def seed(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> str:
    """The seed of every random decision of a test."""
    record_property("seed", SEED)
    print(f"SEED={SEED}")  # noqa: T201 - pytest shows it with a failure
    return f"{SEED} {request.node.name}"


@pytest.fixture
async def new_stack(
    request: pytest.FixtureRequest, new_service: Callable[..., Any], tmp_path: Path
) -> AsyncIterator[NewStack]:
    """``await new_stack("redis", "mongodb")``: three running replicas over these stores."""
    stacks: list[Stack] = []

    async def make(*stores: str, **variables: str) -> Stack:
        fixtures = {"redis": "redis_server", "mongodb": "mongo_server", "qdrant": "qdrant_server"}
        servers = {store: request.getfixturevalue(fixtures[store]) for store in stores}
        stacks.append(await built(new_service, servers, tmp_path / "shared", **variables))
        await stacks[-1].start()
        return stacks[-1]

    yield make
    for stack in stacks:
        await stack.close()


@pytest.fixture(scope="session")
def reference_url(start_shared_service: Callable[..., str]) -> str:
    return start_shared_service(
        KATO_ENGINE="numpy", VECTORS="disabled", PERSISTENCE="3", MAX_SESSIONS_PER_USER="10000"
    )


@pytest.fixture
async def reference(reference_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A process with its own stores and another engine, to compare the replicas with."""
    async with httpx.AsyncClient(base_url=reference_url, timeout=60) as client:
        yield client


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    rows = [dict(report.user_properties) for report in _reports(terminalreporter)]
    rows = [row for row in rows if "fault" in row]
    if not rows:
        return
    terminalreporter.section("torture")
    columns = ("fault", "stores", "points", "changes", "tries", "seconds", "result", "seed")
    for row in (dict(zip(columns, columns, strict=True)), *rows):
        terminalreporter.line("  ".join(f"{row.get(column, '')!s:<20}" for column in columns))


def _reports(terminalreporter: TerminalReporter) -> list[pytest.TestReport]:
    found = [
        one for outcome in ("passed", "failed") for one in terminalreporter.getreports(outcome)
    ]
    return [one for one in found if one.when == "call"]
