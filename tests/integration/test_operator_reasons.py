"""The operator on a real API server: what the manual says to do about a reason helps.

Reasons whose fix has a test elsewhere: `InvalidSpec`, `NameConflict`, `MissingSecret`, `Paused`,
`Hibernated`, `PodsRefused`, `Refused` (a class that cannot change), `Expanding`, and those of
rotations.
"""

from typing import Any

import pytest
from apiserver import Manifest, Namespace, OperatorProcess, claim
from pod_states import event, pod, without_pods

from support.waiting import until

pytestmark = pytest.mark.apiserver

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


SCHEDULED = {"type": "PodScheduled", "status": "True"}


def test_a_repaired_node_sets_the_pod_up(space: Namespace, ready: Manifest) -> None:
    workload = without_pods(space, "StatefulSet", "prod-redis")
    waiting = container("ContainerCreating")
    made = pod(space, workload, "redis", conditions=[SCHEDULED], **waiting)
    event(space, made, "FailedCreatePodSandBox", "no free address", 1)
    space.await_condition("RedisReady", "False", "SandboxFailed")
    event(space, made, "SuccessfulAttachVolume", "the node tries again", 2)
    space.await_condition("RedisReady", "False", "RollingOut")
    space.await_ready()


def test_a_new_node_that_reaches_the_volume_lets_the_pod_start(
    space: Namespace, ready: Manifest
) -> None:
    workload = without_pods(space, "StatefulSet", "prod-redis")
    name = "data-prod-redis-0"
    claim(space, name, "redis", storageClassName="zonal")
    space.patch("PersistentVolumeClaim", name, {"status": {"phase": "Pending"}}, "status")
    text = "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind."
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": name}}
    made = pod(space, workload, "redis", volumes=[volume], **unscheduled(text))
    assert text in space.await_condition("RedisReady", "False", "VolumePending")["message"]
    space.patch("Pod", made["metadata"]["name"], {"status": {"conditions": [SCHEDULED]}}, "status")
    space.patch("PersistentVolumeClaim", name, {"status": {"phase": "Bound"}}, "status")
    space.await_condition("RedisReady", "False", "RollingOut")
    space.await_ready()


def test_an_empty_mongodb_starts_over_once_no_set_is_recorded(
    space: Namespace, ready: Manifest
) -> None:
    """The fix of DataLost: what the agent in a new pod reads is in the ConfigMap."""

    def recorded() -> str:
        found: str = (space.get("ConfigMap", "prod-mongodb") or {})["data"]["recorded-set"]
        return found

    def record(value: str | None) -> None:
        annotations = {"annotations": {"kato.dev/mongodb-set": value}}
        space.patch("Secret", "prod-mongodb-keyfile", {"metadata": annotations})

    before = (space.get("StatefulSet", "prod-mongodb") or {})["spec"]["template"]
    record("6740c0ffee")
    until(lambda: recorded() == "6740c0ffee", "the set in the ConfigMap")
    record(None)
    until(lambda: recorded() == "", "no set in the ConfigMap")
    assert (space.get("StatefulSet", "prod-mongodb") or {})["spec"]["template"] == before
    space.await_ready()


def test_a_corrected_password_makes_a_store_healthy(
    space: Namespace, operator: OperatorProcess, redis_url: str
) -> None:
    operator.kill9()
    operator.environment["KATO_OPERATOR_DEEP_CHECKS"] = "true"
    operator.start()
    wrong = redis_url.replace("redis://", "redis://nobody:wrong@")
    space.create("Secret", "theirs", stringData={"url": wrong})
    external = {"urlSecretRef": {"name": "theirs", "key": "url"}}
    embedded = {"mode": "Embedded"}
    spec = {
        "redis": {"mode": "External", "external": external},
        "mongodb": embedded,
        "qdrant": embedded,
        "healthChecks": {"intervalSeconds": 1},
    }
    space.create("KatoInstance", "prod", spec=spec)
    space.await_condition("RedisReady", "False", "Unhealthy")
    space.patch("Secret", "theirs", {"stringData": {"url": redis_url}})
    space.await_condition("RedisReady", "True", "External")


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
