"""What the service measured in the last hour: one sample every ten seconds."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from kato_service.connections.monitor import StoreHealth
from kato_service.monitoring.metrics import Totals

INTERVAL_S = 10.0
"""Seconds between two samples."""
KEPT_MINUTES = 60
_KEPT = int(KEPT_MINUTES * 60 / INTERVAL_S) + 1


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted from the start of the process up to one moment."""

    totals: Totals
    active_sessions: int
    stores: Mapping[str, StoreHealth]

    def named(self) -> Iterator[tuple[str, float]]:
        """By the names that programs of earlier versions ask for."""
        totals = self.totals
        yield "kato_sessions_active", self.active_sessions
        yield "sessions_created", totals.sessions_created
        yield "sessions_deleted", totals.sessions_deleted
        yield "session_operations", totals.changes
        yield "kato_requests_total", totals.requests
        yield "kato_errors_total", totals.errors
        for name, found in self.stores.items():
            yield f"{name}_operations", found.calls
            yield f"{name}_errors", found.errors

    def means_since(self, earlier: "Counts") -> Iterator[tuple[str, float]]:
        """Mean seconds of what was done since *earlier*; nothing where nothing was done."""
        was, now = earlier.totals, self.totals
        requests, requests_s = now.requests - was.requests, now.requests_s - was.requests_s
        if requests:
            yield "kato_request_duration_seconds", requests_s / requests
        for name, found in self.stores.items():
            before = earlier.stores[name]
            if calls := found.calls - before.calls:
                yield f"{name}_response_time", (found.calls_s - before.calls_s) / calls


@dataclass(frozen=True, slots=True)
class Sample:
    at: float
    """Seconds since the epoch."""
    taken: float
    """The same moment by the monotonic clock, which nobody sets."""
    values: Mapping[str, float]


class History:
    """The samples of the last hour, oldest first."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.latest: Sample | None = None
        self._clock = clock
        self._wall = wall
        self._counts: Counts | None = None
        """Those of the latest sample."""
        self._samples: deque[Sample] = deque(maxlen=_KEPT)

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, counts: Counts, resources: Mapping[str, float]) -> None:
        """Keep a sample of *counts*, and of *resources* by name."""
        means = counts.means_since(self._counts) if self._counts is not None else ()
        values = {**dict(counts.named()), **dict(means), **resources}
        self._counts = counts
        self.latest = Sample(self._wall(), self._clock(), values)
        self._samples.append(self.latest)

    def of(self, minutes: float) -> list[Sample]:
        """Those of the last *minutes*."""
        since = self._clock() - 60 * minutes
        return [sample for sample in self._samples if sample.taken >= since]

    def per_minute(self, name: str, value: float) -> float:
        """How much a count grew in the last minute up to *value*, which it is now.

        Before the first sample is a minute old, that is all of it: counts start with the process.
        """
        before = [one for one in self._samples if one.taken <= self._clock() - 60]
        if not before:
            return value
        grown = value - before[-1].values.get(name, 0.0)
        return max(0.0, grown) * 60 / (self._clock() - before[-1].taken)
