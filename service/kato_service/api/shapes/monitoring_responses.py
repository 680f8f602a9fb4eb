"""The JSON of what monitoring programs read, for the documents; `api/monitoring` writes it."""

from typing import Any, Literal

from pydantic import Field

from kato_service.api.shapes.health_responses import Health, Pool, Status
from kato_service.api.shapes.responses import Answer

_AT, _SECONDS = "2026-01-31T12:00:00.000Z", 1_769_860_800.5
Level = Literal["healthy", "degraded", "unhealthy"]


class Root(Answer):
    """What runs at this address, and where to read on."""

    service: str = Field(examples=["kato"])
    version: str = Field(examples=["0.1.0"])
    description: str = Field(examples=["Deterministic pattern memory"])
    status: str = Field(examples=["running"])
    uptime_seconds: float = Field(examples=[4711.1])
    architecture: str = Field(examples=["service with external stores"])
    session_support: bool = Field(examples=[True])
    docs: str = Field(examples=["/docs"])
    openapi: str = Field(examples=["/openapi.json"])
    health: str = Field(examples=["/health"])
    metrics: str = Field(examples=["/metrics"])


class OlderHealth(Health):
    """The health of the service and its stores, as background checks and recent calls found it."""

    processor_status: Literal["healthy", "unhealthy"] = Field(examples=["healthy"])
    """Whether knowledge can be used."""
    service_name: str = Field(examples=["kato"])
    issues: list[str] = Field(examples=[[]])
    """What is not as it should be."""
    metrics_collected: int = Field(examples=[60])
    """Samples of the last hour."""
    last_collection: float = Field(examples=[_SECONDS])
    """Of the newest sample, in seconds since the epoch; before the first, now."""
    timestamp: str = Field(examples=[_AT])


class ProcessorManager(Answer):
    """Knowledge bases in memory."""

    total_processors: int = Field(examples=[3])
    max_processors: int = Field(examples=[0])
    """Always 0: their bytes are bounded, not their number."""
    eviction_ttl_seconds: int = Field(examples=[0])
    """Always 0: none is unloaded because of its age."""
    processors: list[dict[str, Any]] = Field(examples=[[]])
    """Always empty: names of knowledge bases tell users apart."""


class OlderKnowledge(ProcessorManager):
    """Knowledge bases in memory."""

    loaded: int = Field(examples=[3])
    patterns: int = Field(examples=[1000])
    bytes: int = Field(examples=[1_000_000])


class OlderSessions(Answer):
    """Sessions of the instance."""

    active: int = Field(examples=[12])
    """As last counted; 0 until they could be counted for the first time."""
    active_sessions: int = Field(examples=[12])
    """The same."""
    total_sessions: int = Field(examples=[12])
    """The same: sessions that expired are gone."""
    expired_sessions: int = Field(examples=[0])
    """Always 0."""
    backend: str = Field(examples=["redis"])


class OlderStatus(Status):
    """Figures about the instance, and its configuration without secrets."""

    base_processor_id: str = Field(examples=["kato"])
    processor_id: str = Field(examples=["kato"])
    uptime_seconds: float = Field(examples=[4711.1])
    sessions: OlderSessions  # type: ignore[assignment]  # more of it, and only described
    processors: OlderKnowledge  # type: ignore[assignment]  # likewise
    timestamp: str = Field(examples=[_AT])


class SessionTotals(Answer):
    """Sessions, of this worker since its start; `active` of the instance."""

    total_created: int = Field(examples=[40])
    total_deleted: int = Field(examples=[8])
    """By a request; sessions also expire."""
    active: int = Field(examples=[12])
    operations_total: int = Field(examples=[900])
    """Requests and frames that locked a session to change it."""


class Performance(Answer):
    """Requests that this worker answered since its start, probes included."""

    total_requests: int = Field(examples=[1000])
    total_errors: int = Field(examples=[1])
    """Answered with a status of 500 or above."""
    error_rate: float = Field(examples=[0.001])
    """A share, 0 to 1."""
    average_response_time: float = Field(examples=[0.004])
    """Seconds."""


class Database(Answer):
    """Calls to one store, of this worker since its start."""

    operations: int = Field(examples=[5000])
    """That were done; 0 for a store that is embedded."""
    errors: int = Field(examples=[0])
    """Calls and checks that it did not answer."""
    avg_response_time: float = Field(examples=[0.001])
    """Seconds."""


class Resources(Answer):
    """What this worker takes, in percent, as last sampled."""

    cpu_percent: float = Field(0.0, examples=[12.5])
    """Of the processors that it may use."""
    memory_percent: float = Field(0.0, examples=[3.1])
    """Of the memory that it may use."""
    disk_percent: float = Field(0.0, examples=[40.0])
    """What is taken of the file system with the data directory."""


class Summary(Answer):
    """Figures about the instance and this worker."""

    sessions: SessionTotals
    performance: Performance
    resources: Resources
    databases: dict[str, Database]


class MetricPoint(Answer):
    """A value at one moment."""

    timestamp: float = Field(examples=[_SECONDS])
    value: float = Field(examples=[12.0])
    labels: dict[str, str] = Field(examples=[{}])


class Statistics(Answer):
    """Of the points in the range."""

    count: int = Field(examples=[1])
    min: float = Field(examples=[12.0])
    max: float = Field(examples=[12.0])
    avg: float = Field(examples=[12.0])


class MetricHistory(Answer):
    """One metric over a range of time."""

    metric_name: str = Field(examples=["kato_requests_total"])
    time_range_minutes: int = Field(examples=[10])
    """At most 60, which is how far samples go back."""
    timestamp: float = Field(examples=[_SECONDS])
    statistics: Statistics
    data_points: list[MetricPoint]


class CurrentMetrics(Answer):
    """Figures of now."""

    cpu_percent: float = Field(0.0, examples=[12.5])
    memory_percent: float = Field(0.0, examples=[3.1])
    error_rate_per_min: float = Field(examples=[0.0])


class CurrentStatus(Answer):
    """How the service is."""

    status: Level = Field(examples=["healthy"])
    issues: list[str] = Field(examples=[[]])
    metrics: CurrentMetrics
    timestamp: str = Field(examples=[_AT])


class Stats(Answer):
    """Everything that is measured, over a range of time."""

    time_range_minutes: int = Field(examples=[10])
    """At most 60, which is how far samples go back."""
    timestamp: float = Field(examples=[_SECONDS])
    processor_manager: ProcessorManager
    current_status: CurrentStatus
    time_series: dict[str, list[MetricPoint]] = Field(examples=[{"kato_requests_total": []}])
    summary: Summary


class PoolHealth(Answer):
    """The health of one store."""

    healthy: bool = Field(examples=[True])
    status: Literal["healthy", "degraded", "unhealthy", "disabled"] = Field(examples=["healthy"])
    backend: str = Field(examples=["redis"])
    circuit: str = Field(examples=["closed"])
    latency_ms: float | None = Field(examples=[0.4])


class ConnectionPools(Answer):
    """The connections of this worker to its stores."""

    status: Level = Field(examples=["healthy"])
    health: dict[str, PoolHealth]
    pool_statistics: dict[str, Pool]
    connection_optimization: dict[str, Any] = Field(examples=[{}])
    """Always empty."""
    performance_improvements: dict[str, Any] = Field(examples=[{}])
    """Always empty."""
    timestamp: str = Field(examples=[_AT])


class CacheStats(Answer):
    """There is no cache of patterns that could be stale."""

    cache_performance: dict[str, Any] = Field(examples=[{"status": "disabled"}])
    cache_health: dict[str, Any] = Field(examples=[{"status": "disabled"}])
    timestamp: str = Field(examples=[_AT])


class CacheInvalidated(Answer):
    """Nothing was cached, so nothing had to be dropped."""

    status: str = Field(examples=["success"])
    patterns_invalidated: int = Field(examples=[0])
    symbols_invalidated: int = Field(examples=[0])
    session_id: str | None = Field(examples=[None])
    """As it was sent."""
    timestamp: str = Field(examples=[_AT])


class DistributedStm(Answer):
    """Short-term memories belong to sessions, which every replica serves."""

    status: str = Field(examples=["disabled"])
    distributed_stm_enabled: bool = Field(examples=[False])
    reason: str = Field(examples=["short-term memories belong to sessions"])
    timestamp: str = Field(examples=[_AT])


class ConcurrentUse(Answer):
    """Requests and frames in progress at once."""

    concurrent_requests: int = Field(examples=[3])
    utilization_percent: float = Field(examples=[0.15])


class ConcurrencyLimits(Answer):
    """How many may be in progress."""

    per_worker: int = Field(examples=[2000])
    warning_threshold: int = Field(examples=[1600])
    critical_threshold: int = Field(examples=[1900])
    total_capacity: int = Field(examples=[2000])
    """Of all workers of this replica."""


class ConcurrencyConfiguration(Answer):
    """How the workers run."""

    workers: int = Field(examples=[1])
    backlog: int = Field(examples=[4096])
    """Connections that may wait to be accepted."""
    max_requests: str = Field(examples=["unlimited"])
    """Requests after which a worker is replaced: always `unlimited`."""


class Recommendation(Answer):
    """What to do."""

    level: Literal["info", "warning", "critical"] = Field(examples=["info"])
    message: str = Field(examples=["at most 3 of 2000 places were taken at once"])


class Concurrency(Answer):
    """How busy this worker is."""

    status: Literal["healthy", "warning", "critical"] = Field(examples=["healthy"])
    current: ConcurrentUse
    peak: ConcurrentUse
    """Since the start of this worker."""
    limits: ConcurrencyLimits
    configuration: ConcurrencyConfiguration
    recommendations: list[Recommendation]
    timestamp: str = Field(examples=[_AT])


class Rates(Answer):
    """How often something happened in the last minute, on this worker."""

    requests_per_second: float = Field(examples=[2.0])
    requests_per_minute: float = Field(examples=[120.0])
    errors_per_minute: float = Field(examples=[0.0])
    sessions_per_minute: float = Field(examples=[1.0])
    """Created."""
    operations_per_minute: float = Field(examples=[90.0])


class MetricsFigures(Summary):
    """Figures about the instance and this worker, where a request prefers JSON."""

    timestamp: float = Field(examples=[_SECONDS])
    rates: Rates
    processor_manager: ProcessorManager
    uptime_seconds: float = Field(examples=[4711.1])
    active_sessions: int = Field(examples=[12])
    error: str | None = Field(examples=[None])
    """Always null."""
