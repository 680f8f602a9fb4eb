"""Retained credentials on a real API server: when they are adopted, and how they are labelled."""

import base64

import pytest
from apiserver import INSTANCE, Manifest, Namespace, OperatorProcess, claim, until

pytestmark = pytest.mark.apiserver

RETAINED = "kato.dev/retained"
KEYS = (
    *("redis-password", "mongodb-operator-password", "mongodb-service-password"),
    *("qdrant-api-key", "service-api-key"),
)


def kept(space: Namespace, **values: str) -> Manifest:
    """Credentials as an earlier instance has left them."""
    labels = {"app.kubernetes.io/managed-by": "kato-operator", INSTANCE: "prod"}
    return space.create(
        "Secret",
        "prod-credentials",
        metadata={"name": "prod-credentials", "labels": labels},
        type="kato.dev/credentials",
        stringData={**dict.fromkeys(KEYS, "kept-value"), **values},
    )


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("two words", id="a blank"),
        pytest.param("one\nuser default on nopass", id="another line"),
        pytest.param("sécret", id="not ASCII"),
    ],
)
def test_an_unusable_value_is_named_and_not_repeated(
    space: Namespace, operator: OperatorProcess, value: str
) -> None:
    before = kept(space, **{"redis-password": value})
    space.create("KatoInstance", "prod")
    said = space.await_condition("CredentialsReady", "False", "CredentialsInvalid")["message"]
    assert "redis-password" in said
    assert value not in said
    assert space.get("Secret", "prod-credentials") == before
    assert space.get("StatefulSet", "prod-redis") is None


def test_a_missing_value_is_named(space: Namespace, operator: OperatorProcess) -> None:
    kept(space, **{"qdrant-api-key": ""})
    space.create("KatoInstance", "prod")
    said = space.await_condition("CredentialsReady", "False", "CredentialsInvalid")["message"]
    assert said == "Secret 'prod-credentials' has no value for qdrant-api-key; add it"


def test_volumes_of_another_store_do_not_make_a_keyfile_count_as_lost(
    space: Namespace, operator: OperatorProcess
) -> None:
    kept(space)
    claim(space, "data-prod-redis-0", "redis")
    space.create("KatoInstance", "prod")
    space.await_ready()
    connections = space.get("Secret", "prod-connections") or {}
    assert base64.b64decode(connections["data"]["redis-password"]) == b"kept-value"


def test_retained_objects_are_labelled_as_long_as_they_are_retained(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    def labels() -> Manifest:
        found: Manifest = (space.get("Secret", "prod-credentials") or {})["metadata"]["labels"]
        return found

    assert labels()[RETAINED] == "true"
    space.patch("KatoInstance", "prod", {"spec": {"deletionPolicy": "Delete"}})
    until(lambda: RETAINED not in labels(), "no such label")
    space.patch("KatoInstance", "prod", {"spec": {"deletionPolicy": "Retain"}})
    until(lambda: RETAINED in labels(), "the label again")
