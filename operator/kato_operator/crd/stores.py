"""The stores of a KatoInstance: Redis, MongoDB and Qdrant, each managed, external or embedded."""

import re
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
from kato_operator.crd.placement import PodTemplate
from kato_operator.crd.rules import AUTHORITY, Model, Rule, unchangeable

Percent = Annotated[int, Field(ge=10, le=90)]
ConfigValue = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
NUMBER = "[0-9]{1,9}"
REDIS_OPTIONS = {
    "timeout": ("a number of seconds", NUMBER),
    "tcp-keepalive": ("a number of seconds", NUMBER),
    "hz": ("a number", NUMBER),
    "save": (
        "pairs of seconds and changes, or empty",
        f'(""|[1-9][0-9]{{0,8}} {NUMBER}( [1-9][0-9]{{0,8}} {NUMBER})*)?',
    ),
    "maxclients": ("a number above 0", "[1-9][0-9]{0,8}"),
}
"""The options of redis.conf that a spec may set: what their values are, in words and as a pattern.

Redis does not start with any other value.
"""


def _redis_option(name: str, words: str, pattern: str) -> Rule:
    return Rule(
        f"!('{name}' in self.config) || self.config['{name}'].matches('^{pattern}$')",
        f"{name} must be {words}",
        "config",
        lambda managed: (
            name not in managed.config or re.fullmatch(pattern, managed.config[name]) is not None
        ),
    )


STORE_RULES = (
    Rule(
        "self.mode == 'External' ? has(self.external) : !has(self.external)",
        "external is required with mode External and must be absent otherwise",
        "external",
        lambda store: (store.mode == "External") == (store.external is not None),
    ),
    unchangeable("mode"),
)


class ManagedRedis(Model):
    image: Image = Image()
    """Image of Redis; empty fields come from the operator's table of default images."""
    storage: RedisStorage = RedisStorage()
    """Volume with the append-only file."""
    append_fsync: Literal["Always", "EverySec"] = "Always"
    """EverySec risks up to two seconds of acknowledged observations, for speed on slow disks."""
    max_memory_percent: Percent = 40
    """Percentage of the memory limit that data may use, at most what leaves room to rewrite the
    append-only file, about 40; above it, writes are refused."""
    resources: RedisResources = RedisResources()
    """Resources of the pod."""
    pod_template: PodTemplate = PodTemplate()
    """Labels, annotations and placement of the pod."""
    config: Annotated[dict[str, ConfigValue], Field(max_length=len(REDIS_OPTIONS))] = Field(
        default={}
    )
    """Options of redis.conf; accepted: timeout, tcp-keepalive, hz, save, maxclients."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.config.all(k, k in {list(REDIS_OPTIONS)})",
            f"only these options can be set: {', '.join(REDIS_OPTIONS)}",
            "config",
            lambda managed: managed.config.keys() <= set(REDIS_OPTIONS),
        ),
        *(_redis_option(name, *allowed) for name, allowed in REDIS_OPTIONS.items()),
    )


class ExternalRedis(Model):
    url_secret_ref: SecretKey
    """Secret with the URL: redis://[user:password@]host[:port][/database], or rediss://."""


class Redis(Model):
    mode: Literal["Managed", "External", "Embedded"] = "Managed"
    """Managed: the operator runs it. External: it exists already. Embedded: inside the service."""
    managed: ManagedRedis = ManagedRedis()
    """Settings for mode Managed; ignored in other modes."""
    external: ExternalRedis | None = None
    """Connection for mode External; required in that mode, refused in others."""

    rules: ClassVar[tuple[Rule, ...]] = STORE_RULES


class ManagedMongoDB(Model):
    image: Image = Image()
    """Image of MongoDB; empty fields come from the operator's table of default images."""
    members: Literal[1, 3, 5, 7] = 1
    """Members of the replica set."""
    storage: MongoDBStorage = MongoDBStorage()
    """Volume of each member."""
    cache_percent: Percent = 50
    """Percentage of the memory limit for the cache of WiredTiger."""
    resources: MongoDBResources = MongoDBResources()
    """Resources of each member."""
    disruption: Disruption = Disruption()
    """Limits voluntary disruptions while there is more than one member."""
    spread: Spread = "Preferred"
    """Whether members are spread over nodes and zones; zones are only preferred."""
    pod_template: PodTemplate = PodTemplate()
    """Labels, annotations and placement of the members' pods."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.disruption.maxUnavailable > 0 || self.members > 1",
            "maxUnavailable 0 protects nothing with one member: there is no disruption budget",
            "disruption.maxUnavailable",
        ),
    )


class ExternalMongoDB(Model):
    url_secret_ref: SecretKey
    """Secret with the URL: mongodb://[user:password@]host[:port][/?options], or mongodb+srv://."""
    ca_secret_ref: SecretKey | None = None
    """Secret with the CA certificate of the server; absent: the authorities of the system."""


class MongoDB(Model):
    mode: Literal["Managed", "External", "Embedded"] = "Managed"
    """Managed: the operator runs it. External: it exists already. Embedded: inside the service."""
    managed: ManagedMongoDB = ManagedMongoDB()
    """Settings for mode Managed; ignored in other modes."""
    external: ExternalMongoDB | None = None
    """Connection for mode External; required in that mode, refused in others."""

    rules: ClassVar[tuple[Rule, ...]] = STORE_RULES


class ManagedQdrant(Model):
    image: Image = Image()
    """Image of Qdrant, unprivileged variant; empty fields come from the table of default images."""
    replicas: Annotated[int, Field(ge=1, le=9)] = 1
    """Nodes of the cluster; their number can only grow."""
    storage: QdrantStorage = QdrantStorage()
    """Volume of each node."""
    resources: QdrantResources = QdrantResources()
    """Resources of each node."""
    pod_template: PodTemplate = PodTemplate()
    """Labels, annotations and placement of the nodes' pods."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.replicas >= oldSelf.replicas", "replicas can only grow", "replicas"),
    )


class ExternalQdrant(Model):
    url: Annotated[
        str, Field(max_length=2048, pattern=rf"^https?://{AUTHORITY}(/[^\s\x00-\x1f\x7f]*)?$")
    ]
    """http://host[:port] or https://host[:port], without credentials."""
    api_key_secret_ref: SecretKey | None = None
    """Secret with the API key; absent: no key is sent."""


class Qdrant(Model):
    mode: Literal["Managed", "External", "Embedded", "Disabled"] = "Managed"
    """Managed, External, Embedded: as for the other stores. Disabled: vectors are refused."""
    managed: ManagedQdrant = ManagedQdrant()
    """Settings for mode Managed; ignored in other modes."""
    external: ExternalQdrant | None = None
    """Connection for mode External; required in that mode, refused in others."""

    rules: ClassVar[tuple[Rule, ...]] = STORE_RULES
