"""Manifests as plain maps: their type, and what can be read from any of them."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from kato_operator import names

Manifest = dict[str, Any]
"""An object of the Kubernetes API in its JSON form."""
Name = tuple[str, str]
"""Kind and name, within one namespace."""

DELETED = ".metadata.deletionTimestamp"
"""The path of what an object has while it is being deleted."""


class Key(NamedTuple):
    """The namespace and name of a KatoInstance: what waits in the work queue."""

    namespace: str
    name: str


def component_of(manifest: Manifest) -> str:
    """The component that an object belongs to."""
    labels = manifest["metadata"].get("labels") or {}
    return str(labels.get(names.COMPONENT_LABEL, names.SERVICE))


def namespaced_name(found: Manifest) -> tuple[str, str]:
    """Namespace and name: unique among the objects of a kind."""
    meta: dict[str, Any] = found["metadata"]
    return meta["namespace"], meta["name"]


def name_of(found: Manifest) -> Name:
    """Kind and name: unique among the objects of a namespace."""
    return found["kind"], found["metadata"]["name"]


def key_of(found: Manifest) -> Key:
    """The instance that an object's label names."""
    meta = found["metadata"]
    return Key(meta["namespace"], meta["labels"].get(names.INSTANCE_LABEL, ""))


def version(found: Manifest) -> int:
    """The resourceVersion as a number, which grows with every change in the cluster."""
    return int(found["metadata"]["resourceVersion"])


def by_name(found: Iterable[Manifest]) -> dict[Name, Manifest]:
    """The objects by kind and name."""
    return {name_of(item): item for item in found}


def is_deleted(live: Manifest) -> bool:
    """Whether the object is being deleted, and waits for its finalizers or children."""
    return "deletionTimestamp" in live["metadata"]


def digest(manifest: Manifest) -> str:
    """16 hexadecimal digits that stand for exactly this manifest."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
