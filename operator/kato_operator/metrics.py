"""The metrics of the operator, in the format of Prometheus."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from kato_operator import names
from kato_operator.queue import WorkQueue

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The passes, the work queue, and the instances by phase.

    Args:
        phases: Gives the phase of every instance.
        held_for_s: Gives the seconds for which this process has been the one that writes, else 0.
    """

    def __init__(
        self,
        queue: WorkQueue,
        *,
        phases: Callable[[], Iterable[str]],
        held_for_s: Callable[[], float],
    ) -> None:
        self._phases = phases
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "kato_operator_reconcile_seconds",
            "Duration of one pass.",
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._passes = Counter(
            "kato_operator_reconciles",
            "Passes by result.",
            ["result"],
            registry=self.registry,
        )
        self._instances = Gauge(
            "kato_operator_instances",
            "Instances by phase.",
            ["phase"],
            registry=self.registry,
        )
        depth = Gauge(
            "kato_operator_queue_depth", "Instances that wait for a worker.", registry=self.registry
        )
        depth.set_function(lambda: queue.depth)
        oldest = Gauge(
            "kato_operator_queue_oldest_seconds",
            "Seconds that the oldest of them has waited.",
            registry=self.registry,
        )
        oldest.set_function(lambda: min(queue.oldest_wait_s, held_for_s()))
        leader = Gauge(
            "kato_operator_leader",
            "1 if this process holds the Lease of its installation and writes, else 0.",
            registry=self.registry,
        )
        leader.set_function(lambda: held_for_s() > 0)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure the duration of a pass."""
        began = perf_counter()
        try:
            yield
        finally:
            self._seconds.observe(perf_counter() - began)

    def count(self, result: str) -> None:
        """Count a pass by its result: done, retried or crashed."""
        self._passes.labels(result=result).inc()

    def render(self) -> bytes:
        """The body of /metrics."""
        phases = Tally(self._phases())
        for phase in (*names.PHASES, names.REASON_ORCHESTRATED_ELSEWHERE):
            self._instances.labels(phase=phase).set(phases[phase])
        return generate_latest(self.registry)
