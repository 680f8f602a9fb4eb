"""Liveness, readiness, health, status and metrics (http-api.md §4).

None of these paths asks a store: they report what background checks and recent calls found.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from kato_service import __version__, json_text
from kato_service.access.scopes import Scope
from kato_service.api.intake.gate import ALWAYS_ANSWERED
from kato_service.api.intake.guards import Need, guard
from kato_service.api.intake.operations import (
    ASKING_NO_STORE,
    BY_ANYONE,
    BY_CALLERS,
    WITH_BODY,
    Described,
    describe,
)
from kato_service.api.intake.strict_route import DocumentedRoute
from kato_service.api.monitoring import figures
from kato_service.api.monitoring.accepting import wants_json
from kato_service.api.monitoring.paths import SERVICE_NAME
from kato_service.api.shapes.health_responses import (
    Health,
    Liveness,
    Readiness,
    Startup,
    Status,
)
from kato_service.api.shapes.monitoring_responses import MetricsFigures, OlderHealth, OlderStatus
from kato_service.api.shapes.rendering import timestamp
from kato_service.connections.monitor import StoreHealth
from kato_service.errors import InvalidInputError, KatoError
from kato_service.monitoring.metrics import CONTENT_TYPE
from kato_service.service import Service

_PROBED, _WATCHED = Need(Scope.OPEN, any_query=True), Need(Scope.METRICS)
_STARTED_AS = (
    *("host", "port", "workers", "enable_v2_features", "enable_console", "cors_origins"),
    *("log_level", "auth"),
)
_SHOWN = (
    *_STARTED_AS,
    *("request_timeout_s", "shutdown_grace_s", "max_body_bytes", "session_ttl_s"),
    *("max_requests_in_flight", "rate_limit_per_s", "rate_limit_burst", "rate_limit_by"),
    *("session_auto_extend", "max_sessions", "max_sessions_per_user", "max_stm_events"),
    *("max_stm_symbols", "max_stm_bytes", "knowledge_max_staleness_s", "knowledge_memory_bytes"),
    *("recall_threshold", "max_predictions", "persistence", "max_pattern_length", "stm_mode"),
    *("sort_symbols", "vector_neighbors", "vector_min_score", "health_check_interval_s"),
    "metrics_json",
)
"""Settings that the status shows: none holds a secret or an address."""


def add_health(app: Starlette) -> None:
    """Add the paths of this module; health is open to everybody."""
    for one in _PATHS:
        route = DocumentedRoute(
            one.path,
            one.endpoint,
            "GET",
            summary=one.summary,
            tags=["health"],
            operation_id=one.operation_id,
            response_model=one.answer,
            response_class=JSONResponse if one.answer else PlainTextResponse,
        )
        probed = DocumentedRoute(one.path, one.endpoint, "HEAD", include_in_schema=False)
        app.router.routes.extend((route, probed))
        is_open = "health" in one.path
        errors = BY_ANYONE if is_open else _errors(one)
        also = (503,) if one.may_fail else ()
        described = Described(errors, older=one.is_older, also=also, also_text=one.also_text)
        describe(route, described)
        for each in (route, probed):
            guard(each, _PROBED if is_open else _WATCHED)


async def live(request: Request) -> Response:
    return _response({"status": "alive"})


async def startup(request: Request) -> Response:
    return _response({"status": "started"})


async def ready(request: Request) -> Response:
    if _service(request).ready:
        return _response({"status": "ready"})
    return _response({"status": "not ready"}, 503)


async def health(request: Request) -> Response:
    return _health_response(_health(_service(request)))


async def older_health(request: Request) -> Response:
    service = _service(request)
    latest = service.history.latest
    now = time()
    more = {
        "processor_status": "healthy" if service.databases.usable("mongodb") else "unhealthy",
        "service_name": SERVICE_NAME,
        "issues": figures.issues(service),
        "metrics_collected": len(service.history),
        "last_collection": now if latest is None else latest.at,
        "timestamp": timestamp(now),
    }
    return _health_response(_health(service) | more)


async def status(request: Request) -> Response:
    return _response(_status(_service(request)))


async def older_status(request: Request) -> Response:
    service = _service(request)
    content = _status(service)
    active = service.active_sessions
    sessions = {
        "active_sessions": active,
        "total_sessions": active,
        "expired_sessions": 0,
        "backend": service.stores()["redis"].backend,
    }
    more = {
        "sessions": content["sessions"] | sessions,
        "processors": content["processors"] | figures.processor_manager(service),
        "base_processor_id": service.settings.processor_id,
        "processor_id": service.settings.processor_id,
        "uptime_seconds": figures.uptime_s(service),
        "timestamp": timestamp(time()),
    }
    return _response(content | more)


async def metrics(request: Request) -> Response:
    """JSON where the request prefers it, else Prometheus' text, which needs no preference."""
    service = _service(request)
    accepted = request.headers.getlist("accept")
    if wants_json(accepted, by_default=service.settings.metrics_json):
        return _response(figures.metrics(service))
    return _prometheus(service)


async def prometheus_metrics(request: Request) -> Response:
    return _prometheus(_service(request))


def _health(service: Service) -> dict[str, Any]:
    return {
        "status": service.status,
        "uptime_seconds": figures.uptime_s(service),
        "version": __version__,
        "processor_id": service.settings.processor_id,
        "engine": service.engine_name,
        "components": {name: _component(found) for name, found in service.stores().items()},
        "auth": {
            "mode": service.access.mode,
            "status": "healthy" if service.access.is_healthy else "degraded",
        },
        "active_sessions": service.active_sessions,
    }


def _status(service: Service) -> dict[str, Any]:
    loaded = service.knowledge_usage()
    stores = service.stores()
    return {
        "status": service.status,
        "version": __version__,
        "engine": service.engine_name,
        "sessions": {"active": service.active_sessions},
        "processors": {
            "loaded": loaded.bases,
            "patterns": loaded.patterns,
            "bytes": loaded.used_bytes,
        },
        "pools": {name: _pool(found) for name, found in stores.items()},
        "stores": {name: found.backend for name, found in stores.items()},
        "configuration": {name: getattr(service.settings, name) for name in _SHOWN},
    }


def _prometheus(service: Service) -> Response:
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


def _health_response(content: Mapping[str, Any]) -> Response:
    return _response(content, 503 if content["status"] == "unhealthy" else 200)


@dataclass(frozen=True, slots=True)
class _Path:
    path: str
    endpoint: Callable[[Request], Awaitable[Response]]
    operation_id: str
    summary: str
    answer: type[BaseModel] | None
    """None: it is no JSON."""
    may_fail: bool = False
    """It answers with 503 in the same form."""
    is_older: bool = False
    also_text: bool = False
    """It answers with text where a request does not prefer JSON."""


_HEALTH = "Get the health of the service and its stores"
_METRICS = "Get metrics, as Prometheus text or as JSON"
_PROMETHEUS = "Get metrics as Prometheus text"
_STATUS = "Get sessions, knowledge, pools and configuration"
_PATHS = (
    _Path("/health/live", live, "get_liveness", "Check that the event loop runs", Liveness),
    _Path(
        "/health/ready", ready, "get_readiness", "Check that it serves requests", Readiness, True
    ),
    _Path("/health/startup", startup, "get_startup", "Check that the process has started", Startup),
    _Path("/v2/health", health, "get_health", _HEALTH, Health, True),
    _Path("/health", older_health, "get_older_health", _HEALTH, OlderHealth, True, True),
    _Path("/metrics", metrics, "get_metrics", _METRICS, MetricsFigures, also_text=True),
    _Path("/metrics-prom", prometheus_metrics, "get_metrics_prom", _PROMETHEUS, None, False, True),
    _Path("/v2/status", status, "get_status", _STATUS, Status),
    _Path("/status", older_status, "get_older_status", _STATUS, OlderStatus, is_older=True),
)


def _errors(one: _Path) -> tuple[type[KatoError], ...]:
    """Errors of a path that needs credentials; metrics are answered however many requests are in
    progress."""
    always = (*BY_CALLERS, InvalidInputError)
    return always if ALWAYS_ANSWERED.fullmatch(one.path) else (*ASKING_NO_STORE, *WITH_BODY)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _component(found: StoreHealth) -> dict[str, Any]:
    at = found.last_error_at
    return {
        "status": found.status,
        "backend": found.backend,
        "circuit": found.circuit,
        "latency_ms": found.latency_ms,
        "pool": _pool(found),
        "last_error_at": None if at is None else timestamp(at.timestamp()),
    }


def _pool(found: StoreHealth) -> dict[str, int]:
    return {"in_use": found.pool.in_use, "idle": found.pool.idle, "max": found.pool.max}


def _response(content: Mapping[str, Any], status_code: int = 200) -> Response:
    return Response(json_text.text(content), status_code, media_type="application/json")
