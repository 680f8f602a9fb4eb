"""What the service measured in the last hour: one sample every ten seconds."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from kato_service.connections.monitor import StoreHealth
from kato_service.monitoring.metrics import Totals
from kato_service.monitoring.resources import CPU, DISK, MEMORY

INTERVAL_S = 10.0
"""Seconds between two samples."""
KEPT_MINUTES = 60
_KEPT = int(KEPT_MINUTES * 60 / INTERVAL_S) + 1
_DURATION = "kato_request_duration_seconds"
_OF_STORES = ("operations", "errors", "response_time")
OTHER_NAMES = {
    "cpu_percent": CPU,
    "memory_percent": MEMORY,
    "disk_percent": DISK,
    "requests_total": "kato_requests_total",
    "response_time": _DURATION,
    "sessions_active": "kato_sessions_active",
    "kato_sessions_total": "sessions_created",
    **{f"clickhouse_{what}": f"mongodb_{what}" for what in _OF_STORES},
}
"""By a name that some earlier versions had for it: the name of what is measured. The later of them
kept patterns in ClickHouse."""


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

    def names(self) -> Iterator[str]:
        """All names of `named` and `means_since`, whatever was done so far."""
        yield from dict(self.named())
        yield _DURATION
        for store in self.stores:
            yield f"{store}_response_time"

    def means_since(self, earlier: "Counts") -> Iterator[tuple[str, float]]:
        """Mean seconds of what was done since *earlier*; nothing where nothing was done."""
        was, now = earlier.totals, self.totals
        requests, requests_s = now.requests - was.requests, now.requests_s - was.requests_s
        if requests:
            yield _DURATION, requests_s / requests
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
