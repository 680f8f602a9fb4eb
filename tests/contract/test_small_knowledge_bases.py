"""Many users with little knowledge each: what one costs, and whether the estimate is true."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "bench" / "small_bases.py"
BASES = 150


def measured(engine: str) -> tuple[float, float]:
    """KB of one knowledge base of fifty patterns: by growth of a process, and estimated."""
    command = [sys.executable, str(PROGRAM), engine, str(BASES)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    grown, estimated = json.loads(done.stdout).values()
    return grown, estimated


@pytest.mark.parametrize(("engine", "most_kb"), [("c", 40), ("numpy", 95)])
def test_a_small_knowledge_base_takes_as_little_as_estimated(engine: str, most_kb: float) -> None:
    grown, estimated = measured(engine)
    assert grown < most_kb
    assert 0.75 * grown < estimated < 2 * grown
