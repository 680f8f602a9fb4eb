"""One turn of the event loop computes for one stream only, and not for long."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")
TURN_S = 0.002
"""Seconds that a turn may take: every other request waits for its end."""


class ComputeTurns:
    """The streams of a process take turns, in the order in which they ask."""

    def __init__(self) -> None:
        self._taken = asyncio.Lock()

    async def compute(self, work: Callable[[float], T]) -> T:
        """What *work* returns; it is given when it has to end, by `perf_counter`."""
        async with self._taken:
            found = work(perf_counter() + TURN_S)
            # Only then is it the turn of another stream: others get theirs in between.
            await asyncio.sleep(0)
        return found
