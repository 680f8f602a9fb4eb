"""A start imports the drivers that its settings need, and no others."""

import subprocess
import sys
from pathlib import Path

import pytest

OPTIONAL = (
    *("fastapi", "hiredis", "httpx", "numpy", "opentelemetry.sdk", "pymongo", "qdrant_client"),
    "redis",
)
OPENED = f"""
import asyncio, sys
from kato_service import __main__, program
from kato_service.app import make_app
from kato_service.assembly import running_service
from kato_service.settings.settings import read_settings
from kato_service.traces.opening import opened_traces

async def opened():
    settings = read_settings()
    async with opened_traces(settings) as traces, running_service(settings, traces) as service:
        traces.app(make_app(service))

asyncio.run(opened())
print(*sorted(set({OPTIONAL!r}) & set(sys.modules)))
"""


def _imported(folder: Path, **variables: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", OPENED],
        env={"DATA_DIR": str(folder), "PATH": "", **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("variables", "drivers"),
    [
        pytest.param({}, set(), id="embedded"),
        pytest.param({"REDIS_URL": "redis://127.0.0.1:1"}, {"hiredis"}, id="redis"),
        pytest.param({"MONGO_BASE_URL": "mongodb://127.0.0.1:1"}, {"pymongo"}, id="mongodb"),
        pytest.param({"TRACES_URL": "http://127.0.0.1:1"}, {"opentelemetry.sdk"}, id="traces"),
    ],
)
def test_only_the_drivers_that_are_configured_are_imported(
    tmp_path: Path, variables: dict[str, str], drivers: set[str]
) -> None:
    assert _imported(tmp_path, **variables) == drivers
