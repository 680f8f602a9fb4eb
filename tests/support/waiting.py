"""Waiting for a condition instead of for seconds."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
PATIENCE_S = 90.0
PAUSE_S = 0.05


def until(
    look: Callable[[], T | None],
    what: str,
    *,
    patience_s: float = PATIENCE_S,
    pause_s: float = PAUSE_S,
) -> T:
    """The first result of *look* that is true; fails with *what* was awaited."""
    give_up_at = time.monotonic() + patience_s
    while time.monotonic() < give_up_at:
        found = look()
        if found:
            return found
        time.sleep(pause_s)
    pytest.fail(f"{what}: not seen within {patience_s:g} s")
