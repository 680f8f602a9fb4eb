"""Which objects belong to an instance, and which of them may be deleted: pure functions."""

from typing import Any

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, is_deleted

NEVER_PRUNED = frozenset({"StatefulSet", "PersistentVolumeClaim", "Pod"})


def is_managed(live: Manifest) -> bool:
    """Whether an object has the label with which the operator marks what it creates."""
    return _labels(live).get(names.MANAGED_BY_LABEL) == names.MANAGED_BY


def is_ours(live: Manifest, instance: KatoInstance) -> bool:
    """Whether an object is a child of this instance, or of an earlier one with the same name."""
    owner = _controller(live)
    if owner is not None and owner["uid"] == instance.metadata.uid:
        return True
    if not is_managed(live) or _labels(live).get(names.INSTANCE_LABEL) != instance.metadata.name:
        return False
    return owner is None or (owner["kind"], owner["name"]) == (names.KIND, instance.metadata.name)


def is_prunable(child: Manifest, instance: KatoInstance) -> bool:
    """Whether a child may be deleted once the spec no longer asks for it.

    What holds data or credentials never may, nor what this very instance does not own.
    """
    owner = _controller(child)
    return (
        owner is not None
        and owner["uid"] == instance.metadata.uid
        and child["kind"] not in NEVER_PRUNED
        and child.get("type") != names.CREDENTIALS_TYPE
        and not is_deleted(child)
    )


def _labels(live: Manifest) -> dict[str, Any]:
    return live["metadata"].get("labels") or {}


def _controller(live: Manifest) -> dict[str, Any] | None:
    owners = live["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)
