"""The operator on a real API server: a changed credential is carried out in the right order."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from apiserver import Manifest, Namespace, OperatorProcess

from support.waiting import until

pytestmark = pytest.mark.apiserver

CREDENTIALS, CONNECTIONS = "prod-credentials", "prod-connections"


def values(space: Namespace, name: str = CONNECTIONS) -> dict[str, str]:
    data = (space.get("Secret", name) or {})["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def change(space: Namespace, **wished: str) -> None:
    named = {name.replace("_", "-"): value for name, value in wished.items()}
    space.patch("Secret", CREDENTIALS, {"stringData": named})


def template(space: Namespace, kind: str = "Deployment", name: str = "prod") -> Manifest:
    found: Manifest = (space.get(kind, name) or {})["spec"]["template"]
    return found


def roll_out(space: Namespace, kind: str, name: str, look: Callable[[], object], what: str) -> None:
    """Report that the newest template of this workload alone is rolled out, until *look* is so."""

    def looked() -> object:
        generation = (space.get(kind, name) or {})["metadata"]["generation"]
        space.patch(kind, name, {"status": {"observedGeneration": generation}}, "status")
        return look()

    until(looked, what)


def holds(space: Namespace, key: str, value: str | None) -> bool:
    return values(space).get(key) == value


def test_redis_accepts_both_passwords_until_no_pod_uses_the_first(
    space: Namespace, ready: Manifest
) -> None:
    before, first = values(space)["redis-password"], template(space)
    redis = template(space, "StatefulSet", "prod-redis")
    change(space, redis_password="new")
    until(lambda: ":new@" in values(space)["REDIS_URL"], "the new password in use")
    assert values(space)["redis-users.conf"].endswith(f"+@all >new >{before}\n")
    until(lambda: template(space) != first, "a new template of the service")
    space.await_condition("CredentialsReady", "False", "CredentialsRotating")
    said = (
        "redis-password: waiting until all pods of the service use the new value"
        " (its controller has not seen the new template yet)"
    )
    until(lambda: space.condition("CredentialsReady")["message"] == said, said)
    assert space.status()["phase"] == "Progressing"
    assert holds(space, "redis-password.other", before)
    roll_out(
        space,
        "Deployment",
        "prod",
        lambda: values(space)["redis-users.conf"].endswith("+@all >new\n"),
        "one password",
    )
    assert holds(space, "redis-password.other", None)
    assert template(space, "StatefulSet", "prod-redis") == redis, "Redis need not restart"
    space.await_ready()
    space.await_condition("CredentialsReady", "True", "CredentialsPresent")


def test_a_second_user_of_mongodb_takes_over(space: Namespace, ready: Manifest) -> None:
    before = values(space)["mongodb-service-password"]
    mongodb = template(space, "StatefulSet", "prod-mongodb")

    def users() -> Any:
        return json.loads(values(space)["mongodb-users.json"])["service"]

    change(space, mongodb_service_password="new")
    until(lambda: "kato-service-2:new@" in values(space)["MONGO_BASE_URL"], "the other user")
    assert users() == {"kato-service": before, "kato-service-2": "new"}
    roll_out(
        space,
        "Deployment",
        "prod",
        lambda: users() == {"kato-service-2": "new"},
        "only the second user",
    )
    space.await_ready()
    change(space, mongodb_service_password="newer")
    until(lambda: "kato-service:newer@" in values(space)["MONGO_BASE_URL"], "the first user again")
    assert template(space, "StatefulSet", "prod-mongodb") == mongodb, "MongoDB need not restart"


def test_the_agent_gets_the_operators_password_of_before(space: Namespace, ready: Manifest) -> None:
    before = values(space)["mongodb-operator-password"]
    service = template(space)
    change(space, mongodb_operator_password="new")

    def known() -> Any:
        return json.loads(values(space)["mongodb-users.json"])["operator"]

    until(lambda: known() == ["new", before], "both passwords")
    assert template(space) == service
    space.await_ready()


def test_qdrant_knows_both_keys_before_the_service_uses_the_new_one(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    before, service = values(space)["qdrant-api-key"], template(space)

    def variables() -> dict[str, str]:
        (container,) = template(space, "StatefulSet", "prod-qdrant")["spec"]["containers"]
        refs = (
            (it["name"], it.get("valueFrom", {}).get("secretKeyRef")) for it in container["env"]
        )
        return {name: ref["key"] for name, ref in refs if ref}

    change(space, qdrant_api_key="new")
    keys = {
        "QDRANT__SERVICE__API_KEY": "qdrant-api-key",
        "QDRANT__SERVICE__ALT_API_KEY": "qdrant-api-key.other",
    }
    until(lambda: variables() == keys, "both keys")
    operator.await_nudged(space)
    assert holds(space, "qdrant-api-key", before)
    assert template(space) == service, "the service waits for Qdrant"
    roll_out(
        space,
        "StatefulSet",
        "prod-qdrant",
        lambda: values(space)["QDRANT_API_KEY"] == "new",
        "the new key in use",
    )
    until(lambda: template(space) != service, "a new template of the service")
    assert variables() == keys, "no restart of Qdrant in between"
    roll_out(
        space,
        "Deployment",
        "prod",
        lambda: variables() == {"QDRANT__SERVICE__API_KEY": "qdrant-api-key"},
        "one key",
    )
    assert holds(space, "qdrant-api-key.other", None)
    space.await_ready()


def test_a_value_is_taken_back_in_the_middle(space: Namespace, ready: Manifest) -> None:
    before, first = values(space)["redis-password"], template(space)
    change(space, redis_password="wrong")
    until(lambda: template(space) != first, "a new template of the service")
    change(space, redis_password=before)
    until(lambda: template(space) == first, "the template of before")
    roll_out(
        space,
        "Deployment",
        "prod",
        lambda: holds(space, "redis-password.other", None),
        "one password",
    )
    assert holds(space, "redis-password", before)
    space.await_ready()


def test_a_killed_operator_continues_at_any_step(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    before = values(space)["redis-password"]
    operator.kill9()
    change(space, redis_password="new", mongodb_service_password="new", qdrant_api_key="new")
    operator.start()
    for name in ("redis-password", "mongodb-service-password", "qdrant-api-key"):
        until(lambda name=name: f"{name}.other" in values(space), f"{name} begins")
    operator.kill9()
    operator.start()

    def uses_the_key() -> bool:
        return holds(space, "qdrant-api-key", "new")

    roll_out(space, "StatefulSet", "prod-qdrant", uses_the_key, "the new key in use")
    operator.kill9()
    assert holds(space, "redis-password.other", before)
    operator.start()

    def is_over() -> bool:
        space.bring_up()
        return not [it for it in values(space) if it.endswith(".other")]

    until(is_over, "one value each")
    assert {values(space)[it] for it in ("redis-password", "qdrant-api-key")} == {"new"}
    space.await_ready()


def test_a_rollout_that_cannot_end_says_how_to_go_back(space: Namespace, ready: Manifest) -> None:
    before, first = values(space)["redis-password"], template(space)
    change(space, redis_password="new")
    until(lambda: template(space) != first, "a new template of the service")
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    generation = (space.get("Deployment", "prod") or {})["metadata"]["generation"]
    counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas"), 1)
    status = {"observedGeneration": generation, "updatedReplicas": 0, **counts}
    space.patch("Deployment", "prod", {"status": {**status, "conditions": [refused]}}, "status")
    said = space.await_condition("CredentialsReady", "False", "RotationStuck")["message"]
    assert "exceeded quota: q" in said
    assert said.endswith(
        "to go back, set redis-password in Secret 'prod-credentials'"
        " to redis-password.other of 'prod-connections'"
    )
    change(space, redis_password=before)
    until(lambda: template(space) == first, "the template of before")
    space.patch("Deployment", "prod", {"status": {"conditions": []}}, "status")
    space.await_ready()


def test_a_paused_instance_rotates_when_it_may(space: Namespace, ready: Manifest) -> None:
    before = values(space)
    space.patch("KatoInstance", "prod", {"spec": {"paused": True}})
    change(space, redis_password="new")
    said = space.await_condition("CredentialsReady", "False", "Paused")["message"]
    assert said.endswith("(redis-password)")
    assert values(space) == before
    space.patch("KatoInstance", "prod", {"spec": {"paused": False}})
    space.await_ready()
    until(lambda: values(space)["redis-users.conf"].endswith("+@all >new\n"), "one password")


def test_several_api_keys_are_given_to_the_service_at_once(
    space: Namespace, ready: Manifest
) -> None:
    space.patch("KatoInstance", "prod", {"spec": {"service": {"auth": {"mode": "ApiKey"}}}})
    space.await_ready()
    service = template(space)
    change(space, service_api_key="new\nold\n")
    until(lambda: values(space)["api-key-lines"] == "new\nold\n", "both keys")
    assert holds(space, "API_KEY", "new")
    assert template(space) == service
    space.await_ready()
