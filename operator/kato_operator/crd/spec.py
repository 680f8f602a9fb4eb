"""The spec of a KatoInstance as a whole, with connection pools and the smaller sections."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kato_operator.crd.parts import Switch
from kato_operator.crd.rules import Labels, Model, Rule, unchangeable
from kato_operator.crd.service import Count, Processor, Seconds, Service, Sessions
from kato_operator.crd.stores import MongoDB, Qdrant, Redis

Connections = Annotated[int, Field(ge=1, le=10_000)]


class MongoDBPool(Model):
    min_size: Annotated[int, Field(ge=0, le=10_000)] = 10
    """Connections kept open, to every member."""
    max_size: Connections = 50
    """Connections at most, to every member."""
    max_idle_seconds: Seconds = 60
    """Seconds after which an idle connection beyond the minimum is closed."""
    wait_queue_timeout_seconds: Seconds = 5
    """Seconds to wait for a free connection."""
    server_selection_timeout_seconds: Seconds = 5
    """Seconds to wait for a primary, which an election needs."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.minSize <= self.maxSize",
            "minSize must not exceed maxSize (where one is absent, its default 10 or 50 counts)",
            "minSize",
            lambda pool: pool.min_size <= pool.max_size,
        ),
    )


class RedisPool(Model):
    max_connections: Connections = 50
    """Connections at most."""
    socket_timeout_seconds: Seconds = 2
    """Seconds to connect, to wait for an answer, and to wait for a free connection."""


class QdrantPool(Model):
    pool_size: Connections = 20
    """Connections at most."""
    timeout_seconds: Seconds = 10
    """Seconds to wait for an answer."""
    prefer_grpc: bool = False
    """Whether to speak gRPC where that is possible."""


class ConnectionPools(Model):
    mongodb: MongoDBPool = MongoDBPool()
    """To MongoDB."""
    redis: RedisPool = RedisPool()
    """To Redis."""
    qdrant: QdrantPool = QdrantPool()
    """To Qdrant."""


class HealthChecks(Model):
    interval_seconds: Seconds = 5
    """Seconds between two checks of a store."""
    timeout_seconds: Seconds = 3
    """Seconds that a check may take."""
    failure_threshold: Count = 3
    """Failed checks in a row after which a store counts as down."""


class Security(Model):
    network_policy: Switch = "Enabled"
    """Whether stores accept only their own service, their peers and the operator."""


class Monitoring(Model):
    service_monitor: Switch = "Disabled"
    """Makes a ServiceMonitor for the Prometheus operator."""
    labels: Labels = Field(default={})
    """Labels of the ServiceMonitor, as the Prometheus operator may want them."""


EMBEDDED = " || ".join(f"self.{it}.mode == 'Embedded'" for it in ("redis", "mongodb", "qdrant"))


class Spec(Model):
    """What is wanted; everything has a default that is right for a small cluster."""

    processor_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,110}$", max_length=110)] = ""
    """Names the knowledge; empty: <namespace>.<name>. It cannot be changed."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """Whether volumes and credentials outlive the instance."""
    paused: bool = False
    """No rollouts, scaling or storage changes; status, health and secrets go on."""
    hibernate: bool = False
    """Everything is scaled to 0; data and credentials are kept."""
    template_revision: Annotated[int, Field(ge=1)] | None = None
    """Revision of the children's templates; absent: theirs, or the newest for a new instance."""
    service: Service = Service()
    """The pods that serve requests."""
    processor: Processor = Processor()
    """Defaults of the processor; sessions may override them."""
    sessions: Sessions = Sessions()
    """Limits of sessions."""
    connection_pools: ConnectionPools = ConnectionPools()
    """Connections of each worker process."""
    health_checks: HealthChecks = HealthChecks()
    """Of the stores: in the service, and the operator's own."""
    redis: Redis = Redis()
    """Sessions."""
    mongodb: MongoDB = MongoDB()
    """Knowledge."""
    qdrant: Qdrant = Qdrant()
    """Vectors."""
    security: Security = Security()
    """What is forbidden."""
    monitoring: Monitoring = Monitoring()
    """What Prometheus is told."""

    rules: ClassVar[tuple[Rule, ...]] = (
        unchangeable("processorId"),
        Rule(
            f"!({EMBEDDED}) || self.service.replicas <= 1",
            "replicas must be at most 1 with an Embedded store",
            "service.replicas",
            lambda spec: not spec.has_embedded_store or spec.service.replicas <= 1,
        ),
        Rule(
            f"!({EMBEDDED}) || self.service.workers == 1",
            "workers must be 1 with an Embedded store",
            "service.workers",
            lambda spec: not spec.has_embedded_store or spec.service.workers == 1,
        ),
        Rule(
            f"!({EMBEDDED}) || !has(self.service.autoscaling)",
            "autoscaling must be absent with an Embedded store",
            "service.autoscaling",
            lambda spec: not spec.has_embedded_store or spec.service.autoscaling is None,
        ),
    )

    @property
    def has_embedded_store(self) -> bool:
        return "Embedded" in (self.redis.mode, self.mongodb.mode, self.qdrant.mode)
