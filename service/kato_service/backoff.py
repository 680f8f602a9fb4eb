"""Back-off with jitter: growing random pauses, so that retries of many do not come together."""

import asyncio
import random
import time
from math import inf


class Backoff:
    """Pauses from *first_s* up to *longest_s* seconds, each *factor* times the one before.

    Args:
        give_up_after_s: Seconds from now after which `is_over` is true.
    """

    def __init__(
        self,
        first_s: float,
        longest_s: float,
        *,
        factor: float = 2.0,
        give_up_after_s: float = inf,
    ) -> None:
        self._pause_s = first_s
        self._longest_s = longest_s
        self._factor = factor
        self._over_at = time.monotonic() + give_up_after_s

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._over_at

    async def pause(self) -> None:
        """Sleep for a random part of the pause, between half and all of it."""
        await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))
        self._pause_s = min(self._longest_s, self._pause_s * self._factor)
