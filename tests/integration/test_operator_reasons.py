"""The operator on a real API server: what the manual says to do about a reason helps.

Reasons whose fix has a test elsewhere: `InvalidSpec`, `NameConflict`, `MissingSecret`, `Paused`,
`Hibernated`, `PodsRefused`, `Refused` (a class that cannot change) and `Expanding`.
"""

from typing import Any

import pytest
from apiserver import Manifest, Namespace, OperatorProcess, claim
from pod_states import pod, without_pods

from support.waiting import until

pytestmark = [pytest.mark.apiserver, pytest.mark.xdist_group("apiserver")]

OLD, NEW = "prod-redis-old", "prod-redis-new"


def container(reason: str, **more: Any) -> dict[str, Any]:
    state = {"state": {"waiting": {"reason": reason}}, "restartCount": 0, **more}
    return {
        "containerStatuses": [
            {"name": "redis", "image": "a:1", "imageID": "", "ready": False, **state}
        ]
    }


def unscheduled(message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}


def ended(reason: str) -> dict[str, Any]:
    return {"lastState": {"terminated": {"reason": reason, "exitCode": 1}}, "restartCount": 3}


def seen(space: Namespace, revision: str) -> Manifest:
    """What its controller reports of a StatefulSet whose newest template is this revision."""
    workload = without_pods(space, "StatefulSet", "prod-redis")
    space.patch("StatefulSet", "prod-redis", {"status": {"updateRevision": revision}}, "status")
    return workload


def pods(space: Namespace) -> list[str]:
    items = space.client.get(f"/api/v1/namespaces/{space.name}/pods").json()["items"]
    return [item["metadata"]["name"] for item in items]


def image(tag: str) -> dict[str, Any]:
    return {"image": {"tag": tag}}


def template(space: Namespace) -> Manifest:
    found: Manifest = (space.get("StatefulSet", "prod-redis") or {})["spec"]["template"]
    return found


@pytest.mark.parametrize(
    ("status", "reason", "fix"),
    [
        pytest.param(container("ErrImagePull"), "ImageUnavailable", image("7.4.1"), id="image"),
        pytest.param(
            container("ImagePullBackOff"),
            "ImageUnavailable",
            {"image": {"pullSecrets": [{"name": "login"}]}},
            id="pull secrets",
        ),
        pytest.param(
            container("CrashLoopBackOff", **ended("Error")),
            "CrashLoop",
            {"config": {"hz": "20"}},
            id="crash",
        ),
        pytest.param(
            container("CrashLoopBackOff", **ended("OOMKilled")),
            "OOMKilled",
            {"resources": {"limits": {"memory": "1Gi"}}},
            id="memory",
        ),
        pytest.param(
            unscheduled("0/1 nodes are available: 1 Insufficient memory."),
            "Unschedulable",
            {"resources": {"requests": {"memory": "64Mi"}}},
            id="no node",
        ),
    ],
)
def test_a_fixed_spec_replaces_the_pod_that_cannot_run(
    space: Namespace, ready: Manifest, status: Manifest, reason: str, fix: Manifest
) -> None:
    workload = seen(space, OLD)
    pod(space, workload, "redis", OLD, **status)
    space.await_condition("RedisReady", "False", reason)
    before = template(space)
    space.patch("KatoInstance", "prod", {"spec": {"redis": {"managed": fix}}})
    until(lambda: template(space) != before, "a new template")
    assert pods(space) == ["prod-redis-0"], "it stays until there is a newer template"
    seen(space, NEW)
    until(lambda: not pods(space), "the broken pod is deleted")
    space.await_ready()


def test_a_reverted_rollout_of_a_store_recovers(space: Namespace, ready: Manifest) -> None:
    before = template(space)
    space.patch("KatoInstance", "prod", {"spec": {"redis": {"managed": image("wrong")}}})
    until(lambda: template(space) != before, "a new template")
    broken = container("ErrImagePull")
    pod(space, seen(space, NEW), "redis", NEW, **broken)
    space.await_condition("RedisReady", "False", "ImageUnavailable")
    space.patch("KatoInstance", "prod", {"spec": {"redis": {"managed": {"image": None}}}})
    until(lambda: template(space) == before, "the template from before")
    seen(space, OLD)
    until(lambda: not pods(space), "the broken pod is deleted")
    space.await_ready()


def test_a_created_object_lets_the_waiting_pod_start(space: Namespace, ready: Manifest) -> None:
    workload = without_pods(space, "StatefulSet", "prod-redis")
    pod(space, workload, "redis", **container("CreateContainerConfigError"))
    space.await_condition("RedisReady", "False", "ConfigError")
    space.await_ready()  # the kubelet tries again by itself


@pytest.mark.parametrize("fix", ["restored", "started over"])
def test_lost_credentials_are_restored_or_the_volumes_deleted(
    space: Namespace, operator: OperatorProcess, ready: Manifest, fix: str
) -> None:
    operator.kill9()
    claim(space, "data-prod-redis-0", "redis")
    kept = space.get("Secret", "prod-credentials") or {}
    space.delete("Secret", "prod-credentials")
    space.delete("Secret", "prod-connections")
    operator.start()
    space.await_condition("CredentialsReady", "False", "CredentialsLost")
    if fix == "restored":
        meta = {"name": "prod-credentials", "labels": kept["metadata"]["labels"]}
        body = {"metadata": meta, "type": kept["type"], "data": kept["data"]}
        assert space.client.post(space.path("Secret"), json=body).status_code == 201
    else:
        space.delete("PersistentVolumeClaim", "data-prod-redis-0")
        space.patch(
            "PersistentVolumeClaim", "data-prod-redis-0", {"metadata": {"finalizers": None}}
        )
    space.await_ready()
    again = (space.get("Secret", "prod-credentials") or {})["data"]
    assert (again == kept["data"]) == (fix == "restored")


@pytest.mark.parametrize("value", [None, "with a space"], ids=["missing", "unusable"])
def test_invalid_credentials_are_corrected(
    space: Namespace, ready: Manifest, value: str | None
) -> None:
    name = "redis-password"
    good = (space.get("Secret", "prod-credentials") or {})["data"][name]
    broken = {"data": {name: None}} if value is None else {"stringData": {name: value}}
    space.patch("Secret", "prod-credentials", broken)
    said = space.await_condition("CredentialsReady", "False", "CredentialsInvalid")["message"]
    assert name in said
    space.patch("Secret", "prod-credentials", {"data": {name: good}})
    space.await_ready()


def test_a_budget_that_is_exceeded_is_met_by_smaller_pools(
    space: Namespace, ready: Manifest
) -> None:
    def pools(most: int) -> dict[str, Any]:
        return {"spec": {"connectionPools": {"redis": {"maxConnections": most}}}}

    space.patch("KatoInstance", "prod", pools(9000))
    space.await_condition("ConnectionBudgetExceeded", "True", "BudgetExceeded")
    space.patch("KatoInstance", "prod", pools(50))
    space.await_condition("ConnectionBudgetExceeded", "False", "WithinBudget")
    space.await_ready()
