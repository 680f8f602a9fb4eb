"""A clock for what lasts: it runs on when somebody sets the wall clock."""

import time
from collections.abc import Callable

STEP_S = 1.0
"""Seconds by which the wall clock has to leave the steady one to count as set. Less is drift, and
following it would make one moment read as two."""


class SteadyClock:
    """Measures by the monotonic clock; shows moments as times of day."""

    def __init__(
        self,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._steady = steady
        self._wall = wall
        self._offset = wall() - steady()

    def now(self) -> float:
        """Seconds of the steady clock, whose zero means nothing."""
        return self._steady()

    def time_of_day(self, at: float) -> float:
        """Seconds since the epoch that the wall clock will show, or showed, at this moment.

        Args:
            at: Seconds of the steady clock.
        """
        offset = self._wall() - self._steady()
        if abs(offset - self._offset) > STEP_S:
            self._offset = offset
        return at + self._offset
