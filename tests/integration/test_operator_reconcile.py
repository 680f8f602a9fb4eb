"""The operator as a process on a real API server: the children of an instance, and their upkeep."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from apiserver import (
    INSTANCE,
    MERGE,
    WORKLOADS,
    Manifest,
    Namespace,
    OperatorProcess,
    claim,
    until,
)

pytestmark = pytest.mark.apiserver


def test_a_minimal_instance_gets_children_that_are_owned_and_labelled(
    space: Namespace, ready: Manifest
) -> None:
    children = space.children()
    assert {
        *(("Deployment", "prod"), ("Service", "prod"), ("ServiceAccount", "prod")),
        *(("ConfigMap", "prod-config"), ("Secret", "prod-connections")),
        *(("StatefulSet", f"prod-{store}") for store in ("redis", "mongodb", "qdrant")),
        *(("Service", f"prod-{store}") for store in ("redis", "mongodb", "qdrant")),
        *(("Service", f"prod-{store}-peers") for store in ("redis", "mongodb", "qdrant")),
    } <= children.keys()
    for (kind, name), child in children.items():
        labels = child["metadata"]["labels"]
        assert labels[INSTANCE] == "prod"
        assert labels["app.kubernetes.io/managed-by"] == "kato-operator"
        owners = child["metadata"].get("ownerReferences", [])
        if child.get("type") == "kato.dev/credentials":
            assert owners == [], name
        else:
            assert [owner["uid"] for owner in owners if owner["controller"]] == [
                ready["metadata"]["uid"]
            ], f"{kind} {name}"


def test_every_condition_is_written_before_anything_is_ready(
    space: Namespace, operator: OperatorProcess
) -> None:
    space.create("KatoInstance", "prod")
    space.await_condition("ServiceReady", "False")
    status = space.status()
    conditions = {item["type"]: item["status"] for item in status["conditions"]}
    assert conditions.keys() == {
        *("Ready", "SpecValid", "CredentialsReady", "RedisReady", "MongoDBReady", "QdrantReady"),
        *("ServiceReady", "Progressing", "OrchestrationPaused", "ConnectionBudgetExceeded"),
        "Stalled",
    }
    assert conditions["Stalled"] == "False"
    assert (conditions["Ready"], conditions["Progressing"]) == ("False", "True")
    assert (conditions["SpecValid"], conditions["CredentialsReady"]) == ("True", "True")
    assert status["phase"] in ("Pending", "Progressing")


def test_an_instance_is_ready_once_its_workloads_are(space: Namespace, ready: Manifest) -> None:
    status = space.status()
    assert status["phase"] == "Ready"
    assert (status["replicas"], status["readyReplicas"]) == (1, 1)
    assert status["endpoints"]["http"] == f"http://prod.{space.name}.svc:8000"
    assert [(item["name"], item["ready"]) for item in status["stores"]] == [
        *(("redis", "1/1"), ("mongodb", "1/1"), ("qdrant", "1/1"))
    ]
    assert status["selector"]
    assert status["connectionBudget"]["redis"] == {"needed": 106, "limit": 10000}


def test_an_edit_is_not_ready_until_it_runs(space: Namespace, ready: Manifest) -> None:
    edited = space.patch("KatoInstance", "prod", {"spec": {"service": {"replicas": 2}}})

    def announced() -> Manifest | None:
        condition = space.condition("Ready")
        is_new = condition["observedGeneration"] == edited["metadata"]["generation"]
        return condition if is_new else None

    assert until(announced, "the new generation in Ready")["status"] == "False"
    until(lambda: (space.get("Deployment", "prod") or {})["spec"]["replicas"] == 2, "2 replicas")
    space.await_ready()


def test_a_steady_instance_causes_no_write(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    operator.await_nudged(space)
    operator.kill9()
    operator.environment["KATO_OPERATOR_RESYNC_S"] = "0.3"
    before = space.versions()
    operator.start()
    operator.await_passes(5)
    assert space.versions() == before
    assert operator.passes("retried") == 0


@pytest.mark.parametrize(
    ("kind", "name", "edit"),
    [
        pytest.param("Deployment", "prod", {"spec": {"replicas": 7}}, id="replicas"),
        pytest.param("ConfigMap", "prod-config", {"data": {"STM_MODE": "x"}}, id="setting"),
        pytest.param(
            "Service", "prod-redis", {"spec": {"selector": {"app": "other"}}}, id="selector"
        ),
        pytest.param("Service", "prod", {"metadata": {"labels": {INSTANCE: None}}}, id="label"),
    ],
)
def test_an_edited_child_is_reverted(
    space: Namespace, ready: Manifest, kind: str, name: str, edit: Manifest
) -> None:
    before = space.children()[kind, name]
    edited = space.patch(kind, name, edit)

    def put_back() -> bool:
        now = space.get(kind, name)
        assert now is not None
        same = all(now.get(part) == before.get(part) for part in ("spec", "data"))
        labels = now["metadata"]["labels"] == before["metadata"]["labels"]
        return same and labels and now["metadata"]["uid"] == edited["metadata"]["uid"]

    until(put_back, f"{kind} {name} as it was")


@pytest.mark.parametrize("kind", WORKLOADS)
def test_an_edited_image_is_reverted(space: Namespace, ready: Manifest, kind: str) -> None:
    name = "prod" if kind == "Deployment" else "prod-redis"

    def template() -> Manifest:
        found: Manifest = (space.get(kind, name) or {})["spec"]["template"]
        return found

    before = template()
    containers = [{**item, "image": "other:1"} for item in before["spec"]["containers"]]
    space.patch(kind, name, {"spec": {"template": {"spec": {"containers": containers}}}})
    until(lambda: template() == before, f"{kind} {name} as it was")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("Deployment", "prod"), ("Service", "prod-mongodb"), ("StatefulSet", "prod-redis")),
        *(("ConfigMap", "prod-config"), ("Secret", "prod-connections")),
    ],
)
def test_a_deleted_child_is_recreated(
    space: Namespace, ready: Manifest, kind: str, name: str
) -> None:
    before = space.get(kind, name)
    assert before is not None
    space.delete(kind, name)
    again = until(lambda: space.get(kind, name), f"{kind} {name}")
    assert again["metadata"]["uid"] != before["metadata"]["uid"]
    assert again.get("data") == before.get("data")
    space.await_ready()


@pytest.mark.parametrize(
    ("kind", "name", "condition"),
    [
        pytest.param("ConfigMap", "prod-config", "ServiceReady", id="service"),
        pytest.param("Service", "prod-redis", "RedisReady", id="redis"),
    ],
)
def test_a_foreign_object_of_a_childs_name_is_never_touched(
    space: Namespace, operator: OperatorProcess, kind: str, name: str, condition: str
) -> None:
    fields = {"spec": {"ports": [{"port": 1}]}} if kind == "Service" else {"data": {"a": "b"}}
    foreign = space.create(kind, name, **fields)
    space.create("KatoInstance", "prod")
    said = space.await_condition(condition, "False", "NameConflict")
    assert name in said["message"]
    operator.await_nudged(space)
    assert space.get(kind, name) == foreign
    space.delete(kind, name)
    space.await_ready()


def test_credentials_that_are_not_ours_are_never_used(
    space: Namespace, operator: OperatorProcess
) -> None:
    foreign = space.create("Secret", "prod-credentials", stringData={"redis-password": "theirs"})
    space.create("KatoInstance", "prod")
    space.await_condition("CredentialsReady", "False", "NameConflict")
    assert space.get("Secret", "prod-credentials") == foreign
    assert space.get("Deployment", "prod") is None


def test_an_invalid_spec_is_reported_and_no_child_changes(
    control_plane: Any, space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    before = {kind_and_name: item["spec"] for kind_and_name, item in workloads(space).items()}
    operator.kill9()
    with without_rules(space):
        patch = {"spec": {"redis": {"external": {"urlSecretRef": {"name": "a", "key": "b"}}}}}
        until(lambda: patched(space, patch), "the patch that the CRD's rules would refuse")
    operator.start()
    said = space.await_condition("SpecValid", "False", "InvalidSpec")
    assert said["message"].startswith("spec.redis.external: ")
    assert (space.status()["phase"], space.condition("Ready")["status"]) == ("Invalid", "False")
    after = {kind_and_name: item["spec"] for kind_and_name, item in workloads(space).items()}
    assert after == before
    space.patch("KatoInstance", "prod", {"spec": {"redis": {"external": None}}})
    space.await_ready()


def workloads(space: Namespace) -> dict[tuple[str, str], Manifest]:
    return {name: item for name, item in space.children().items() if name[0] in WORKLOADS}


def patched(space: Namespace, patch: Manifest) -> bool:
    path = space.path("KatoInstance", "prod")
    return space.client.patch(path, json=patch, headers=MERGE).status_code == 200


@contextmanager
def without_rules(space: Namespace) -> Iterator[None]:
    """An older CRD, without the rules of a store."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/katoinstances.kato.dev"
    definition = space.client.get(path).json()
    rules = redis_of(definition)["x-kubernetes-validations"]

    def written(changed: list[Manifest] | None) -> bool:
        """Whether the write succeeded: the API server itself may write in between."""
        newest = space.client.get(path).json()
        redis_of(newest).pop("x-kubernetes-validations", None)
        redis_of(newest).update({"x-kubernetes-validations": changed} if changed else {})
        return space.client.put(path, json=newest).status_code == 200

    until(lambda: written(None), "the definition without rules")
    yield
    until(lambda: written(rules), "the definition with its rules")
    until(lambda: is_refused(space), "the rules in force, for the tests that come after")


def redis_of(definition: Manifest) -> Manifest:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: Manifest = schema["properties"]["spec"]["properties"]["redis"]
    return found


def is_refused(space: Namespace) -> bool:
    """Whether the server refuses an instance that breaks a rule of its store (in a dry run)."""
    body = {
        "apiVersion": "kato.dev/v1alpha1",
        "kind": "KatoInstance",
        "metadata": {"name": "probe"},
        "spec": {"redis": {"mode": "External"}},
    }
    path, query = space.path("KatoInstance"), {"dryRun": "All"}
    return space.client.post(path, json=body, params=query).status_code == 422


def test_a_recreated_instance_adopts_its_credentials(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    kept = ("prod-credentials", "prod-mongodb-keyfile")
    before = [(space.get("Secret", name) or {})["data"] for name in kept]
    space.delete("KatoInstance", "prod")
    # A pass that began before the deletion may still create a child.
    until(lambda: space.collect_garbage(ready["metadata"]["uid"]), "no child left")
    assert space.get("Deployment", "prod") is None
    space.create("KatoInstance", "prod")
    space.await_ready()
    assert [(space.get("Secret", name) or {})["data"] for name in kept] == before


def test_an_instance_that_is_recreated_at_once_takes_over_the_children(
    space: Namespace, ready: Manifest
) -> None:
    space.delete("KatoInstance", "prod")
    uid = space.create("KatoInstance", "prod")["metadata"]["uid"]

    def taken_over() -> bool:
        owned = (child["metadata"].get("ownerReferences") for child in space.children().values())
        return all(owners[0]["uid"] == uid for owners in owned if owners)

    until(taken_over, "every child having the new owner")
    space.await_ready()


def test_the_policy_delete_deletes_credentials_with_the_instance(
    space: Namespace, ready: Manifest
) -> None:
    space.patch("KatoInstance", "prod", {"spec": {"deletionPolicy": "Delete"}})

    def owners() -> list[Manifest]:
        secret = space.get("Secret", "prod-credentials") or {}
        found: list[Manifest] = secret["metadata"].get("ownerReferences", [])
        return found

    assert until(owners, "an owner")[0]["uid"] == ready["metadata"]["uid"]
    space.patch("KatoInstance", "prod", {"spec": {"deletionPolicy": "Retain"}})
    until(lambda: not owners(), "no owner")


def test_lost_credentials_are_rebuilt_from_the_applied_copy(
    space: Namespace, ready: Manifest
) -> None:
    claim(space, "data-prod-redis-0", "redis")
    before = space.get("Secret", "prod-credentials") or {}
    space.delete("Secret", "prod-credentials")
    again = until(lambda: space.get("Secret", "prod-credentials"), "the rebuilt Secret")
    assert again["data"] == before["data"]


def test_lost_credentials_that_data_needs_are_never_replaced(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    operator.kill9()
    claim(space, "data-prod-redis-0", "redis")
    space.delete("Secret", "prod-credentials")
    space.delete("Secret", "prod-connections")
    operator.start()
    said = space.await_condition("CredentialsReady", "False", "CredentialsLost")
    assert said["message"] == (
        "Secret 'prod-credentials' is missing, but volumes need its values;"
        " restore it, or delete the volumes to start over"
    )
    assert space.get("Secret", "prod-credentials") is None
