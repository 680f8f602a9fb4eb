"""What is looked after in turn, a few knowledge bases at a time: restored stores, old entries."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from kato_service.errors import StoreUnavailableError

log = structlog.get_logger()

CHECK_S = 5.0
TRIM_S = 60.0
AT_ONCE = 20
"""Knowledge bases per round, however many are in memory."""


class Rounds:
    """Some of many in turn, so that each comes up."""

    def __init__(self, work: Callable[[str], Awaitable[object]], *, every_s: float) -> None:
        self._work = work
        self._every_s = every_s
        self._next_at = 0.0
        self._last = ""

    async def take(self, names: Sequence[str], now: float) -> None:
        """If a round is due.

        Raises:
            StoreUnavailableError: A store did not answer.
        """
        if now < self._next_at:
            return
        self._next_at = now + self._every_s
        ahead = sorted(name for name in names if name > self._last)
        turn = (ahead + sorted(name for name in names if name <= self._last))[:AT_ONCE]
        for name in turn:
            self._last = name
            await self._work(name)


class Upkeep:
    def __init__(
        self,
        names: Callable[[], Sequence[str]],
        rounds: Sequence[Rounds],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = names
        self._rounds = rounds
        self._clock = clock

    async def run(self) -> None:
        """Take rounds until cancelled."""
        while True:
            await asyncio.sleep(CHECK_S)
            for each in self._rounds:
                with suppress(StoreUnavailableError):  # the store's circuit says so
                    await each.take(self._names(), self._clock())
