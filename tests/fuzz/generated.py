"""Requests that Schemathesis generates from the OpenAPI document, all of its checks and ours."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.watching import told

HERE = Path(__file__).parent
EVERY_PHASE = "examples,coverage,fuzzing,stateful"
REPLACED = "positive_data_acceptance,negative_data_rejection,use_after_free"
"""Checks of which hooks.py has better ones."""


@dataclass(frozen=True)
class Plan:
    """What to generate."""

    seed: int
    examples: int
    """Cases for each operation in the phase `fuzzing`; the others have their own numbers."""
    headers: Mapping[str, str]
    phases: str = EVERY_PHASE
    operations: tuple[str, ...] = ()
    """Ids of the only operations; none: all of the document."""


@dataclass(frozen=True)
class Outcome:
    cases: int
    is_clean: bool
    text: str
    """What Schemathesis wrote, with a command to repeat each failed request."""


def generated(document_url: str, plan: Plan, directory: Path) -> Outcome:
    """Send what *plan* says, for the operations of the document."""
    report = directory / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml"),
        *("run", document_url, "--checks", "all", "--phases", plan.phases),
        *("--exclude-checks", REPLACED),
        *("--max-examples", str(plan.examples), "--seed", str(plan.seed), "--no-color"),
        *("--continue-on-failure", "--generation-database", "none"),
        *("--report", "json", "--report-json-path", report),
        *(part for name, value in plan.headers.items() for part in ("-H", f"{name}: {value}")),
        *(part for one in plan.operations for part in ("--include-operation-id", one)),
    ]
    report.unlink(missing_ok=True)
    text = "".join(_shown(command, directory))
    assert report.exists(), text
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    assert found["complete"], text
    return Outcome(found["test_cases"]["generated"], found["exit_code"] == 0, text)


def _shown(command: list[Any], directory: Path) -> Iterator[str]:
    """The output of *command*, line by line; where a phase ends it is told."""
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")}
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "(in " in line:
                told(line.strip())
            yield line
