"""Prometheus' metrics of the service, in a registry of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from kato_service.connections.monitor import StoreHealth
from kato_service.knowledge.bases import KnowledgeUsage
from kato_service.processing.results import (
    LearnResult,
    ObservationResult,
    PredictionsResult,
    SequenceResult,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FAILED = 500
"""Statuses from here on are failures of the service, not of its clients."""
_LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Gauges(Protocol):
    """What is read when the metrics are scraped."""

    @property
    def counted_sessions(self) -> int | None: ...
    def knowledge_usage(self) -> KnowledgeUsage: ...
    def stores(self) -> Mapping[str, StoreHealth]: ...
    def labels(self) -> dict[str, str]: ...
    def credential_sources(self) -> Mapping[str, bool]: ...


@dataclass(slots=True)
class Totals:
    """Counts since the start of this process, where reading the registry would take too long."""

    requests: int = 0
    """That were answered, or whose client went away."""
    errors: int = 0
    """Of these, those answered with a status of 500 or above."""
    requests_s: float = 0.0
    """Seconds that all of them took together."""
    changes: int = 0
    """Requests and frames that locked a session in order to change it."""
    sessions_created: int = 0
    sessions_deleted: int = 0
    """By a request; sessions also expire."""


class Metrics:
    """Counters and histograms; `watch` adds the gauges."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.totals = Totals()
        self._requests = self._counter(
            "kato_http_requests", "Requests that were answered.", "method", "route", "status"
        )
        self._latencies = self._histogram(
            "kato_http_request_duration_seconds",
            "Seconds from the start of a request to the end of its answer.",
            "method",
            "route",
        )
        self._routes: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._observations = self._counter("kato_observations", "Acknowledged observations.")
        self._learns = self._counter(
            "kato_learns", "Acknowledged learns, including automatic ones."
        )
        self._predictions = self._counter("kato_predictions", "Predictions returned.")
        self._created = self._counter("kato_sessions_created", "Sessions that were created.")
        self._deleted = self._counter("kato_sessions_deleted", "Sessions that requests deleted.")
        self._shed = self._counter(
            "kato_requests_shed",
            "Requests and frames refused because a limit was reached.",
            "limit",
        )
        self._refusals = self._counter(
            "kato_auth_refusals",
            "Requests and frames refused because of who sent them, by the code of the error.",
            "code",
        )
        self._rate_limited = self._counter(
            "kato_rate_limited", "Requests and frames refused because of too many before them."
        )
        self._waits = self._histogram(
            "kato_session_lock_wait_seconds",
            "Seconds that a change waited for the lock of its session.",
        )
        self._matching = self._histogram(
            "kato_matching_duration_seconds",
            "Seconds of matching one short-term memory with its knowledge base.",
        )

    def request(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        counter, latencies = self._of_route(method, route, status)
        counter.inc()
        latencies.observe(elapsed_s)
        self.totals.requests += 1
        self.totals.errors += status >= FAILED
        self.totals.requests_s += elapsed_s

    def answered(self, result: object) -> None:
        """Count what *result*, from the processor, acknowledges; repeats were counted before."""
        match result:
            case ObservationResult(repeated=False):
                self._observations.inc()
                if result.auto_learned_pattern is not None:
                    self._learns.inc()
            case SequenceResult(repeated=False):
                self._observations.inc(result.observations_processed)
                self._learns.inc(len(result.auto_learned_patterns))
                self._learns.inc(bool(result.final_learned_pattern))
            case LearnResult(repeated=False):
                self._learns.inc(bool(result.pattern_name))
            case PredictionsResult():
                self._predictions.inc(result.listed)

    def learned(self, count: int) -> None:
        """Count acknowledged learns of a bulk learn."""
        self._learns.inc(count)

    def shed(self, limit: str) -> None:
        self._shed.labels(limit).inc()

    def refused(self, code: str) -> None:
        self._refusals.labels(code).inc()

    def rate_limited(self) -> None:
        self._rate_limited.inc()

    def waited(self, elapsed_s: float) -> None:
        self._waits.observe(elapsed_s)
        self.totals.changes += 1

    def session_created(self) -> None:
        self._created.inc()
        self.totals.sessions_created += 1

    def session_deleted(self) -> None:
        self._deleted.inc()
        self.totals.sessions_deleted += 1

    def matched(self, elapsed_s: float) -> None:
        self._matching.observe(elapsed_s)

    def watch(self, gauges: Gauges) -> None:
        self.registry.register(_Watched(gauges))

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def _of_route(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """The metrics of a route; kept, as finding them by labels takes longer than counting."""
        known = self._routes.get((method, route, status))
        if known is None:
            counter = self._requests.labels(method, route, str(status))
            known = counter, self._latencies.labels(method, route)
            self._routes[method, route, status] = known
        return known

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, registry=self.registry, buckets=_LATENCIES_S)


class _Watched(Collector):
    """Reads the gauges at every scrape."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        info = InfoMetricFamily("kato_service", "Engine, processor id and stores of this process.")
        info.add_metric((), self._gauges.labels())
        yield info
        yield self._sessions()
        yield self._credentials()
        yield from self._knowledge()
        yield from self._stores()

    def _sessions(self) -> Metric:
        gauge = GaugeMetricFamily("kato_sessions_active", "Live sessions of the instance.")
        count = self._gauges.counted_sessions
        if count is not None:
            gauge.add_metric((), count)
        return gauge

    def _knowledge(self) -> Iterable[Metric]:
        found = self._gauges.knowledge_usage()
        for name, meaning, value in (
            ("kato_knowledge_bases_loaded", "Knowledge bases in memory.", found.bases),
            ("kato_knowledge_patterns_loaded", "Patterns in memory.", found.patterns),
            ("kato_knowledge_index_bytes", "Bytes of knowledge in memory.", found.used_bytes),
            (
                "kato_knowledge_checkpoint_lag_entries",
                "Most log entries of one knowledge base that are not in its views yet.",
                found.checkpoint_lag,
            ),
        ):
            gauge = GaugeMetricFamily(name, meaning)
            gauge.add_metric((), value)
            yield gauge
        for name, meaning, value in (
            (
                "kato_knowledge_unloads",
                "Knowledge bases unloaded to make room in memory.",
                found.unloads,
            ),
            ("kato_knowledge_views_written", "Patterns written to the views.", found.views_written),
            (
                "kato_knowledge_view_failures",
                "Attempts to write views that got no answer from the store.",
                found.view_failures,
            ),
        ):
            counter = CounterMetricFamily(name, meaning)
            counter.add_metric((), value)
            yield counter

    def _credentials(self) -> Metric:
        up = GaugeMetricFamily(
            "kato_auth_source_up",
            "1 if the file or issuer that credentials are checked by could be read last.",
            labels=["source"],
        )
        for source, usable in self._gauges.credential_sources().items():
            up.add_metric((source,), float(usable))
        return up

    def _stores(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("kato_store_up", "1 if the store is usable.", labels=["store"])
        circuits = GaugeMetricFamily(
            "kato_store_circuit_open",
            "1 if calls to the store are refused at once.",
            labels=["store"],
        )
        errors = CounterMetricFamily(
            "kato_store_errors", "Calls and checks that the store did not answer.", labels=["store"]
        )
        pools = {
            state: GaugeMetricFamily(
                f"kato_pool_connections_{state}", "Connections of the pool.", labels=["store"]
            )
            for state in ("in_use", "idle", "max")
        }
        for store, found in self._gauges.stores().items():
            up.add_metric((store,), float(found.status != "unhealthy"))
            circuits.add_metric((store,), float(found.circuit == "open"))
            errors.add_metric((store,), found.errors)
            for state, pool in pools.items():
                pool.add_metric((store,), getattr(found.pool, state))
        return up, circuits, errors, *pools.values()
