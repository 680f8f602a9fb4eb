"""The stores of a KatoInstance: Redis, MongoDB and Qdrant, each managed, external or embedded."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kato_operator.crd.parts import (
    Disruption,
    Image,
    MongoDBResources,
    MongoDBStorage,
    QdrantResources,
    QdrantStorage,
    RedisResources,
    RedisStorage,
    SecretKey,
    Spread,
)
from kato_operator.crd.rules import Model, Rule, unchangeable

Percent = Annotated[int, Field(ge=10, le=90)]
ConfigValue = Annotated[str, Field(max_length=256, pattern=r"^[^\r\n]*$")]
REDIS_OPTIONS = ("timeout", "tcp-keepalive", "hz", "save", "maxclients")

STORE_RULES = (
    Rule(
        "self.mode == 'External' ? has(self.external) : !has(self.external)",
        "external is required with mode External and refused otherwise",
        "external",
        lambda store: (store.mode == "External") == (store.external is not None),
    ),
    unchangeable("mode"),
)


class ManagedRedis(Model):
    image: Image = Image()
    """Redis; empty fields come from the operator's table."""
    storage: RedisStorage = RedisStorage()
    """Volume of the append-only file."""
    append_fsync: Literal["Always", "EverySec"] = "Always"
    """EverySec trades up to two seconds of acknowledged observations for slow disks."""
    max_memory_percent: Percent = 70
    """Part of the memory limit that data may take; beyond it, writes are refused."""
    resources: RedisResources = RedisResources()
    """Of the pod."""
    config: Annotated[dict[str, ConfigValue], Field(max_length=len(REDIS_OPTIONS))] = Field(
        default={}
    )
    """Options of redis.conf: timeout, tcp-keepalive, hz, save, maxclients."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.config.all(k, k in {list(REDIS_OPTIONS)})",
            f"only these options can be set: {', '.join(REDIS_OPTIONS)}",
            "config",
            lambda managed: managed.config.keys() <= set(REDIS_OPTIONS),
        ),
    )


class ExternalRedis(Model):
    url_secret_ref: SecretKey
    """Where the URL is: redis://[user:password@]host[:port][/database], or rediss://."""


class Redis(Model):
    mode: Literal["Managed", "External", "Embedded"] = "Managed"
    """Managed: the operator runs it. External: there is one. Embedded: in the service's process."""
    managed: ManagedRedis = ManagedRedis()
    """Used with mode Managed."""
    external: ExternalRedis | None = None
    """Required with mode External."""

    rules: ClassVar[tuple[Rule, ...]] = STORE_RULES


class ManagedMongoDB(Model):
    image: Image = Image()
    """MongoDB; empty fields come from the operator's table."""
    members: Literal[1, 3, 5, 7] = 1
    """Members of the replica set."""
    storage: MongoDBStorage = MongoDBStorage()
    """Volume of each member."""
    cache_percent: Percent = 50
    """Part of the memory limit that WiredTiger's cache may take."""
    resources: MongoDBResources = MongoDBResources()
    """Of each member."""
    disruption: Disruption = Disruption()
    """Limits voluntary disruptions, with more than one member."""
    spread: Spread = "Preferred"
    """Whether members are kept on different nodes and zones."""


class ExternalMongoDB(Model):
    url_secret_ref: SecretKey
    """Where the URL is: mongodb://[user:password@]host[:port][/?options], or mongodb+srv://."""
    ca_secret_ref: SecretKey | None = None
    """Where the certificate of the server's authority is; absent: the system's authorities."""


class MongoDB(Model):
    mode: Literal["Managed", "External", "Embedded"] = "Managed"
    """Managed: the operator runs it. External: there is one. Embedded: in the service's process."""
    managed: ManagedMongoDB = ManagedMongoDB()
    """Used with mode Managed."""
    external: ExternalMongoDB | None = None
    """Required with mode External."""

    rules: ClassVar[tuple[Rule, ...]] = STORE_RULES


class ManagedQdrant(Model):
    image: Image = Image()
    """Qdrant, the unprivileged variant; empty fields come from the operator's table."""
    replicas: Annotated[int, Field(ge=1, le=9)] = 1
    """Nodes of the cluster; it can only grow."""
    storage: QdrantStorage = QdrantStorage()
    """Volume of each node."""
    resources: QdrantResources = QdrantResources()
    """Of each node."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.replicas >= oldSelf.replicas", "replicas can only grow", "replicas"),
    )


class ExternalQdrant(Model):
    url: Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s/@]+(/[^\s]*)?$")]
    """http://host[:port] or https://host[:port], without credentials."""
    api_key_secret_ref: SecretKey | None = None
    """Where the API key is; absent: none is sent."""


class Qdrant(Model):
    mode: Literal["Managed", "External", "Embedded", "Disabled"] = "Managed"
    """Disabled: observations with vectors are refused; the others as for the other stores."""
    managed: ManagedQdrant = ManagedQdrant()
    """Used with mode Managed."""
    external: ExternalQdrant | None = None
    """Required with mode External."""

    rules: ClassVar[tuple[Rule, ...]] = STORE_RULES
