"""Long work on the event loop, in slices."""

import asyncio
import time

SLICE_S = 0.002
"""Seconds of work after which the event loop gets a turn."""


class Turns:
    def __init__(self) -> None:
        self._slice_end = time.monotonic() + SLICE_S

    @property
    def are_over(self) -> bool:
        """Whether the current slice has lasted long enough."""
        return time.monotonic() > self._slice_end

    async def give(self) -> None:
        """Give other tasks a turn if the current slice has lasted long enough."""
        if self.are_over:
            await asyncio.sleep(0)
            self._slice_end = time.monotonic() + SLICE_S
