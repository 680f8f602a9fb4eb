"""The operator on a real API server: what needs no Secret, and what a paused instance says."""

from collections.abc import Callable

import pytest
from apiserver import WORKLOADS, Manifest, Namespace, OperatorProcess, claim

from support.waiting import until

pytestmark = pytest.mark.apiserver

Obstacle = Callable[[Namespace, OperatorProcess], None]


def lacks_a_secret(space: Namespace, _: OperatorProcess) -> None:
    space.patch("KatoInstance", "prod", {"spec": {"service": {"tls": {"secretName": "absent"}}}})
    space.await_condition("ServiceReady", "False", "MissingSecret")


def has_unusable_credentials(space: Namespace, _: OperatorProcess) -> None:
    space.patch("Secret", "prod-credentials", {"stringData": {"redis-password": "no good"}})
    space.await_condition("CredentialsReady", "False", "CredentialsInvalid")


def meets_a_foreign_object(space: Namespace, operator: OperatorProcess) -> None:
    operator.kill9()
    space.delete("ConfigMap", "prod-config")
    space.create("ConfigMap", "prod-config", data={})
    operator.start()
    space.await_condition("ServiceReady", "False", "NameConflict")


def has_lost_its_credentials(space: Namespace, operator: OperatorProcess) -> None:
    operator.kill9()
    claim(space, "data-prod-redis-0", "redis")
    space.delete("Secret", "prod-credentials")
    space.delete("Secret", "prod-connections")
    operator.start()
    space.await_condition("CredentialsReady", "False", "CredentialsLost")


def asks_for_a_class_too_late(space: Namespace, _: OperatorProcess) -> None:
    claim(space, "data-prod-redis-0", "redis", storageClassName="old", volumeName="volume")
    storage = {"managed": {"storage": {"className": "new"}}}
    space.patch("KatoInstance", "prod", {"spec": {"redis": storage}})
    space.await_condition("RedisReady", "False", "Refused")


def cannot_finish_a_rotation(space: Namespace, _: OperatorProcess) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    space.patch("Secret", "prod-credentials", {"stringData": {"redis-password": "new"}})
    space.await_condition("CredentialsReady", "False", "CredentialsRotating")
    generation = (space.get("Deployment", "prod") or {})["metadata"]["generation"]
    status = {"observedGeneration": generation, "updatedReplicas": 0, "conditions": [refused]}
    space.patch("Deployment", "prod", {"status": status}, "status")
    space.await_condition("CredentialsReady", "False", "RotationStuck")


OBSTACLES = [
    lacks_a_secret,
    has_unusable_credentials,
    has_lost_its_credentials,
    meets_a_foreign_object,
    asks_for_a_class_too_late,
    cannot_finish_a_rotation,
]


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_an_instance_is_put_to_sleep_whatever_is_in_the_way(
    space: Namespace, operator: OperatorProcess, ready: Manifest, obstacle: Obstacle
) -> None:
    obstacle(space, operator)
    disabled = {"networkPolicy": "Disabled"}
    space.patch("KatoInstance", "prod", {"spec": {"hibernate": True, "security": disabled}})
    space.await_condition("Ready", "False", "Hibernating")

    def sleeps() -> bool:
        space.bring_up()
        return bool(space.condition("Ready")["reason"] == "Hibernated")

    until(sleeps, "Hibernated")
    workloads = [item for kind in WORKLOADS for item in space.list(kind)]
    assert [item["spec"]["replicas"] for item in workloads] == [0, 0, 0, 0]
    assert not space.list("NetworkPolicy")


@pytest.mark.parametrize("obstacle", [lacks_a_secret, has_lost_its_credentials])
def test_a_blocked_service_is_scaled_to_zero(
    space: Namespace, operator: OperatorProcess, ready: Manifest, obstacle: Obstacle
) -> None:
    obstacle(space, operator)
    space.patch("KatoInstance", "prod", {"spec": {"service": {"replicas": 0}}})
    until(lambda: (space.get("Deployment", "prod") or {})["spec"]["replicas"] == 0, "no service")
    assert (space.get("StatefulSet", "prod-redis") or {})["spec"]["replicas"] == 1


def test_a_paused_instance_says_what_would_change(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    spec = {"paused": True, "service": {"replicas": 2}, "security": {"networkPolicy": "Disabled"}}
    space.patch("KatoInstance", "prod", {"spec": spec})
    said = space.await_condition("Ready", "False", "Paused")
    assert said["message"] == (
        "spec.paused is set, and children differ:"
        " PodDisruptionBudget prod does not exist, and there are 4 more;"
        " unset it to apply the spec"
    )
    drift = [tuple(item.values()) for item in space.status()["drift"]]
    assert drift[:2] == [
        ("PodDisruptionBudget", "prod", "", "Pending"),
        ("Deployment", "prod", ".spec.replicas", "Pending"),
    ]
    assert sorted(drift[2:]) == [
        ("NetworkPolicy", f"prod-{store}", ".metadata", "Pending")
        for store in ("mongodb", "qdrant", "redis")
    ]
    spec = {"service": {"replicas": 1}, "security": {"networkPolicy": "Enabled"}}
    space.patch("KatoInstance", "prod", {"spec": spec})
    space.await_ready()
    assert "drift" not in space.status()
    space.patch("Service", "prod-redis", {"spec": {"selector": {"app": "other"}}})
    space.await_condition("Ready", "False", "Paused")
    (only,) = space.status()["drift"]
    assert only == {
        "kind": "Service",
        "name": "prod-redis",
        "path": ".spec.selector",
        "manager": "python-httpx",
        "state": "Pending",
    }
