"""Waiting for a condition instead of for seconds."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
PATIENCE_S = 90.0
PAUSE_S = 0.05
LONGER, LONGEST = 1.25, 8
"""What each pause is multiplied with, and the most that all of them are: looking costs processor
time, which whatever is awaited needs."""


def until(
    look: Callable[[], T | None],
    what: str,
    *,
    patience_s: float = PATIENCE_S,
    pause_s: float = PAUSE_S,
) -> T:
    """The first result of *look* that is true; fails with *what* was awaited.

    Args:
        pause_s: Seconds between the first two looks; later pauses are longer.
    """
    give_up_at, longest_s = time.monotonic() + patience_s, LONGEST * pause_s
    while time.monotonic() < give_up_at:
        found = look()
        if found:
            return found
        time.sleep(pause_s)
        pause_s = min(pause_s * LONGER, longest_s)
    pytest.fail(f"{what}: not seen within {patience_s:g} s")
