"""The metrics of the operator, in the format of Prometheus."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter, time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from kato_operator import names
from kato_operator.instance_metrics import InstanceMetrics
from kato_operator.manifests import Key
from kato_operator.queue import WorkQueue

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The passes, the work queue, and the instances by phase.

    Args:
        named: The metrics that name instances.
        phases: Gives the phase of every instance.
        held_for_s: Gives the seconds for which this process has been the one that writes, else 0.
    """

    def __init__(
        self,
        queue: WorkQueue,
        named: InstanceMetrics,
        *,
        phases: Callable[[], Iterable[str]],
        held_for_s: Callable[[], float],
    ) -> None:
        self._phases = phases
        self._named = named
        self.registry = CollectorRegistry()
        self.registry.register(named)
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
        self._passed_at = self._gauge(
            "last_pass_timestamp_seconds", "Time of the last completed pass, or else of the start."
        )
        self._passed_at.set(time())
        depth = self._gauge("queue_depth", "Instances that wait for a worker.")
        depth.set_function(lambda: queue.depth)
        oldest = self._gauge("queue_oldest_seconds", "Seconds that the oldest of them has waited.")
        oldest.set_function(lambda: min(queue.oldest_wait_s, held_for_s()))
        leader = self._gauge(
            "leader", "1 if this process holds the Lease of its installation and writes, else 0."
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

    def count(self, key: Key, result: str) -> None:
        """Count a pass by its result: done, retried or crashed."""
        self._passes.labels(result=result).inc()
        if result == "done":
            self._passed_at.set(time())
            self._named.passed(key)

    def render(self) -> bytes:
        """The body of /metrics."""
        phases = Tally(self._phases())
        for phase in (*names.PHASES, names.REASON_ORCHESTRATED_ELSEWHERE):
            self._instances.labels(phase=phase).set(phases[phase])
        return generate_latest(self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"kato_operator_{name}", text, registry=self.registry)
