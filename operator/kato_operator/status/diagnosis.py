"""Whether a workload has come up, and if not, the cause that a person can act on."""

from collections.abc import Iterable
from dataclasses import dataclass

from kato_operator import names
from kato_operator.manifests import Manifest

PULL_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
)
CONFIG_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said about a component.

    *ok* None means that it cannot be known; *blocked* that waiting alone will not help.
    """

    ok: bool | None
    reason: str
    message: str = ""
    blocked: bool = False


def rollout(
    workload: Manifest | None, pods: Iterable[Manifest], claims: Iterable[Manifest]
) -> Verdict:
    """Whether the newest template of a Deployment or StatefulSet runs everywhere and alone."""
    if workload is None:
        return Verdict(ok=False, reason=names.REASON_CREATING, message="not created yet")
    waiting = _waiting(workload)
    if not waiting:
        return Verdict(ok=True, reason=names.REASON_READY, message=_ready(workload))
    cause = _cause(tuple(pods), tuple(claims)) or _refused(workload)
    return cause or Verdict(ok=False, reason=names.REASON_ROLLING_OUT, message=waiting)


def ready(workload: Manifest | None) -> str:
    """Ready and wanted pods, as in "3/3"."""
    return "0/0" if workload is None else _ready(workload).split(" ", maxsplit=1)[0]


def _ready(workload: Manifest) -> str:
    wanted = workload["spec"].get("replicas", 1)
    return f"{workload.get('status', {}).get('readyReplicas', 0)}/{wanted} pods ready"


def _waiting(workload: Manifest) -> str:
    status = workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return "the new template has not been noticed yet"
    wanted = workload["spec"].get("replicas", 1)
    if status.get("updatedReplicas", 0) < wanted:
        return f"{status.get('updatedReplicas', 0)}/{wanted} pods are up to date"
    if status.get("readyReplicas", 0) < wanted:
        return _ready(workload)
    if status.get("replicas", 0) > wanted:
        return f"{status['replicas'] - wanted} old pods are still there"
    return ""


def _cause(pods: tuple[Manifest, ...], claims: tuple[Manifest, ...]) -> Verdict | None:
    found = (
        *(cause for pod in pods if (cause := _container_cause(pod))),
        *(cause for claim in claims if (cause := _claim_cause(claim, pods))),
        *(cause for pod in pods if (cause := _scheduling_cause(pod))),
    )
    return next(iter(found), None)


def _container_cause(pod: Manifest) -> Verdict | None:
    status = pod.get("status", {})
    containers = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    for container in containers:
        waiting = container.get("state", {}).get("waiting") or {}
        where = f"pod {pod['metadata']['name']}: "
        reason, detail = waiting.get("reason", ""), waiting.get("message", "")
        if reason in PULL_REASONS:
            what = f"image {container.get('image', '')} cannot be pulled: {detail or reason}"
            return _blocked(names.REASON_IMAGE_UNAVAILABLE, where + what)
        if reason in CONFIG_REASONS:
            what = f"container {container['name']} cannot be started: {detail or reason}"
            return _blocked(names.REASON_CONFIG_ERROR, where + what)
        if reason == "CrashLoopBackOff":
            return _blocked(names.REASON_CRASH_LOOP, where + _crash(container))
    return None


def _crash(container: Manifest) -> str:
    last = container.get("lastState", {}).get("terminated") or {}
    why = last.get("reason", "unknown reason")
    code = f", exit code {last['exitCode']}" if "exitCode" in last else ""
    said = f": {last['message'].strip()}" if last.get("message") else ""
    return f"container {container['name']} keeps ending ({why}{code}){said}"


def _claim_cause(claim: Manifest, pods: tuple[Manifest, ...]) -> Verdict | None:
    if claim.get("status", {}).get("phase") != "Pending":
        return None
    name = claim["metadata"]["name"]
    if not claim["spec"].get("storageClassName"):
        return _blocked(names.REASON_VOLUME_PENDING, f"volume {name} pending: no storage class")
    unscheduled = next((text for pod in pods if (text := _unschedulable(pod))), "")
    if not unscheduled:
        return None
    return _blocked(names.REASON_VOLUME_PENDING, f"volume {name} pending: {unscheduled}")


def _scheduling_cause(pod: Manifest) -> Verdict | None:
    text = _unschedulable(pod)
    if not text:
        return None
    where = pod["metadata"]["name"]
    return _blocked(names.REASON_UNSCHEDULABLE, f"pod {where}: no node takes it: {text}")


def _unschedulable(pod: Manifest) -> str:
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message", condition.get("reason", "")))
    return ""


def _refused(workload: Manifest) -> Verdict | None:
    for condition in workload.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return _blocked(names.REASON_PODS_REFUSED, str(condition.get("message", "")))
    return None


def _blocked(reason: str, message: str) -> Verdict:
    return Verdict(ok=False, reason=reason, message=message, blocked=True)
