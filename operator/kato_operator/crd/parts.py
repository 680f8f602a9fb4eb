"""Parts of a KatoInstance that several components have: image, storage, resources, Secret keys."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kato_operator.crd.labels import OF_VOLUMES, few_bytes, own_annotations, own_labels, reserved
from kato_operator.crd.rules import (
    ATOMIC,
    BY_NAME,
    LARGEST,
    TOO_LARGE,
    Annotations,
    DataKey,
    Labels,
    Model,
    Name,
    ObjectName,
    Quantities,
    Quantity,
    Rule,
    amount,
    compared,
)

Spread = Literal["None", "Preferred", "Required"]
Switch = Literal["Enabled", "Disabled"]
ManagerName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[ -~]+$")]
KeyPattern = Annotated[str, Field(max_length=317, pattern=r"^[A-Za-z0-9][-A-Za-z0-9._/]*\*?$")]
Pattern = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9][-a-z0-9]*\*?$")]
HOST = r"(([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*"
REGISTRY = HOST + r"|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/"
PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = rf"^(({REGISTRY})?{PART}(/{PART})*)?$"
"""The name of an image as container runtimes read it, or nothing: without tag and digest."""


class PullSecret(Model):
    name: Name
    """Name of a Secret of type kubernetes.io/dockerconfigjson."""


class Image(Model):
    """An image; empty fields come from the operator's table of default images."""

    repository: Annotated[str, Field(max_length=255, pattern=REPOSITORY)] = ""
    """Registry and name of the image; empty: the operator's default."""
    tag: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$")] = ""
    """Tag of the image; empty: the operator's default."""
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """Digest of the image; it wins over the tag."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When nodes pull the image from the registry."""
    pull_secrets: Annotated[
        tuple[PullSecret, ...], Field(max_length=8, json_schema_extra=dict[str, Any](BY_NAME))
    ] = ()
    """Secrets with the credentials of the registry."""


class SecretKey(Model):
    """One key of a Secret in the instance's namespace."""

    name: Name
    """Name of the Secret."""
    key: DataKey
    """Key of the value in the Secret."""


class ForeignFields(Model):
    """Fields of children that others may add; everything else that they add is removed."""

    managers: Annotated[
        tuple[ManagerName, ...], Field(max_length=32, json_schema_extra=ATOMIC)
    ] = ()
    """Field managers (see managedFields) whose fields stay."""
    keys: Annotated[tuple[KeyPattern, ...], Field(max_length=64, json_schema_extra=ATOMIC)] = ()
    """Labels and annotations of children and pods; a final * stands for any end."""
    containers: Annotated[tuple[Pattern, ...], Field(max_length=32, json_schema_extra=ATOMIC)] = ()
    """Names of containers and init containers of pods; a final * stands for any end."""
    volumes: Annotated[tuple[Pattern, ...], Field(max_length=32, json_schema_extra=ATOMIC)] = ()
    """Names of volumes of pods; a final * stands for any end."""


class Tls(Model):
    """HTTPS on a port of the instance."""

    secret_name: Name
    """Secret with the keys tls.crt and tls.key, as cert-manager writes it; ca.crt is optional."""


class Storage(Model):
    """The volume of a pod."""

    size: Quantity = "1Gi"
    """Size of the volume; it can only grow."""
    class_name: ObjectName | None = None
    """StorageClass of the volume; absent: the cluster's default class. It can be changed until the
    volume is bound."""
    labels: Labels = Field(default={})
    """Additional labels of the claims of the volumes, existing ones included."""
    annotations: Annotations = Field(default={})
    """Additional annotations of the claims of the volumes, existing ones included."""

    rules: ClassVar[tuple[Rule, ...]] = (
        own_labels(),
        own_annotations(),
        reserved(
            "annotations",
            OF_VOLUMES,
            "annotations by which Kubernetes binds and provisions volumes cannot be given",
            was_accepted=False,
        ),
        few_bytes(),
        Rule(compared("self.size", "<=", f"'{LARGEST}'"), f"size {TOO_LARGE}", "size"),
        Rule(
            compared("self.size", ">=", "'1Mi'"),
            "size must be at least 1Mi",
            "size",
            lambda storage: bool(amount(storage.size) >= amount("1Mi")),
        ),
        Rule(
            compared("self.size", ">=", "oldSelf.size"),
            "size can only grow",
            "size",
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


KINDS = ("cpu", "memory", "ephemeral-storage")
"""Resources that containers of any cluster may have."""
MEMORY = "self.limits['memory']"
LEAST = "32Mi"
"""The smallest limit of memory: 512m, half a byte, is a common slip for 512Mi."""


def _of_a_pod(field: str) -> Rule:
    """A rule about the names of resources; specs that were stored with others stop no instance."""
    known = ", ".join(KINDS)
    return Rule(
        f"self.{field}.all(k, k in {list(KINDS)})",
        f"{field} can only have {known}",
        field,
    )


def _within_bounds(field: str) -> Rule:
    one = compared(f"self.{field}[k]", "<=", f"'{LARGEST}'")
    return Rule(f"self.{field}.all(k, {one})", f"{field} {TOO_LARGE} each", field)


def _requests_fit(resources: "Resources") -> bool:
    limits = resources.limits
    return all(
        amount(value) <= amount(limits[name])
        for name, value in resources.requests.items()
        if name in limits
    )


class Resources(Model):
    """The resources of a container; a map that is given replaces the default as a whole."""

    requests: Quantities = Field(default={"cpu": "250m", "memory": "256Mi"})
    """Resources that the scheduler reserves; a map that is given replaces the default."""
    limits: Quantities = Field(default={"memory": "1Gi"})
    """Resources that are never exceeded; a map that is given replaces the default."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.requests.all(k, !(k in self.limits)"
            f" || {compared('self.requests[k]', '<=', 'self.limits[k]')})",
            "requests must not exceed limits",
            "requests",
            _requests_fit,
        ),
        *(_of_a_pod(field) for field in ("requests", "limits")),
        *(_within_bounds(field) for field in ("requests", "limits")),
        Rule(
            f"!('memory' in self.limits) || {compared(MEMORY, '>=', repr(LEAST))}",
            f"limits.memory must be at least {LEAST}",
            "limits",
            lambda resources: amount(resources.limits.get("memory", LEAST)) >= amount(LEAST),
        ),
    )


class StoreResources(Resources):
    """The resources of a store whose memory is sized from the limit."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Resources.rules,
        Rule(
            "'memory' in self.limits",
            "limits must include memory: the store's own memory limit is derived from it",
            "limits",
            lambda resources: "memory" in resources.limits,
        ),
    )


class RedisResources(StoreResources):
    requests: Quantities = Field(default={"cpu": "100m", "memory": "128Mi"})
    """Resources that the scheduler reserves; a map that is given replaces the default."""
    limits: Quantities = Field(default={"memory": "512Mi"})
    """Resources that are never exceeded; a map that is given replaces the default."""


class MongoDBResources(StoreResources):
    requests: Quantities = Field(default={"cpu": "250m", "memory": "512Mi"})
    """Resources that the scheduler reserves; a map that is given replaces the default."""
    limits: Quantities = Field(default={"memory": "1Gi"})
    """Resources that are never exceeded; a map that is given replaces the default."""


class QdrantResources(Resources):
    requests: Quantities = Field(default={"cpu": "100m", "memory": "256Mi"})
    """Resources that the scheduler reserves; a map that is given replaces the default."""
    limits: Quantities = Field(default={"memory": "1Gi"})
    """Resources that are never exceeded; a map that is given replaces the default."""


class Disruption(Model):
    max_unavailable: Annotated[int, Field(ge=0, le=100)] = 1
    """Pods that voluntary disruptions, such as a drain, may evict at the same time."""
