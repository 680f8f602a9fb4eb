"""Runs commands and reports progress and failures to the person at the terminal."""

import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
STARTED = time.monotonic()


class PlatformError(Exception):
    """An error for a person to read: what failed and how to fix it, in a few lines."""


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f}s] {text}", flush=True)


def run(
    *command: str | Path,
    timeout_s: float = 600,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run *command* to its end and return its standard output.

    Raises:
        PlatformError: The command failed or took too long; carries its output.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=None if env is None else {**os.environ, **env},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PlatformError(
            f"{command[0]} {command[1]} did not end within {timeout_s:.0f} s"
        ) from error
    except FileNotFoundError as error:
        raise PlatformError(f"{command[0]} is not on PATH; install it") from error
    if done.returncode:
        raise PlatformError(
            f"{' '.join(map(str, command))} failed: exit {done.returncode}\n{done.stderr.strip()}"
        )
    return done.stdout


def run_visibly(*command: str | Path) -> None:
    """Run *command* to its end and show its output meanwhile."""
    sys.stdout.flush()
    done = subprocess.run([str(part) for part in command], check=False)
    if done.returncode:
        raise PlatformError(f"{' '.join(map(str, command))} failed: exit {done.returncode}")
