"""Dirty keys: each waits once, is worked on once at a time, and backs off by itself."""

import asyncio
import heapq
import random
from collections.abc import Callable
from contextlib import suppress

from kato_operator.manifests import Key

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 300.0


class DirtyKeys:
    """The keys that need a pass, oldest first.

    A key that is added while a worker has it is handed out again only after `done`.
    Time comes from *clock* (seconds, monotonic), chance from *jitter* (0 to 1).
    """

    def __init__(
        self, *, clock: Callable[[], float], jitter: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._ready: dict[Key, float] = {}
        self._busy: set[Key] = set()
        self._again: dict[Key, float] = {}
        self._later: list[tuple[float, Key]] = []
        self._due: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()

    def add(self, key: Key) -> None:
        """Ask for a pass now."""
        self._due.pop(key, None)
        waiting = self._again if key in self._busy else self._ready
        waiting.setdefault(key, self._clock())
        self._changed.set()

    def add_after(self, key: Key, delay_s: float) -> None:
        """Ask for a pass in *delay_s* seconds, unless an earlier one is due."""
        due = self._clock() + delay_s
        if key in self._ready or key in self._again or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._later, (due, key))
        self._changed.set()

    def retry(self, key: Key, *, at_least_s: float = 0.0) -> float:
        """Ask for a pass after this key's back-off, which doubles; the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures, 16))
        delay_s = max(at_least_s, delay_s * (0.5 + self._jitter() / 2))
        self.add_after(key, delay_s)
        return delay_s

    def succeeded(self, key: Key) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def take(self) -> Key | None:
        """The key that has waited longest and is not being worked on; None when none is due."""
        self._promote()
        key = next(iter(self._ready), None)
        if key is not None:
            del self._ready[key]
            self._busy.add(key)
        return key

    def done(self, key: Key) -> None:
        """The pass of a key that was taken has ended."""
        self._busy.discard(key)
        if key in self._again:
            self._ready[key] = self._again.pop(key)
            self._changed.set()

    async def get(self) -> Key:
        """Wait for the next key."""
        while (key := self.take()) is None:
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._until_next_s())
        return key

    @property
    def depth(self) -> int:
        """How many keys wait for a worker."""
        self._promote()
        return len(self._ready) + len(self._again)

    @property
    def oldest_wait_s(self) -> float:
        """How long the oldest key has waited for a worker; 0 when none waits."""
        self._promote()
        return self._clock() - min(self._ready.values(), default=self._clock())

    def _promote(self) -> None:
        while self._later and self._later[0][0] <= self._clock():
            due, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                self.add(key)

    def _until_next_s(self) -> float | None:
        return max(0.0, self._later[0][0] - self._clock()) if self._later else None
