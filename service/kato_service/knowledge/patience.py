"""How long, and how often, a writer tries again."""

import asyncio
import random
import time


class Patience:
    """Pauses that grow from 20 ms to a second, with jitter, until it is over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._pause_s = 0.02

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    async def pause(self) -> None:
        await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))
        self._pause_s = min(1.0, self._pause_s * 2)
