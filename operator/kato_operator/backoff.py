"""Back-off with jitter: delays that double, so that failures do not retry all at once."""

import random
from collections.abc import Callable
from dataclasses import dataclass

MAX_DOUBLINGS = 16
"""Enough for every longest delay; a larger exponent would only overflow."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays from *first_s* to *longest_s* seconds, of which *jitter* (0 to 1) decides one half."""

    first_s: float
    longest_s: float
    jitter: Callable[[], float] = random.random

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after *failures* failures in a row, counted from 1."""
        doublings = min(failures - 1, MAX_DOUBLINGS)
        full_s = min(self.longest_s, self.first_s * 2.0**doublings)
        return full_s * (0.5 + self.jitter() / 2)
