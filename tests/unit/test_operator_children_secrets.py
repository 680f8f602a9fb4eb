"""Credentials: what is generated, which objects hold it, and when it is deleted."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from kato_operator import children, names
from kato_operator.children import Facts
from kato_operator.crd.instance import KatoInstance, parse
from kato_operator.reconcile import rollout

Manifest = dict[str, Any]

EMBEDDED = {name: {"mode": "Embedded"} for name in ("redis", "mongodb", "qdrant")}
SOURCE = {"name": "theirs", "key": "url"}
EXTERNAL = {
    "redis": {"mode": "External", "external": {"urlSecretRef": SOURCE}},
    "mongodb": {
        "mode": "External",
        "external": {"urlSecretRef": SOURCE, "caSecretRef": SOURCE},
    },
    "qdrant": {
        "mode": "External",
        "external": {"url": "https://q.example:6333", "apiKeySecretRef": SOURCE},
    },
    "service": {"auth": {"mode": "ApiKey", "apiKeySecretRef": SOURCE}},
}
REFERRED = {
    "redis-url": "rediss://:external-secret-1@redis.example:6380/3",
    "mongodb-url": "mongodb://u:external-secret-2@mongo.example/?replicaSet=x",
    "mongodb-ca": "external-secret-3",
    "qdrant-api-key": "external-secret-4",
    "service-api-key": "external-secret-5",
}


def parsed(spec: dict[str, Any]) -> KatoInstance:
    meta = {"name": "prod", "namespace": "kato", "uid": "the-uid"}
    return parse({"metadata": meta, "spec": spec})


def counted() -> Callable[[], str]:
    """Tokens that differ and can be found in manifests."""
    numbers = iter(range(100))
    return lambda: f"generated_secret-{next(numbers)}"


def generated(spec: dict[str, Any]) -> dict[str, Manifest]:
    found = children.generated_secrets(parsed(spec), token=counted())
    return {item["metadata"]["name"]: item for item in found}


def values(spec: dict[str, Any]) -> dict[str, str]:
    return {k: v for item in generated(spec).values() for k, v in item["stringData"].items()}


def made(spec: dict[str, Any], external: dict[str, str] | None = None) -> list[Manifest]:
    facts = Facts({}, values(spec), external or {}, "1.2.3")
    return list(children.desired(parsed(spec), facts))


def found(items: list[Manifest], kind: str, name: str) -> Manifest:
    (item,) = [it for it in items if (it["kind"], it["metadata"]["name"]) == (kind, name)]
    return item


def test_credentials_differ_and_fit_a_url() -> None:
    secrets = generated({})
    assert secrets.keys() == {"prod-credentials", "prod-mongodb-keyfile"}
    credentials = secrets["prod-credentials"]["stringData"]
    assert credentials.keys() == {
        *("redis-password", "mongodb-operator-password", "mongodb-service-password"),
        *("qdrant-api-key", "service-api-key"),
    }
    assert len(set(credentials.values())) == len(credentials)
    assert {item["type"] for item in secrets.values()} == {"kato.dev/credentials"}


def test_the_keyfile_is_long_immutable_and_acceptable_to_mongodb() -> None:
    keyfile = generated({})["prod-mongodb-keyfile"]
    assert keyfile["immutable"]
    assert re.fullmatch(r"[A-Za-z0-9+/]{6,1024}", keyfile["stringData"]["keyfile"])


@pytest.mark.parametrize("spec", [EMBEDDED, EXTERNAL], ids=["embedded", "external"])
def test_only_a_managed_mongodb_has_a_keyfile(spec: dict[str, Any]) -> None:
    assert generated(spec).keys() == {"prod-credentials"}


def test_credentials_outlive_the_instance_unless_the_policy_says_delete() -> None:
    for secret in generated({}).values():
        assert "ownerReferences" not in secret["metadata"]
        assert secret["metadata"]["labels"][names.RETAINED_LABEL] == "true"
    for secret in generated({"deletionPolicy": "Delete"}).values():
        assert secret["metadata"]["ownerReferences"][0]["uid"] == "the-uid"
        assert names.RETAINED_LABEL not in secret["metadata"]["labels"]


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_volumes_survive_hibernation_and_then_follow_the_policy(policy: str) -> None:
    for item in made({"deletionPolicy": policy}):
        if item["kind"] == "StatefulSet":
            assert item["spec"]["persistentVolumeClaimRetentionPolicy"] == {
                "whenScaled": "Retain",
                "whenDeleted": policy,
            }
    claim = found(
        made({"deletionPolicy": policy, **EMBEDDED}), "PersistentVolumeClaim", "prod-data"
    )
    assert ("ownerReferences" in claim["metadata"]) == (policy == "Delete")


@pytest.mark.parametrize(
    ("spec", "external"),
    [
        pytest.param({"service": {"auth": {"mode": "ApiKey"}}}, {}, id="managed"),
        pytest.param(EXTERNAL, REFERRED, id="external"),
    ],
)
def test_secret_values_are_only_in_secrets(spec: dict[str, Any], external: dict[str, str]) -> None:
    for item in made(spec, external):
        if item["kind"] != "Secret":
            text = json.dumps(item)
            assert not [it for it in (*values(spec).values(), *external.values()) if it in text]


def test_the_connections_hold_a_copy_of_all_credentials() -> None:
    copy = found(made({}), "Secret", "prod-connections")["stringData"]
    assert values({}).items() <= copy.items()


def test_managed_stores_are_reached_by_urls_with_their_own_passwords() -> None:
    copy = found(made({}), "Secret", "prod-connections")["stringData"]
    known = values({})
    assert copy["REDIS_URL"] == f"redis://:{known['redis-password']}@prod-redis.kato.svc:6379/0"
    assert copy["MONGO_BASE_URL"] == (
        f"mongodb://kato-service:{known['mongodb-service-password']}"
        "@prod-mongodb-0.prod-mongodb-peers.kato.svc:27017/?authSource=admin&directConnection=true"
    )
    assert copy["QDRANT_URL"] == "http://prod-qdrant.kato.svc:6333"
    assert copy["QDRANT_API_KEY"] == known["qdrant-api-key"]
    assert copy["redis-users.conf"] == (
        "user health on nopass -@all +ping\n"
        f"user default on ~* &* +@all >{known['redis-password']}\n"
    )
    assert json.loads(copy["mongodb-users.json"]) == {
        "operator": [known["mongodb-operator-password"]],
        "service": {"kato-service": known["mongodb-service-password"]},
    }
    assert "API_KEY" not in copy


def test_the_url_of_three_members_names_each_and_their_set() -> None:
    spec = {"mongodb": {"managed": {"members": 3}}}
    url = found(made(spec), "Secret", "prod-connections")["stringData"]["MONGO_BASE_URL"]
    hosts = [f"prod-mongodb-{it}.prod-mongodb-peers.kato.svc:27017" for it in range(3)]
    assert url.partition("@")[2] == ",".join(hosts) + "/?authSource=admin&replicaSet=rs0"


def test_external_stores_are_reached_by_their_own_urls() -> None:
    copy = found(made(EXTERNAL, REFERRED), "Secret", "prod-connections")["stringData"]
    assert copy["REDIS_URL"] == REFERRED["redis-url"]
    assert copy["QDRANT_URL"] == "https://q.example:6333"
    assert copy["QDRANT_API_KEY"] == "external-secret-4"
    assert copy["API_KEY"] == "external-secret-5"
    assert copy["mongodb-ca"] == "external-secret-3"
    assert copy["service-api-key"] == values(EXTERNAL)["service-api-key"]
    assert "redis-users.conf" not in copy


def test_the_url_of_an_external_mongodb_keeps_the_options_of_the_user() -> None:
    source = {"urlSecretRef": SOURCE}
    spec = {"mongodb": {"mode": "External", "external": source}}
    given = "mongodb://u:p@h/?maxPoolSize=7&waitQueueTimeoutMS=100&retryWrites=false"
    copy = found(made(spec, {"mongodb-url": given}), "Secret", "prod-connections")["stringData"]
    assert copy["MONGO_BASE_URL"] == given


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("mongodb://h", "mongodb://h/?{}"),
        ("mongodb://h/", "mongodb://h/?{}"),
        ("mongodb://h/db", "mongodb://h/db?{}"),
        ("mongodb+srv://u:p@h/?a=b", "mongodb+srv://u:p@h/?a=b&{}"),
        ("mongodb://h/?", "mongodb://h/?{}"),
    ],
)
def test_the_certificate_of_an_external_mongodb_is_added_to_its_url(given: str, used: str) -> None:
    items = made(EXTERNAL, {**REFERRED, "mongodb-url": given})
    url = found(items, "Secret", "prod-connections")["stringData"]["MONGO_BASE_URL"]
    assert url == used.format("tls=true&tlsCAFile=/etc/kato/mongodb/ca.crt")
    pod = found(items, "Deployment", "prod")["spec"]["template"]["spec"]
    (mount,) = [it for it in pod["containers"][0]["volumeMounts"] if it["name"] == "mongodb-ca"]
    (volume,) = [it["secret"] for it in pod["volumes"] if it["name"] == "mongodb-ca"]
    assert volume["items"] == [{"key": "mongodb-ca", "path": "ca.crt"}]
    assert mount["mountPath"] == "/etc/kato/mongodb"


@pytest.mark.parametrize(
    ("change", "rolled"),
    [
        pytest.param({"redis-password": "another"}, {"prod"}, id="redis"),
        pytest.param({"mongodb-service-password": "another"}, {"prod"}, id="mongodb"),
        pytest.param({"qdrant-api-key": "another"}, {"prod", "prod-qdrant"}, id="qdrant"),
        pytest.param({"service-api-key": "another"}, set(), id="a key that nobody uses"),
    ],
)
def test_a_changed_credential_restarts_the_pods_that_read_it(
    change: dict[str, str], rolled: set[str]
) -> None:
    instance, known = parsed({}), values({})
    one, other = (
        templates(children.desired(instance, Facts({}, credentials, {}, "1")))
        for credentials in (known, {**known, **change})
    )
    assert {name for name in one if one[name] != other[name]} == rolled


def templates(items: tuple[Manifest, ...]) -> dict[str, Manifest]:
    return {
        item["metadata"]["name"]: item["spec"]["template"]
        for item in items
        if item["kind"] in rollout.WORKLOADS
    }
