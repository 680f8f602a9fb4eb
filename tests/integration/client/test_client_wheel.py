"""The built wheel of the Python client, in an environment that has nothing else."""

import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.servers import REPOSITORY

CLIENT = REPOSITORY / "client"


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment, with the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    shutil.copytree(CLIENT, folder / "client", ignore=ignored)
    build: Sequence[str | Path] = (sys.executable, "-m", "build", "--no-isolation", "--wheel")
    run(*build, "--outdir", folder, folder / "client", cwd=folder)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    pip: Sequence[str | Path] = (sys.executable, "-m", "pip", "--python", python, "install", "-q")
    run(*pip, "-c", REPOSITORY / "constraints.txt", wheel, cwd=folder)
    return python


def test_the_first_lines_of_the_readme_end_with_a_prediction(
    fresh: Path, service_url: str, tmp_path: Path
) -> None:
    readme = (CLIENT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert first is not None
    program = first[1].replace("http://localhost:8000", service_url)
    assert len(program.splitlines()) <= 10
    assert run(fresh, "-c", program, cwd=tmp_path) == "[['again']] 0.8\n"


def test_httpx_is_the_only_dependency(fresh: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "--python", fresh, "check", cwd=tmp_path)
    code = """
from importlib.metadata import requires
print(*(one for one in requires("kato-client") if "extra" not in one))"""
    assert run(fresh, "-c", code, cwd=tmp_path) == "httpx<1,>=0.27\n"
