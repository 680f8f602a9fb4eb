"""A service that all tests of adapters share, and the programs of the manual."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "python-client.md"
Program = Callable[[str], str]


@pytest.fixture(scope="session")
def service_url(start_shared_service: Callable[..., str]) -> str:
    """A service shared by the whole run: use your own users."""
    return start_shared_service(VECTORS="disabled")


@pytest.fixture
def user() -> str:
    return uuid4().hex


@pytest.fixture
def program(service_url: str, tmp_path: Path) -> Program:
    """``program(import)``: what the program of the manual that has this line prints."""

    def program(imported: str) -> str:
        blocks = re.findall(r"```python\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
        (text,) = (block for block in blocks if imported in block)
        assert len(text.splitlines()) <= 12
        text = text.replace("http://localhost:8000", service_url)
        command = [sys.executable, "-W", "error", "-c", text]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return program
