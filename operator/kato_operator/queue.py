"""The work queue: each key waits once, is worked on by one worker at a time, and has a back-off."""

import asyncio
import heapq
from collections.abc import Callable
from contextlib import suppress

from kato_operator.backoff import Backoff
from kato_operator.manifests import Key

RETRIES = Backoff(first_s=1.0, longest_s=300.0)


class WorkQueue:
    """The keys that need a pass, oldest first.

    A key that is added while a worker has it is handed out again only after `done`.

    Args:
        clock: Gives the time in seconds; it must never go back.
        backoff: Gives the delays between retries of one key.
    """

    def __init__(self, *, clock: Callable[[], float], backoff: Backoff = RETRIES) -> None:
        self._clock = clock
        self._backoff = backoff
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

    def retry(self, key: Key, *, at_least_s: float = 0.0, has_progressed: bool = False) -> float:
        """Ask for a pass after the back-off of this key; the delay in seconds.

        Args:
            has_progressed: Whether the pass did a part of its work: then its back-off starts over,
                because the next one fails later, or not at all.
        """
        self._failures[key] = 1 if has_progressed else self._failures.get(key, 0) + 1
        delay_s = max(at_least_s, self._backoff.delay_s(self._failures[key]))
        self.add_after(key, delay_s)
        return delay_s

    def succeeded(self, key: Key) -> None:
        """Forget the failures of a key: its back-off starts over."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        """How many passes of this key have failed in a row."""
        return self._failures.get(key, 0)

    def take(self) -> Key | None:
        """The key that has waited longest, now taken by the caller; None when none is due."""
        self._promote()
        key = next(iter(self._ready), None)
        if key is not None:
            del self._ready[key]
            self._busy.add(key)
        return key

    def done(self, key: Key) -> None:
        """Give back a key that was taken; it waits again if it was added in the meantime."""
        self._busy.discard(key)
        if key in self._again:
            self._ready[key] = self._again.pop(key)
            self._changed.set()

    async def get(self) -> Key:
        """Wait for the next key, and take it."""
        while (key := self.take()) is None:
            self._changed.clear()
            with suppress(TimeoutError):  # wait_for may swallow a cancellation
                async with asyncio.timeout(self._until_next_s()):
                    await self._changed.wait()
        return key

    @property
    def depth(self) -> int:
        """The number of keys that wait for a worker."""
        self._promote()
        return len(self._ready) + len(self._again)

    @property
    def oldest_wait_s(self) -> float:
        """Seconds that the oldest key has waited for a worker; 0 when none waits."""
        self._promote()
        return self._clock() - min(self._ready.values(), default=self._clock())

    def _promote(self) -> None:
        """Add every delayed key whose time has come.

        The heap keeps entries that an earlier time has replaced: only the one in `_due` counts.
        """
        while self._later and self._later[0][0] <= self._clock():
            due, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                self.add(key)

    def _until_next_s(self) -> float | None:
        return max(0.0, self._later[0][0] - self._clock()) if self._later else None
