"""Which pod of a StatefulSet the operator itself has to replace next: pure functions."""

from collections.abc import Iterable

from kato_operator.manifests import Manifest, is_deleted


def next_restart(workload: Manifest, pods: Iterable[Manifest]) -> Manifest | None:
    """The outdated pod to replace now; None if there is none, or if others must be ready first.

    The StatefulSet controller never replaces pods under OnDelete. Under RollingUpdate it waits for
    an outdated pod that cannot become ready, even if the new template would fix it.
    """
    newest = workload.get("status", {}).get("updateRevision", "")
    if not _is_seen(workload) or not newest:
        return None
    living = [pod for pod in pods if not is_deleted(pod)]
    outdated = sorted((pod for pod in living if _revision(pod) != newest), key=_ordinal)
    broken = [pod for pod in outdated if not is_ready(pod)]
    if broken:
        return broken[-1]
    all_ready = len(living) == workload["spec"].get("replicas", 1) and all(
        is_ready(pod) for pod in living
    )
    if outdated and all_ready and _is_on_delete(workload):
        return outdated[-1]
    return None


def is_ready(pod: Manifest) -> bool:
    """Whether the pod has the condition Ready."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _is_seen(workload: Manifest) -> bool:
    """Whether the controller has seen the newest template, so that its status is about it."""
    seen = workload.get("status", {}).get("observedGeneration", 0)
    return bool(seen == workload["metadata"]["generation"])


def _is_on_delete(workload: Manifest) -> bool:
    return bool(workload["spec"].get("updateStrategy", {}).get("type") == "OnDelete")


def _revision(pod: Manifest) -> str:
    return str(pod["metadata"].get("labels", {}).get("controller-revision-hash", ""))


def _ordinal(pod: Manifest) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])
