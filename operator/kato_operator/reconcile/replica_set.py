"""MongoDB's replica set: it is recorded, because it must never be initiated a second time."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from kato_operator import names
from kato_operator.cluster.cluster import Cluster
from kato_operator.crd.instance import KatoInstance
from kato_operator.errors import CheckFailedError
from kato_operator.manifests import Manifest
from kato_operator.status.diagnosis import Verdict
from kato_operator.stores import probes
from kato_operator.stores.checks import Probe
from kato_operator.stores.restarts import is_ready

log = structlog.get_logger()

REFUSALS = {
    "DataLost": names.REASON_DATA_LOST,
    "NotAdded": names.REASON_REFUSED,
    "NoReplicaSets": names.REASON_REFUSED,
}
"""The reasons of agents that only a person can resolve, and those of conditions for them."""


def recorded(instance: KatoInstance, secrets: Iterable[Manifest]) -> str:
    """The id of the set that was initiated for this instance, from the keyfile Secret, or empty."""
    annotations = (_keyfile(instance, secrets) or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(names.MONGODB_SET_ANNOTATION, ""))


async def record(cluster: Cluster, instance: KatoInstance, secrets: tuple[Manifest, ...]) -> bool:
    """Note the id of the set on the keyfile Secret, unless it is noted already.

    Returns:
        Whether it is settled; if it is not, the agent has to be asked again.
    """
    keyfile = _keyfile(instance, secrets)
    if keyfile is None or recorded(instance, secrets):
        return True
    try:
        found = await probes.recorded_set(instance)
    except CheckFailedError as error:
        log.info("replica set not recorded", cause=str(error))
        return False
    if found:
        annotations = {names.MONGODB_SET_ANNOTATION: found}
        await cluster.merge_metadata(keyfile, {"annotations": annotations})
        log.info("replica set recorded", set=found)
    return True


def agent(instance: KatoInstance, pods: Iterable[Manifest]) -> tuple[Manifest, Probe] | None:
    """The first pod that is not ready and has an agent, and how to ask it; None without one."""
    for pod in pods:
        if not is_ready(pod) and _has_agent(pod):
            return pod, probes.of_agent(instance, pod["metadata"]["name"])
    return None


def refused(pod: Manifest, answer: str) -> Verdict | None:
    """Why the agent of a pod will not let it become ready, if it won't; *answer* is its own."""
    readiness: Mapping[str, Any] = json.loads(answer or "{}")
    reason = REFUSALS.get(str(readiness.get("reason", "")))
    if reason is None:
        return None
    message = f"pod {pod['metadata']['name']}: {readiness.get('message', '')}"
    return Verdict.blocked_by(reason, message)


def _has_agent(pod: Manifest) -> bool:
    """Whether the agent in the pod runs; it is an init container that keeps running."""
    statuses = pod.get("status", {}).get("initContainerStatuses", ())
    return any(it["name"] == "agent" and "running" in it.get("state", {}) for it in statuses)


def primary_pod(instance: KatoInstance, host: str) -> str:
    """The pod at the address of a primary; empty for a server that is not the instance's."""
    pod = host.partition(".")[0]
    return pod if pod.startswith(names.store(instance.metadata.name, names.MONGODB)) else ""


def _keyfile(instance: KatoInstance, secrets: Iterable[Manifest]) -> Manifest | None:
    name = names.keyfile(instance.metadata.name)
    return next((secret for secret in secrets if secret["metadata"]["name"] == name), None)
