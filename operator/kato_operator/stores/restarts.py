"""Which pod of a StatefulSet the operator itself has to replace next."""

from collections.abc import Iterable

from kato_operator.manifests import Manifest, is_deleted


def next_restart(workload: Manifest, pods: Iterable[Manifest]) -> Manifest | None:
    """The outdated pod to delete now; None when there is none or others must come up first.

    The StatefulSet controller never replaces pods under OnDelete, and under RollingUpdate it
    waits for an outdated pod that cannot become ready, even if the new template would mend it.
    """
    newest = workload.get("status", {}).get("updateRevision", "")
    if not _is_noticed(workload) or not newest:
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
    """Whether the pod says that it can be used."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _is_noticed(workload: Manifest) -> bool:
    seen = workload.get("status", {}).get("observedGeneration", 0)
    return bool(seen == workload["metadata"]["generation"])


def _is_on_delete(workload: Manifest) -> bool:
    return bool(workload["spec"].get("updateStrategy", {}).get("type") == "OnDelete")


def _revision(pod: Manifest) -> str:
    return str(pod["metadata"].get("labels", {}).get("controller-revision-hash", ""))


def _ordinal(pod: Manifest) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])
