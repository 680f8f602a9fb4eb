"""The spec of a KatoInstance, with connection pools and the smaller sections."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kato_operator import names
from kato_operator.crd.parts import ForeignFields, SecretKey, Switch
from kato_operator.crd.rules import Labels, Model, Rule, unchangeable
from kato_operator.crd.service import Count, Processor, Seconds, Service, Sessions
from kato_operator.crd.stores import MongoDB, Qdrant, Redis

Connections = Annotated[int, Field(ge=1, le=10_000)]


class MongoDBPool(Model):
    min_size: Annotated[int, Field(ge=0, le=10_000)] = 10
    """Number of connections that are kept open to each member."""
    max_size: Connections = 50
    """Maximum number of connections to each member."""
    max_idle_seconds: Seconds = 60
    """Seconds after which an idle connection above the minimum is closed."""
    wait_queue_timeout_seconds: Seconds = 5
    """Seconds to wait for a free connection."""
    server_selection_timeout_seconds: Seconds = 5
    """Seconds to wait for a primary, for example during an election."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.minSize <= self.maxSize",
            "minSize must not exceed maxSize (defaults: 10 and 50)",
            "minSize",
            lambda pool: pool.min_size <= pool.max_size,
        ),
    )


class RedisPool(Model):
    max_connections: Connections = 50
    """Maximum number of connections to each server. Requests share one; large ones need more."""
    socket_timeout_seconds: Seconds = 2
    """Seconds that each command may take, connecting included."""


class QdrantPool(Model):
    pool_size: Connections = 20
    """Maximum number of connections."""
    timeout_seconds: Seconds = 10
    """Seconds to wait for a response."""
    prefer_grpc: bool = False
    """Whether to use gRPC where it is possible."""


class ConnectionPools(Model):
    mongodb: MongoDBPool = MongoDBPool()
    """Pool of connections to MongoDB; it also applies to an external one."""
    redis: RedisPool = RedisPool()
    """Pool of connections to Redis."""
    qdrant: QdrantPool = QdrantPool()
    """Pool of connections to Qdrant."""


class HealthChecks(Model):
    interval_seconds: Seconds = 5
    """Seconds between two checks of a store."""
    timeout_seconds: Seconds = 3
    """Seconds that a check may take."""
    failure_threshold: Count = 3
    """Failed checks in a row after which a store counts as down."""


class Security(Model):
    network_policy: Switch = "Enabled"
    """Whether a store accepts connections only from its service, its peers and the operator."""


class Monitoring(Model):
    service_monitor: Switch = "Disabled"
    """Creates a ServiceMonitor for the Prometheus operator."""
    labels: Labels = Field(default={})
    """Labels of the ServiceMonitor, by which the Prometheus operator may select it."""
    key_secret_ref: SecretKey | None = None
    """Secret with the key or token that Prometheus sends; absent: the one API key, if there is."""


EMBEDDED = " || ".join(f"self.{it}.mode == 'Embedded'" for it in names.STORES)


class Spec(Model):
    """The desired state; every default suits a small cluster."""

    processor_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,110}$", max_length=110)] = ""
    """Name of the knowledge; empty: <namespace>.<name>. It cannot be changed."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """Whether volumes and credentials outlive the instance."""
    paused: bool = False
    """Stops changes to children; status, health checks and credentials continue."""
    hibernate: bool = False
    """Scales everything to 0; data and credentials are kept."""
    template_revision: Annotated[int, Field(ge=1)] | None = None
    """Revision of the templates of children; absent: the current one. There is only one so far."""
    service: Service = Service()
    """The service: the pods that handle requests."""
    processor: Processor = Processor()
    """Defaults of the processor; a session may override them."""
    sessions: Sessions = Sessions()
    """Lifetime and limits of sessions."""
    connection_pools: ConnectionPools = ConnectionPools()
    """Connection pools of each worker process."""
    health_checks: HealthChecks = HealthChecks()
    """How the service and the operator check the stores."""
    redis: Redis = Redis()
    """Store of the sessions."""
    mongodb: MongoDB = MongoDB()
    """Store of the knowledge."""
    qdrant: Qdrant = Qdrant()
    """Store of the vectors."""
    security: Security = Security()
    """Network restrictions."""
    monitoring: Monitoring = Monitoring()
    """Collection of metrics by Prometheus."""
    foreign_fields: ForeignFields = ForeignFields()
    """Fields of children that others may add, such as a service mesh."""

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
