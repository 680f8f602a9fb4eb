"""What later versions' monitoring answers hold, from what this process measured.

The names are those of later-clients.md §L11; what they mean here is in http-api.md §4. Nothing here
asks a store.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from kato_service.connections.monitor import StoreHealth
from kato_service.monitoring.history import OTHER_NAMES, Sample
from kato_service.monitoring.resources import CPU, DISK, MEMORY, RESOURCES
from kato_service.service import Service

_RESOURCES = {"cpu_percent": CPU, "memory_percent": MEMORY, "disk_percent": DISK}
UNLIMITED = 0
"""Knowledge bases in memory are bounded by bytes, not by their number or by time."""


def uptime_s(service: Service) -> float:
    return round(time.monotonic() - service.started_at, 1)


def issues(service: Service) -> list[str]:
    """What is not as it should be, one sentence each."""
    found = [
        f"{name} is {health.status}"
        for name, health in service.stores().items()
        if health.status not in ("healthy", "disabled")
    ]
    if not service.access.is_healthy:
        found.append("the keys or the token issuer cannot be read")
    return found


def metrics(service: Service) -> dict[str, Any]:
    return {
        "timestamp": time.time(),
        **summary(service),
        "rates": rates(service),
        "processor_manager": processor_manager(service),
        "uptime_seconds": uptime_s(service),
        "active_sessions": service.active_sessions,
        "error": None,
    }


def summary(service: Service) -> dict[str, Any]:
    totals = service.metrics.totals
    return {
        "sessions": {
            "total_created": totals.sessions_created,
            "total_deleted": totals.sessions_deleted,
            "active": service.active_sessions,
            "operations_total": totals.changes,
        },
        "performance": {
            "total_requests": totals.requests,
            "total_errors": totals.errors,
            "error_rate": _mean(totals.errors, totals.requests),
            "average_response_time": _mean(totals.requests_s, totals.requests),
        },
        "resources": resources(service),
        "databases": _databases(service),
    }


def resources(service: Service) -> dict[str, float]:
    """As last sampled."""
    latest = service.history.latest
    values = {} if latest is None else latest.values
    return {name: values[known] for name, known in _RESOURCES.items() if known in values}


def rates(service: Service) -> dict[str, float]:
    """Of the last minute."""
    totals, history = service.metrics.totals, service.history
    requests = history.per_minute("kato_requests_total", totals.requests)
    found = {
        "requests_per_second": requests / 60,
        "requests_per_minute": requests,
        "errors_per_minute": history.per_minute("kato_errors_total", totals.errors),
        "sessions_per_minute": history.per_minute("sessions_created", totals.sessions_created),
        "operations_per_minute": history.per_minute("session_operations", totals.changes),
    }
    return {name: round(value, 3) for name, value in found.items()}


def processor_manager(service: Service) -> dict[str, Any]:
    """The knowledge bases in memory; their names are left out, as they tell users apart."""
    return {
        "total_processors": service.knowledge_usage().bases,
        "max_processors": UNLIMITED,
        "eviction_ttl_seconds": UNLIMITED,
        "processors": [],
    }


def _databases(service: Service) -> dict[str, dict[str, float]]:
    """By store; the one with the patterns also by the name that it has in later versions."""
    found = {name: _database(health) for name, health in service.stores().items()}
    return {**found, "clickhouse": found["mongodb"]}


def _database(found: StoreHealth) -> dict[str, float]:
    return {
        "operations": found.calls,
        "errors": found.errors,
        "avg_response_time": _mean(found.calls_s, found.calls),
    }


def stats(service: Service, minutes: int) -> dict[str, Any]:
    """Everything of the last *minutes*."""
    samples = service.history.of(minutes)
    names = sorted({*service.counts().names(), *RESOURCES, *OTHER_NAMES})
    return {
        "time_range_minutes": minutes,
        "timestamp": time.time(),
        "processor_manager": processor_manager(service),
        "current_status": {
            "status": service.status,
            "issues": issues(service),
            "metrics": {
                **{
                    name: value
                    for name, value in resources(service).items()
                    if name != "disk_percent"
                },
                "error_rate_per_min": rates(service)["errors_per_minute"],
            },
        },
        "time_series": {name: _points(samples, name) for name in names},
        "summary": summary(service),
    }


def points(service: Service, name: str, minutes: int) -> list[dict[str, Any]]:
    """The samples of one metric, oldest first; empty if there is none of this name."""
    return _points(service.history.of(minutes), name)


def _points(samples: Sequence[Sample], name: str) -> list[dict[str, Any]]:
    measured = OTHER_NAMES.get(name, name)
    return [
        {"timestamp": sample.at, "value": float(sample.values[measured]), "labels": {}}
        for sample in samples
        if measured in sample.values
    ]


def statistics(found: list[dict[str, Any]]) -> dict[str, float]:
    """Of at least one point."""
    values = [point["value"] for point in found]
    mean = sum(values) / len(values)
    return {"count": len(values), "min": min(values), "max": max(values), "avg": mean}


def pools(service: Service) -> dict[str, Any]:
    stores: Mapping[str, StoreHealth] = service.stores()
    return {
        "status": service.status,
        "health": {
            name: {
                "healthy": found.status in ("healthy", "disabled"),
                "status": found.status,
                "backend": found.backend,
                "circuit": found.circuit,
                "latency_ms": found.latency_ms,
            }
            for name, found in stores.items()
        },
        "pool_statistics": {
            name: {"in_use": found.pool.in_use, "idle": found.pool.idle, "max": found.pool.max}
            for name, found in stores.items()
        },
        "connection_optimization": {},
        "performance_improvements": {},
    }


def _mean(total: float, count: int) -> float:
    return round(total / count, 6) if count else 0.0
