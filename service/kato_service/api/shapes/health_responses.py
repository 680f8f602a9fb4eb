"""The JSON of health and status, for the OpenAPI documents alone; `health` writes it."""

from typing import Any, Literal

from pydantic import Field

from kato_service.api.shapes.responses import Answer

_AT = "2026-01-31T12:00:00.000Z"


class Liveness(Answer):
    """The answer to a liveness probe."""

    status: str = Field(examples=["alive"])


class Readiness(Answer):
    """The answer to a readiness probe."""

    status: Literal["ready", "not ready"] = Field(examples=["ready"])


class Startup(Answer):
    """The answer to a startup probe."""

    status: str = Field(examples=["started"])


class Pool(Answer):
    """Connections to a store."""

    in_use: int = Field(examples=[1])
    idle: int = Field(examples=[9])
    max: int = Field(examples=[50])


class Component(Answer):
    """The health of a store."""

    status: Literal["healthy", "degraded", "unhealthy", "disabled"] = Field(examples=["healthy"])
    backend: str = Field(examples=["redis"])
    circuit: str = Field(examples=["closed"])
    latency_ms: float | None = Field(examples=[0.4])
    pool: Pool
    last_error_at: str | None = Field(examples=[_AT])


class Auth(Answer):
    """Where the instance knows credentials from."""

    mode: Literal["none", "api_key", "token"] = Field(examples=["api_key"])
    status: Literal["healthy", "degraded"] = Field(examples=["healthy"])


class Health(Answer):
    """The health of the service and its stores, as background checks and recent calls found it."""

    status: Literal["healthy", "degraded", "unhealthy"] = Field(examples=["healthy"])
    uptime_seconds: float = Field(examples=[4711.1])
    version: str = Field(examples=["0.1.0"])
    processor_id: str = Field(examples=["kato"])
    engine: str = Field(examples=["c"])
    components: dict[str, Component]
    """By the role of the store: redis, mongodb, qdrant."""
    auth: Auth
    active_sessions: int = Field(examples=[12])
    """As last counted; 0 until they could be counted for the first time."""


class SessionFigures(Answer):
    """Sessions of the instance."""

    active: int = Field(examples=[12])
    """As last counted; 0 until they could be counted for the first time."""


class KnowledgeFigures(Answer):
    """Knowledge in memory."""

    loaded: int = Field(examples=[3])
    """Knowledge bases."""
    patterns: int = Field(examples=[1000])
    bytes: int = Field(examples=[1_000_000])


class Status(Answer):
    """Figures about the instance, and its configuration without secrets."""

    status: Literal["healthy", "degraded", "unhealthy"] = Field(examples=["healthy"])
    version: str = Field(examples=["0.1.0"])
    engine: str = Field(examples=["c"])
    sessions: SessionFigures
    processors: KnowledgeFigures
    pools: dict[str, Pool]
    stores: dict[str, str] = Field(examples=[{"redis": "redis"}])
    configuration: dict[str, Any] = Field(examples=[{"max_sessions": 10_000}])
