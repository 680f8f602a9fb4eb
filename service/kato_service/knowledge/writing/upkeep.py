"""Upkeep of loaded knowledge bases, a few per round: restored stores, old entries, snapshots."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.limits import DEFAULT_LIMITS

log = structlog.get_logger()


class Rounds:
    """One kind of work, done for a few of many names per round, so that each has its turn."""

    def __init__(
        self,
        work: Callable[[str], Awaitable[object]],
        *,
        every_s: float,
        most: int = DEFAULT_LIMITS.bases_per_round,
    ) -> None:
        """*most*: names per round."""
        self._work = work
        self._every_s = every_s
        self._most = most
        self._next_at = 0.0
        self._last = ""

    async def take(self, names: Sequence[str], now: float) -> None:
        """Do a round, if one is due.

        Raises:
            StoreUnavailableError: A store did not answer.
        """
        if now < self._next_at:
            return
        self._next_at = now + self._every_s
        # By name, continuing after the last one: names come and go between rounds, so a position
        # in a list would skip some of them.
        ahead = sorted(name for name in names if name > self._last)
        turn = (ahead + sorted(name for name in names if name <= self._last))[: self._most]
        for name in turn:
            self._last = name
            await self._work(name)


class Upkeep:
    def __init__(
        self,
        names: Callable[[], Sequence[str]],
        rounds: Sequence[Rounds],
        *,
        tick_s: float = DEFAULT_LIMITS.check_every_s,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*tick_s*: seconds between looks at which rounds are due."""
        self._names = names
        self._rounds = rounds
        self._tick_s = tick_s
        self._clock = clock

    async def run(self) -> None:
        """Do rounds until cancelled."""
        while True:
            await asyncio.sleep(self._tick_s)
            for each in self._rounds:
                with suppress(StoreUnavailableError):  # the store's circuit breaker reports it
                    await each.take(self._names(), self._clock())
