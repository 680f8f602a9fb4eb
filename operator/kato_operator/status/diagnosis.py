"""Whether a workload is up, and if not, why and what a person can do about it: pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

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
    """A condition that has no type and no time yet.

    *ok* None stands for Unknown. *blocked* means that waiting alone will not help.
    """

    ok: bool | None
    reason: str
    message: str = ""
    blocked: bool = False

    @classmethod
    def blocked_by(cls, reason: str, message: str) -> Self:
        """A False that lasts until a person acts."""
        return cls(False, reason, message, blocked=True)


def rollout(
    workload: Manifest | None, pods: Iterable[Manifest], claims: Iterable[Manifest]
) -> Verdict:
    """Whether all pods of a Deployment or StatefulSet run its newest template, and are ready.

    Args:
        pods: The workload's pods, for the cause of a delay.
        claims: The claims of these pods.
    """
    if workload is None:
        return Verdict(ok=False, reason=names.REASON_CREATING, message="not created yet")
    waiting = _waiting(workload)
    if not waiting:
        return Verdict(ok=True, reason=names.REASON_READY, message=_ready(workload))
    cause = _cause(tuple(pods), tuple(claims)) or _refused(workload)
    return cause or Verdict(ok=False, reason=names.REASON_ROLLING_OUT, message=waiting)


def ready(workload: Manifest | None) -> str:
    """The number of ready and of wanted pods, as in "3/3"."""
    return "0/0" if workload is None else _ready(workload).split(" ", maxsplit=1)[0]


def _ready(workload: Manifest) -> str:
    wanted = workload["spec"].get("replicas", 1)
    return f"{workload.get('status', {}).get('readyReplicas', 0)}/{wanted} pods ready"


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


def _cause(pods: tuple[Manifest, ...], claims: tuple[Manifest, ...]) -> Verdict | None:
    """The first cause that is found: a pod that runs badly says more than one that cannot run."""
    found = (
        *(cause for pod in pods if (cause := _container_cause(pod))),
        *(cause for claim in claims if (cause := _claim_cause(claim, pods))),
        *(cause for pod in pods if (cause := _scheduling_cause(pod))),
    )
    return next(iter(found), None)


def _container_cause(pod: Manifest) -> Verdict | None:
    status = pod.get("status", {})
    containers = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    causes = (_waiting_cause(f"pod {pod['metadata']['name']}", item) for item in containers)
    return next((cause for cause in causes if cause is not None), None)


def _waiting_cause(where: str, container: Manifest) -> Verdict | None:
    waiting = container.get("state", {}).get("waiting") or {}
    reason, detail = waiting.get("reason", ""), waiting.get("message", "")
    if reason in PULL_REASONS:
        what = f"{where}: image {container.get('image', '')} cannot be pulled: {detail or reason}"
        fix = "correct its name, push it, or add pull secrets"
        return Verdict.blocked_by(names.REASON_IMAGE_UNAVAILABLE, f"{what}; {fix}")
    if reason in CONFIG_REASONS:
        what = f"{where}: container {container['name']} cannot start: {detail or reason}"
        fix = "check the Secrets and ConfigMaps that it uses"
        return Verdict.blocked_by(names.REASON_CONFIG_ERROR, f"{what}; {fix}")
    if reason == "CrashLoopBackOff":
        return Verdict.blocked_by(names.REASON_CRASH_LOOP, f"{where}: {_crash(container)}")
    return None


def _crash(container: Manifest) -> str:
    last = container.get("lastState", {}).get("terminated") or {}
    why = last.get("reason", "unknown reason")
    code = f", exit code {last['exitCode']}" if "exitCode" in last else ""
    said = f": {last['message'].strip()}" if last.get("message") else ""
    return f"container {container['name']} keeps crashing ({why}{code}), see its log{said}"


def _claim_cause(claim: Manifest, pods: tuple[Manifest, ...]) -> Verdict | None:
    if claim.get("status", {}).get("phase") != "Pending":
        return None
    what = f"volume {claim['metadata']['name']} is pending"
    if not claim["spec"].get("storageClassName"):
        fix = "set className, or give the cluster a default class"
        return Verdict.blocked_by(
            names.REASON_VOLUME_PENDING, f"{what}: it has no storage class; {fix}"
        )
    unscheduled = next((text for pod in pods if (text := _unschedulable(pod))), "")
    if not unscheduled:
        return None
    return Verdict.blocked_by(names.REASON_VOLUME_PENDING, f"{what}: {unscheduled}")


def _scheduling_cause(pod: Manifest) -> Verdict | None:
    text = _unschedulable(pod)
    if not text:
        return None
    what = f"pod {pod['metadata']['name']} cannot be scheduled: {text}"
    fix = "add nodes, lower its requests, or change where it may run"
    return Verdict.blocked_by(names.REASON_UNSCHEDULABLE, f"{what}; {fix}")


def _unschedulable(pod: Manifest) -> str:
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message", condition.get("reason", "")))
    return ""


def _refused(workload: Manifest) -> Verdict | None:
    for condition in workload.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            what = f"pods are refused: {condition.get('message', '')}"
            fix = "check the quotas and admission policies of the namespace"
            return Verdict.blocked_by(names.REASON_PODS_REFUSED, f"{what}; {fix}")
    return None
