"""Liveness, readiness, health, status and metrics (http-api.md §4).

None of these paths asks a store: they report what background checks and recent calls found.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import FastAPI, Request
from starlette.responses import Response

from kato_service import __version__, json_text
from kato_service.access.scopes import Scope
from kato_service.api.intake.guards import Need, guard
from kato_service.connections.monitor import StoreHealth
from kato_service.metrics import CONTENT_TYPE
from kato_service.service import Service

_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "Not ready, or unhealthy"}}
_WRONG_QUERY: dict[int | str, dict[str, Any]] = {422: {"description": "Unknown query parameter"}}
_PROBED, _WATCHED = Need(Scope.OPEN, any_query=True), Need(Scope.METRICS)
Status = Literal["healthy", "degraded", "unhealthy"]
_STARTED_AS = ("host", "port", "workers", "enable_v2_features", "cors_origins", "log_level", "auth")
_SHOWN = (
    *_STARTED_AS,
    *("request_timeout_s", "shutdown_grace_s", "max_body_bytes", "session_ttl_s"),
    *("max_requests_in_flight", "rate_limit_per_s", "rate_limit_burst", "rate_limit_by"),
    *("session_auto_extend", "max_sessions", "max_sessions_per_user", "max_stm_events"),
    *("max_stm_symbols", "max_stm_bytes", "knowledge_max_staleness_s", "knowledge_memory_bytes"),
    *("recall_threshold", "max_predictions", "persistence", "max_pattern_length", "stm_mode"),
    *("sort_symbols", "vector_neighbors", "vector_min_score", "health_check_interval_s"),
)
"""Settings that the status shows: none holds a secret or an address."""


def add_health(app: FastAPI) -> None:
    """Add the paths of this module; health is open to everybody."""
    for path, endpoint, summary in _PATHS:
        app.router.add_api_route(
            path, endpoint, methods=["GET"], summary=summary, tags=["health"],
            operation_id="_".join(("get", *path.strip("/").split("/"))),
            responses=_NOT_READY if "health" in path else _WRONG_QUERY,
        )  # fmt: skip
        app.router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
        for route in app.router.routes[-2:]:
            guard(route, _PROBED if "health" in path else _WATCHED)


async def live(request: Request) -> Response:
    return _response({"status": "alive"})


async def startup(request: Request) -> Response:
    return _response({"status": "started"})


async def ready(request: Request) -> Response:
    if _service(request).ready:
        return _response({"status": "ready"})
    return _response({"status": "not ready"}, 503)


async def health(request: Request) -> Response:
    service = _service(request)
    stores = service.stores()
    status = status_of(stores, credentials=service.access.is_healthy)
    content = {
        "status": status,
        "uptime_seconds": round((datetime.now(UTC) - service.started_at).total_seconds(), 1),
        "version": __version__,
        "processor_id": service.settings.processor_id,
        "engine": service.engine_name,
        "components": {name: _component(found) for name, found in stores.items()},
        "auth": {
            "mode": service.access.mode,
            "status": "healthy" if service.access.is_healthy else "degraded",
        },
        "active_sessions": service.active_sessions,
    }
    return _response(content, 503 if status == "unhealthy" else 200)


async def status(request: Request) -> Response:
    service = _service(request)
    loaded = service.knowledge_usage()
    stores = service.stores()
    content = {
        "status": status_of(stores, credentials=service.access.is_healthy),
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
    return _response(content)


async def metrics(request: Request) -> Response:
    return Response(_service(request).metrics.text(), media_type=CONTENT_TYPE)


def status_of(stores: Mapping[str, StoreHealth], *, credentials: bool) -> Status:
    """Unhealthy if sessions cannot be used; degraded if any other store is not healthy, or the
    source of credentials cannot be read (False)."""
    if stores["redis"].status == "unhealthy":
        return "unhealthy"
    well = all(found.status in ("healthy", "disabled") for found in stores.values())
    return "healthy" if well and credentials else "degraded"


_PATHS: tuple[tuple[str, Callable[[Request], Awaitable[Response]], str], ...] = (
    ("/health/live", live, "Check that the event loop runs"),
    ("/health/ready", ready, "Check that requests can be served"),
    ("/health/startup", startup, "Check that the process has started"),
    ("/v2/health", health, "Get the health of the service and its stores"),
    ("/health", health, "Get the health of the service and its stores"),
    ("/metrics", metrics, "Get metrics as Prometheus text"),
    ("/v2/status", status, "Get sessions, knowledge, pools and configuration"),
    ("/status", status, "Get sessions, knowledge, pools and configuration"),
)


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
        "last_error_at": None if at is None else at.isoformat(timespec="milliseconds")[:-6] + "Z",
    }


def _pool(found: StoreHealth) -> dict[str, int]:
    return {"in_use": found.pool.in_use, "idle": found.pool.idle, "max": found.pool.max}


def _response(content: Mapping[str, Any], status_code: int = 200) -> Response:
    return Response(json_text.text(content), status_code, media_type="application/json")
