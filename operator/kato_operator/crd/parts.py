"""Parts that several components of a KatoInstance have: image, volume, resources, Secret keys."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kato_operator.crd.rules import (
    BY_NAME,
    Model,
    ObjectName,
    Quantities,
    Quantity,
    Rule,
    amount,
)

Spread = Literal["None", "Preferred", "Required"]
Switch = Literal["Enabled", "Disabled"]
SecretName = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
SecretKeyName = Annotated[str, Field(max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]


class PullSecret(Model):
    name: SecretName
    """Name of a Secret of type kubernetes.io/dockerconfigjson."""


class Image(Model):
    """An image; what is empty comes from the operator's table of images."""

    repository: Annotated[str, Field(max_length=255, pattern=r"^[^\s@]*$")] = ""
    """Registry and name; empty: from the operator's table."""
    tag: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$")] = ""
    """Empty: from the operator's table."""
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """Wins over the tag."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When nodes ask the registry."""
    pull_secrets: Annotated[
        tuple[PullSecret, ...], Field(max_length=8, json_schema_extra=dict[str, Any](BY_NAME))
    ] = ()
    """Secrets with the registry's credentials."""


class SecretKey(Model):
    """One key of a Secret in the instance's namespace."""

    name: SecretName
    """Name of the Secret."""
    key: SecretKeyName
    """Key of the value in it."""


class Storage(Model):
    """A volume for each pod."""

    size: Quantity = "1Gi"
    """Size of the volume; it can only grow."""
    class_name: ObjectName | None = None
    """StorageClass; absent: the cluster's default. It cannot be changed."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "quantity(string(self.size)).compareTo(quantity('1Mi')) >= 0",
            "size must be at least 1Mi",
            "size",
            lambda storage: bool(amount(storage.size) >= amount("1Mi")),
        ),
        Rule(
            "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0",
            "storage can only grow",
            "size",
        ),
        Rule(
            "has(self.className) == has(oldSelf.className)"
            " && (!has(self.className) || self.className == oldSelf.className)",
            "className cannot be changed",
            "className",
        ),
    )


class RedisStorage(Storage):
    size: Quantity = "2Gi"
    """Size of the volume; it can only grow."""


class MongoDBStorage(Storage):
    size: Quantity = "10Gi"
    """Size of each member's volume; it can only grow."""


class QdrantStorage(Storage):
    size: Quantity = "5Gi"
    """Size of each replica's volume; it can only grow."""


def _requests_fit(resources: "Resources") -> bool:
    limits = resources.limits
    return all(
        amount(value) <= amount(limits[name])
        for name, value in resources.requests.items()
        if name in limits
    )


class Resources(Model):
    """What a pod's main container asks for and may use; a map given here replaces the default."""

    requests: Quantities = Field(default={"cpu": "250m", "memory": "256Mi"})
    """What the scheduler reserves."""
    limits: Quantities = Field(default={"memory": "1Gi"})
    """What is never exceeded."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.requests.all(k, !(k in self.limits)"
            " || quantity(string(self.requests[k]))"
            ".compareTo(quantity(string(self.limits[k]))) <= 0)",
            "requests must not exceed limits",
            "requests",
            _requests_fit,
        ),
    )


class StoreResources(Resources):
    """Resources of a store that sizes its memory from the limit."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Resources.rules,
        Rule(
            "'memory' in self.limits",
            "limits must name memory: the store's own limit is a part of it",
            "limits",
            lambda resources: "memory" in resources.limits,
        ),
    )


class RedisResources(StoreResources):
    requests: Quantities = Field(default={"cpu": "100m", "memory": "128Mi"})
    """What the scheduler reserves."""
    limits: Quantities = Field(default={"memory": "512Mi"})
    """What is never exceeded."""


class MongoDBResources(StoreResources):
    requests: Quantities = Field(default={"cpu": "250m", "memory": "512Mi"})
    """What the scheduler reserves."""
    limits: Quantities = Field(default={"memory": "1Gi"})
    """What is never exceeded."""


class QdrantResources(Resources):
    requests: Quantities = Field(default={"cpu": "100m", "memory": "256Mi"})
    """What the scheduler reserves."""
    limits: Quantities = Field(default={"memory": "1Gi"})
    """What is never exceeded."""


class Disruption(Model):
    max_unavailable: Annotated[int, Field(ge=0, le=100)] = 1
    """Pods that a drain may take away at once."""
