"""Whether a workload is up, and if not, why and what a person can do about it: pure functions."""

from collections.abc import Iterable

from kato_operator import names
from kato_operator.manifests import Manifest
from kato_operator.quantities import quantity
from kato_operator.status import causes
from kato_operator.status.verdict import Verdict

__all__ = ["Verdict", "growth", "ready_pods", "rollout"]

RESIZE_TROUBLE = frozenset({"ControllerResizeError", "NodeResizeError"})
"""Conditions of a claim that the storage driver cannot make larger."""


def rollout(
    workload: Manifest | None,
    pods: Iterable[Manifest],
    claims: Iterable[Manifest],
    warnings: causes.Warnings | None = None,
) -> Verdict:
    """Whether all pods of a Deployment or StatefulSet run its newest template, and are ready.

    Args:
        pods: The workload's pods, for the cause of a delay.
        claims: The claims of these pods.
        warnings: What Events say about these objects.
    """
    if workload is None:
        return Verdict(ok=False, reason=names.REASON_CREATING, message="not created yet")
    waiting = _waiting(workload)
    if not waiting:
        return Verdict(ok=True, reason=names.REASON_READY, message=_ready(workload))
    cause = causes.first(workload, pods, claims, warnings or {})
    return cause or Verdict(ok=False, reason=names.REASON_ROLLING_OUT, message=waiting)


def growth(claims: Iterable[Manifest]) -> Verdict | None:
    """The verdict on a volume that is smaller than its claim asks for; None if there is none."""
    for claim in claims:
        wanted = claim["spec"]["resources"]["requests"]["storage"]
        present = claim.get("status", {}).get("capacity", {}).get("storage")
        if present is None or (quantity(present) or 0) >= (quantity(wanted) or 0):
            continue
        what = f"volume {claim['metadata']['name']} grows from {present} to {wanted}"
        conditions = claim["status"].get("conditions", ())
        told = [item for item in conditions if item.get("message") and item["status"] == "True"]
        message = "; ".join((what, *(item["message"] for item in told)))
        blocked = any(item["type"] in RESIZE_TROUBLE for item in told)
        return Verdict(False, names.REASON_EXPANDING, message, blocked=blocked)
    return None


def ready_pods(workload: Manifest | None) -> int:
    """The number of ready pods; 0 without a workload."""
    return int((workload or {}).get("status", {}).get("readyReplicas", 0))


def _ready(workload: Manifest) -> str:
    wanted = workload["spec"].get("replicas", 1)
    return f"{ready_pods(workload)}/{wanted} pods ready"


def _waiting(workload: Manifest) -> str:
    """What the rollout is waiting for; empty when it is complete."""
    status = workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return "its controller has not seen the new template yet"
    wanted = workload["spec"].get("replicas", 1)
    if status.get("updatedReplicas", 0) < wanted:
        return f"{status.get('updatedReplicas', 0)}/{wanted} pods run the new template"
    if status.get("readyReplicas", 0) < wanted:
        return _ready(workload)
    if status.get("replicas", 0) > wanted:
        return f"waiting for old pods to terminate ({status['replicas'] - wanted} left)"
    return ""
