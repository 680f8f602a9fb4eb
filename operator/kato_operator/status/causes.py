"""Why the pods of a workload are not up, as pods, claims and Events say it: pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kato_operator import names
from kato_operator.manifests import Manifest
from kato_operator.status import containers
from kato_operator.status.verdict import Verdict

ENDED = frozenset({"Failed", "Succeeded"})
SANDBOX = "FailedCreatePodSandBox"
MOUNTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
CREATION = "FailedCreate"
PROVISIONING = "ProvisioningFailed"
VOLUME_WORDS = ("volume", "PersistentVolumeClaim", "persistentvolumeclaim")
"""What the scheduler's message contains if a volume is in the way; it names resources otherwise."""
CONFLICT = "the object has been modified"
"""The API server's words to a client when another one wrote first; clients try again."""
SCHEDULING_FIXES = {
    "Unschedulable": "add nodes, lower its requests, or change where it may run",
    "SchedulingGated": "whoever set the scheduling gates of the pod has to remove them",
}
CHECK_NAMESPACE = "check the quotas, limit ranges and admission policies of the namespace"


@dataclass(frozen=True, slots=True)
class Warned:
    """The newest Event about an object, if it is a warning; otherwise both texts are empty."""

    reason: str = ""
    message: str = ""


Warnings = Mapping[str, Warned]
"""What Events say, by the uid of the object that they are about."""
SILENT = Warned()


def first(
    workload: Manifest,
    pods: Iterable[Manifest],
    claims: Iterable[Manifest],
    warnings: Warnings,
) -> Verdict | None:
    """The first cause that is found: a pod that runs badly says more than one that cannot run."""
    present, volumes = tuple(pods), tuple(claims)
    living = [pod for pod in present if not has_ended(pod)]
    found = (
        *(containers.cause(pod) for pod in living),
        *(_on_node(pod, warnings.get(_uid(pod), SILENT)) for pod in living),
        *(_pending(claim, living, warnings.get(_uid(claim), SILENT)) for claim in volumes),
        *(_unscheduled(pod) for pod in living),
        _refused(workload, warnings.get(_uid(workload), SILENT)),
        *(_failed(pod) for pod in present if not living),
    )
    return next((verdict for verdict in found if verdict is not None), None)


def suspects(
    workload: Manifest, pods: Iterable[Manifest], claims: Iterable[Manifest]
) -> tuple[Manifest, ...]:
    """The objects whose trouble only Events tell: their status does not say why they wait."""
    living = [pod for pod in pods if not has_ended(pod)]
    lacks_pods = len(living) < workload["spec"].get("replicas", 1)
    return (
        *((workload,) if workload["kind"] == "StatefulSet" and lacks_pods else ()),
        *(pod for pod in living if _is_on_node(pod) and not containers.is_created(pod)),
        *(claim for claim in claims if _is_pending(claim)),
    )


def _uid(found: Manifest) -> str:
    return str(found["metadata"].get("uid", ""))


def has_ended(pod: Manifest) -> bool:
    """Whether the pod never runs again: its controller makes another, and may leave it behind."""
    return pod.get("status", {}).get("phase") in ENDED


def _on_node(pod: Manifest, warned: Warned) -> Verdict | None:
    """The verdict on a pod that a node cannot set up."""
    if containers.is_created(pod):
        return None
    where = f"pod {pod['metadata']['name']}"
    if warned.reason == SANDBOX:
        what = f"{where} cannot be set up on its node: {warned.message}"
        fix = "check the container runtime and the network plugin of the node"
        return Verdict.blocked_by(names.REASON_SANDBOX_FAILED, f"{what}; {fix}")
    if warned.reason not in MOUNTS:
        return None
    what = f"{where} cannot mount its volumes: {warned.message}"
    if "not found" in warned.message or "non-existent" in warned.message:
        fix = "create the object named"
        return Verdict.blocked_by(names.REASON_CONFIG_ERROR, f"{what}; {fix}")
    fix = "check the volume and the storage driver of the node"
    return Verdict.blocked_by(names.REASON_VOLUME_PENDING, f"{what}; {fix}")


def _is_pending(claim: Manifest) -> bool:
    return bool(claim.get("status", {}).get("phase") == "Pending")


def _pending(claim: Manifest, pods: Iterable[Manifest], warned: Warned) -> Verdict | None:
    """The verdict on a claim without a volume, if the claim is what its pod waits for.

    A claim whose class waits for the first consumer is pending until its pod is scheduled: then
    the pod's own trouble is the cause.
    """
    if not _is_pending(claim):
        return None
    what = f"volume {claim['metadata']['name']} is pending"
    if not claim["spec"].get("storageClassName"):
        fix = "set className, or give the cluster a default class"
        detail = f"it has no storage class; {fix}"
    elif warned.reason == PROVISIONING:
        detail = f"{warned.message}; choose another className, or repair the class"
    else:
        users = (_unschedulable(pod) for pod in pods if _uses(pod, claim))
        detail = next((text for text in users if _is_about_volumes(text)), "")
    return Verdict.blocked_by(names.REASON_VOLUME_PENDING, f"{what}: {detail}") if detail else None


def _uses(pod: Manifest, claim: Manifest) -> bool:
    volumes = pod.get("spec", {}).get("volumes", ())
    used = {(item.get("persistentVolumeClaim") or {}).get("claimName") for item in volumes}
    return claim["metadata"]["name"] in used


def _is_about_volumes(text: str) -> bool:
    return any(word in text for word in VOLUME_WORDS) and "Insufficient" not in text


def _unscheduled(pod: Manifest) -> Verdict | None:
    text = _unschedulable(pod)
    if not text:
        return None
    what = f"pod {pod['metadata']['name']} cannot be scheduled: {text}"
    fix = SCHEDULING_FIXES.get(_scheduled(pod).get("reason", ""), "the scheduler tries again")
    return Verdict.blocked_by(names.REASON_UNSCHEDULABLE, f"{what}; {fix}")


def _unschedulable(pod: Manifest) -> str:
    found = _scheduled(pod)
    text = str(found.get("message", found.get("reason", "")))
    # Somebody wrote the claim or the pod while the scheduler did: a second later it has succeeded.
    return text if found.get("status") == "False" and CONFLICT not in text else ""


def _is_on_node(pod: Manifest) -> bool:
    return bool(_scheduled(pod).get("status") == "True")


def _scheduled(pod: Manifest) -> Manifest:
    conditions = pod.get("status", {}).get("conditions", ())
    return next((item for item in conditions if item["type"] == "PodScheduled"), {})


def _refused(workload: Manifest, warned: Warned) -> Verdict | None:
    """The verdict on pods that the API server does not let the controller create.

    A ReplicaSet reports this as a condition, a StatefulSet only as an Event. A pod that exists
    already is the one before, which is still terminating.
    """
    text = warned.message if warned.reason == CREATION else ""
    for condition in workload.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            text = condition.get("message", "")
    if not text or "already exists" in text:
        return None
    what = f"pods are refused: {text}"
    return Verdict.blocked_by(names.REASON_PODS_REFUSED, f"{what}; {CHECK_NAMESPACE}")


def _failed(pod: Manifest) -> Verdict | None:
    """The verdict on a pod that its node gave up, before there is another."""
    status = pod.get("status", {})
    if status.get("phase") != "Failed" or not status.get("reason"):
        return None
    why = f"{status['reason']}: {status.get('message', '')}".strip(": ")
    message = f"pod {pod['metadata']['name']} failed ({why}); waiting for another"
    return Verdict(ok=False, reason=names.REASON_ROLLING_OUT, message=message)
