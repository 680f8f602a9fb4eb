"""The operator on a real API server: why an instance is not ready, in the words of its cause."""

import pytest
from apiserver import Manifest, Namespace, OperatorProcess, bound_claim, claim
from pod_states import event, pod, without_pods

from support.waiting import until

pytestmark = pytest.mark.apiserver

QUOTA = "create Pod prod-redis-0 in StatefulSet prod-redis failed error: exceeded quota: small"
SANDBOX = "Failed to create pod sandbox: no free address"


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
    name = "data-prod-redis-0"
    bound_claim(space, name, "redis", capacity={"storage": "2Gi"})
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
