"""Manifests of the children of a KatoInstance, from its spec and some facts: pure functions."""

from typing import Any

from kato_operator.children import mongodb, qdrant, redis, service
from kato_operator.children.facts import Facts, Rotation
from kato_operator.children.secrets import generated_secrets
from kato_operator.crd.instance import KatoInstance

__all__ = ["Facts", "Rotation", "desired", "generated_secrets"]


def desired(instance: KatoInstance, facts: Facts) -> tuple[dict[str, Any], ...]:
    """The manifests of every child that is applied: all but the generated Secrets."""
    spec = instance.spec
    return (
        *service.children(instance, facts),
        *(redis.children(instance, facts) if spec.redis.mode == "Managed" else ()),
        *(mongodb.children(instance, facts) if spec.mongodb.mode == "Managed" else ()),
        *(qdrant.children(instance, facts) if spec.qdrant.mode == "Managed" else ()),
    )
