"""Operations that monitoring programs of other KATO versions call (http-api.md §4).

All answer from what the process has: none asks a store, loads knowledge or creates a session.
"""

import time
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from kato_service import __version__
from kato_service.access.scopes import Scope
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import ASKING_NO_STORE, BY_ANYONE, Operation
from kato_service.api.intake.prefix import prefix_of
from kato_service.api.intake.queries import AsDigits
from kato_service.api.monitoring import figures
from kato_service.api.monitoring.concurrency import concurrency
from kato_service.api.shapes import monitoring_responses as shapes
from kato_service.api.shapes import rendering
from kato_service.errors import (
    DeadlineExceededError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
)
from kato_service.monitoring.history import KEPT_MINUTES
from kato_service.service import Service

SERVICE_NAME = "kato"
MAX_MINUTES = 7 * 24 * 60
Minutes = Annotated[
    int,
    Field(ge=1, le=MAX_MINUTES, description="How far to look back; samples go back 60 minutes."),
    AsDigits,
]
SessionId = Annotated[
    str | None, Field(max_length=256, description="Returns in the answer; not looked up.")
]
_DISABLED = {"status": "disabled", "reason": "predictions are not cached"}


async def root(call: Call, request: Request) -> Response:
    service, prefix = call.service, prefix_of(request.scope)
    content = {
        "service": SERVICE_NAME,
        "version": __version__,
        "description": "Deterministic pattern memory: observe events, learn patterns, predict",
        "status": "running",
        "uptime_seconds": figures.uptime_s(service),
        "architecture": _architecture(service),
        "session_support": service.settings.enable_v2_features,
        "docs": f"{prefix}/docs",
        "openapi": f"{prefix}/openapi.json",
        "health": f"{prefix}/health",
        "metrics": f"{prefix}/metrics",
    }
    return rendering.response(content)


async def stats(call: Call, minutes: Minutes = 10) -> Response:
    content = figures.stats(call.service, min(minutes, KEPT_MINUTES))
    content["current_status"] = _dated(content["current_status"])
    return await rendering.long_response(content)


async def get_metric(call: Call, metric: str, minutes: Minutes = 10) -> Response:
    minutes = min(minutes, KEPT_MINUTES)
    found = figures.points(call.service, metric, minutes)
    if not found:
        # Programs look for the first three words.
        raise NotFoundError(
            f"No data available: nothing of that name was measured in the last {minutes} minutes;"
            " /stats shows all names"
        )
    content = {
        "metric_name": metric,
        "time_range_minutes": minutes,
        "timestamp": time.time(),
        "statistics": figures.statistics(found),
        "data_points": found,
    }
    return rendering.response(content)


async def connection_pools(call: Call) -> Response:
    return rendering.response(_dated(figures.pools(call.service)))


async def cache_stats(call: Call) -> Response:
    return rendering.response(_dated({"cache_performance": _DISABLED, "cache_health": _DISABLED}))


async def invalidate_cache(call: Call, session_id: SessionId = None) -> Response:
    content = {
        "status": "success",
        "patterns_invalidated": 0,
        "symbols_invalidated": 0,
        "session_id": session_id,
    }
    return rendering.response(_dated(content))


async def distributed_stm(call: Call) -> Response:
    content = {
        "status": "disabled",
        "distributed_stm_enabled": False,
        "reason": "short-term memories belong to sessions, which every replica serves",
    }
    return rendering.response(_dated(content))


async def concurrent_requests(call: Call, request: Request) -> Response:
    workers = call.service.settings.workers
    return rendering.response(_dated(concurrency(request.state.admission, workers)))


def _figures(path: str, endpoint: Any, summary: str, answer: Any) -> Operation:
    return Operation(
        ("GET",), path, endpoint, summary, answer, scope=Scope.METRICS, always=ASKING_NO_STORE
    )


OPERATIONS = (
    Operation(
        ("GET",), "/", root, "Get name, version and links", shapes.Root, scope=Scope.OPEN,
        always=(*BY_ANYONE, InvalidInputError, RateLimitedError, OverloadedError),
    ),
    _figures("/stats", stats, "Get everything that is measured", shapes.Stats),
    _figures("/metrics/{metric}", get_metric, "Get the course of one metric", shapes.MetricHistory),
    _figures(
        "/connection-pools", connection_pools, "Get the connections to the stores",
        shapes.ConnectionPools,
    ),
    _figures("/concurrency", concurrent_requests, "Get requests in progress", shapes.Concurrency),
    _figures("/cache/stats", cache_stats, "Get the state of the cache", shapes.CacheStats),
    _figures(
        "/distributed-stm/stats", distributed_stm, "Get the state of distributed memories",
        shapes.DistributedStm,
    ),
    Operation(
        ("POST",), "/cache/invalidate", invalidate_cache, "Do nothing: there is no cache",
        shapes.CacheInvalidated, scope=Scope.READ,
        always=(*ASKING_NO_STORE, DeadlineExceededError),
    ),
)  # fmt: skip


def _dated(content: Mapping[str, Any]) -> dict[str, Any]:
    return {**content, "timestamp": rendering.timestamp(time.time())}


def _architecture(service: Service) -> str:
    if service.settings.sessions_in == "embedded":
        return "one process, sessions in memory"
    return "replicas over shared stores"
