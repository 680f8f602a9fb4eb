"""How often a caller may come: token buckets, in this process and, with Redis, for all replicas.

A bucket is one number, the time at which it is full again (GCRA), so taking a token is one
comparison and one write (decision 0036).
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor
from typing import Protocol

MAX_BUCKETS = 20_000
"""In this process; the one that was used least recently makes room."""


@dataclass(frozen=True, slots=True)
class Rate:
    per_s: float
    """Tokens that come back each second, above 0."""
    burst: int
    """Tokens that a full bucket holds, at least 1."""

    @property
    def period_s(self) -> float:
        """Seconds in which one token comes back."""
        return 1.0 / self.per_s

    @property
    def whole_window_s(self) -> int:
        """Seconds in which an empty bucket fills, as a whole number of at least 1."""
        return max(1, ceil(self.burst * self.period_s))


@dataclass(frozen=True, slots=True)
class Decision:
    """What taking a token from a bucket came to."""

    rate: Rate
    full_in_s: float
    """Until the bucket is full again, if nobody takes more."""
    wait_s: float = 0.0
    """Until a token is there; 0: it was taken."""

    @property
    def allowed(self) -> bool:
        return self.wait_s <= 0.0

    @property
    def remaining(self) -> int:
        """Tokens that can be taken at once now."""
        return max(0, floor(self.rate.burst - self.full_in_s * self.rate.per_s + 1e-6))

    @property
    def full_in_whole_s(self) -> int:
        return ceil(self.full_in_s)

    @property
    def retry_after_s(self) -> int:
        """Whole seconds after which a token is there, at least 1."""
        return max(1, ceil(self.wait_s))


class SharedBuckets(Protocol):
    """Buckets that all replicas share."""

    async def take(self, bucket: str, rate: Rate) -> Decision | None:
        """Take one token; None: the store did not answer at once."""


class RateLimits:
    """Takes tokens from shared buckets, or from this process's own while those are away."""

    def __init__(self, rate: Rate, shared: SharedBuckets | None = None) -> None:
        self.rate = rate
        self._shared = shared
        self._own = LocalBuckets()

    async def take(self, bucket: str) -> Decision:
        if self._shared is not None:
            decision = await self._shared.take(bucket, self.rate)
            if decision is not None:
                return decision
        return self._own.take(bucket, self.rate)


class LocalBuckets:
    """Buckets of this process, a bounded number of them."""

    def __init__(
        self, limit: int = MAX_BUCKETS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, bucket: str, rate: Rate) -> Decision:
        """Take one token if there is one."""
        now = self._clock()
        full_at = max(self._full_at.get(bucket, now), now)
        after = full_at + rate.period_s
        wait_s = after - rate.burst * rate.period_s - now
        if wait_s > 1e-9:
            return Decision(rate, full_at - now, wait_s)
        self._full_at[bucket] = after
        self._full_at.move_to_end(bucket)
        if len(self._full_at) > self._limit:
            self._full_at.popitem(last=False)
        return Decision(rate, after - now)
