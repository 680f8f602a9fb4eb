"""Manifests as plain maps: their type, and what is read from any of them."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from kato_operator import names

Manifest = dict[str, Any]
"""An object of the Kubernetes API, as JSON has it."""
Name = tuple[str, str]
"""Kind and name, within one namespace."""


class Key(NamedTuple):
    """One KatoInstance."""

    namespace: str
    name: str


def component_of(manifest: Manifest) -> str:
    """The component that an object is part of."""
    labels = manifest["metadata"].get("labels") or {}
    return str(labels.get(names.COMPONENT_LABEL, names.SERVICE))


def namespaced_name(found: Manifest) -> tuple[str, str]:
    """Namespace and name, which tell an object from all others of its kind."""
    meta: dict[str, Any] = found["metadata"]
    return meta["namespace"], meta["name"]


def key_of(found: Manifest) -> Key:
    """The instance that a labelled object belongs to."""
    meta = found["metadata"]
    return Key(meta["namespace"], meta["labels"].get(names.INSTANCE_LABEL, ""))


def version(found: Manifest) -> int:
    """The resourceVersion as the number that it is."""
    return int(found["metadata"]["resourceVersion"])


def by_name(found: Iterable[Manifest]) -> dict[Name, Manifest]:
    return {(item["kind"], item["metadata"]["name"]): item for item in found}


def is_deleted(live: Manifest) -> bool:
    """Whether the object is only waiting to vanish."""
    return "deletionTimestamp" in live["metadata"]


def digest(manifest: Manifest) -> str:
    """A short name for exactly this manifest."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
