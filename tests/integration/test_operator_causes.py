"""The operator on a real API server: why an instance is not ready, in the words of its cause."""

from typing import Any

import pytest
from apiserver import Manifest, Namespace, OperatorProcess, claim

from support.waiting import until

pytestmark = [pytest.mark.apiserver, pytest.mark.xdist_group("apiserver")]

LABELS = {
    "app.kubernetes.io/managed-by": "kato-operator",
    "kato.dev/instance": "prod",
}
QUOTA = "create Pod prod-redis-0 in StatefulSet prod-redis failed error: exceeded quota: small"
SANDBOX = "Failed to create pod sandbox: no free address"


def event(space: Namespace, about: Manifest, reason: str, text: str, second: int) -> None:
    """An Event as a controller or a kubelet writes it; a later second is newer."""
    meta = about["metadata"]
    involved = {"kind": about["kind"], **{key: meta[key] for key in ("name", "namespace", "uid")}}
    answer = space.client.post(
        space.path("Event"),
        json={
            "metadata": {"name": f"{meta['name']}.{reason.lower()}{second}"},
            "type": "Normal" if reason.startswith("Successful") else "Warning",
            "reason": reason,
            "message": text,
            "involvedObject": involved,
            "lastTimestamp": f"2030-01-01T00:00:{second:02}Z",
        },
    )
    assert answer.status_code == 201, answer.text


def pod(space: Namespace, owner: Manifest, component: str, **status: Any) -> Manifest:
    """A pod as the controller of *owner* makes it, with the status that a kubelet reports."""
    meta = owner["metadata"]
    labels = {**LABELS, "app.kubernetes.io/component": component}
    reference = {"apiVersion": "apps/v1", "kind": owner["kind"], "controller": True}
    owners = [{**reference, "name": meta["name"], "uid": meta["uid"]}]
    containers = [{"name": component, "image": "a:1", "resources": {"limits": {"memory": "9Mi"}}}]
    body = {
        "metadata": {"name": f"{meta['name']}-0", "labels": labels, "ownerReferences": owners},
        "spec": {"containers": containers, "serviceAccountName": "prod"},
    }
    answer = space.client.post(f"/api/v1/namespaces/{space.name}/pods", json=body)
    assert answer.status_code == 201, answer.text
    made: Manifest = answer.json()
    path = f"/api/v1/namespaces/{space.name}/pods/{made['metadata']['name']}/status"
    merge = {"Content-Type": "application/merge-patch+json"}
    answer = space.client.patch(path, json={"status": status}, headers=merge)
    assert answer.status_code == 200, answer.text
    return {"kind": "Pod", **made}


def without_pods(space: Namespace, kind: str, name: str) -> Manifest:
    """The workload, with a status that says that it has no pod."""
    found = space.get(kind, name)
    assert found is not None
    names = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
    counts = dict.fromkeys(names, 0)
    generation = found["metadata"]["generation"]
    space.patch(kind, name, {"status": {"observedGeneration": generation, **counts}}, "status")
    return {**found, "kind": kind}


def said(space: Namespace, kind: str, reason: str) -> str:
    return str(space.await_condition(kind, "False", reason)["message"])


def test_refused_pods_of_a_store_are_reported_until_they_are_made(
    space: Namespace, ready: Manifest
) -> None:
    workload = without_pods(space, "StatefulSet", "prod-redis")
    event(space, workload, "FailedCreate", QUOTA, 1)
    assert said(space, "RedisReady", "PodsRefused") == (
        f"pods are refused: {QUOTA};"
        " check the quotas, limit ranges and admission policies of the namespace"
    )
    event(space, workload, "SuccessfulCreate", "create Pod prod-redis-0 successful", 2)
    space.await_condition("RedisReady", "False", "RollingOut")
    space.await_ready()


def test_refused_pods_of_the_service_are_reported(space: Namespace, ready: Manifest) -> None:
    without_pods(space, "Deployment", "prod")
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    space.patch("Deployment", "prod", {"status": {"conditions": [refused]}}, "status")
    assert "exceeded quota" in said(space, "ServiceReady", "PodsRefused")
    space.patch("Deployment", "prod", {"status": {"conditions": []}}, "status")
    space.await_ready()


def test_what_a_node_cannot_set_up_is_said_word_for_word(space: Namespace, ready: Manifest) -> None:
    workload = without_pods(space, "StatefulSet", "prod-redis")
    creating = {"name": "redis", "image": "a:1", "imageID": "", "ready": False, "restartCount": 0}
    creating["state"] = {"waiting": {"reason": "ContainerCreating"}}
    made = pod(
        space,
        workload,
        "redis",
        conditions=[{"type": "PodScheduled", "status": "True"}],
        containerStatuses=[creating],
    )
    event(space, made, "FailedCreatePodSandBox", SANDBOX, 1)
    assert SANDBOX in said(space, "RedisReady", "SandboxFailed")


def test_a_volume_that_no_driver_makes_is_said_word_for_word(
    space: Namespace, ready: Manifest
) -> None:
    without_pods(space, "StatefulSet", "prod-redis")
    made = claim(space, "data-prod-redis-0", "redis", storageClassName="slow")
    text = 'storageclass.storage.k8s.io "slow" not found'
    event(space, {**made, "kind": "PersistentVolumeClaim"}, "ProvisioningFailed", text, 1)
    assert text in said(space, "RedisReady", "VolumePending")


def test_a_kill_for_memory_is_reported_with_limit_and_count(
    space: Namespace, ready: Manifest
) -> None:
    workload = without_pods(space, "StatefulSet", "prod-redis")
    killed = {"name": "redis", "image": "a:1", "imageID": "", "ready": False, "restartCount": 3}
    killed["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    killed["lastState"] = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    pod(space, workload, "redis", containerStatuses=[killed])
    assert said(space, "RedisReady", "OOMKilled") == (
        "pod prod-redis-0: container redis was killed because it exceeded its memory limit of 9Mi"
        " (OOMKilled, restart count 3); raise resources.limits.memory"
    )
    assert space.status()["phase"] == "Degraded"


def test_a_growing_volume_is_progress_until_it_has_the_size(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    storage_class = {
        "metadata": {"name": space.name},
        "provisioner": "example.com/none",
        "allowVolumeExpansion": True,
    }
    space.client.post("/apis/storage.k8s.io/v1/storageclasses", json=storage_class)
    name = "data-prod-redis-0"
    claim(space, name, "redis", storageClassName=space.name, volumeName="volume")
    bound = {"phase": "Bound", "capacity": {"storage": "2Gi"}}
    space.patch("PersistentVolumeClaim", name, {"status": bound}, "status")
    wanted = {"redis": {"managed": {"storage": {"size": "3Gi"}}}}
    space.patch("KatoInstance", "prod", {"spec": wanted})
    assert said(space, "RedisReady", "Expanding") == f"volume {name} grows from 2Gi to 3Gi"
    operator.await_nudged(space)
    assert space.condition("Ready")["reason"] == "Expanding"
    assert space.condition("Progressing")["status"] == "True"
    assert (space.get("StatefulSet", "prod-redis") or {})["spec"]["replicas"] == 1
    space.patch(
        "PersistentVolumeClaim", name, {"status": {"capacity": {"storage": "3Gi"}}}, "status"
    )
    space.await_ready()


def test_scaling_by_hand_under_an_autoscaler_is_answered(space: Namespace, ready: Manifest) -> None:
    space.patch("KatoInstance", "prod", {"spec": {"service": {"autoscaling": {}}}})
    space.await_ready()
    space.patch("KatoInstance", "prod", {"spec": {"replicas": 5}}, "scale")
    until(
        lambda: (
            "service.replicas is 5, but service.autoscaling decides"
            in space.condition("Progressing")["message"]
        ),
        "an answer",
    )
