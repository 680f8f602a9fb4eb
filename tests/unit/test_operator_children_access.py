"""Who may call the service: keys as files, tokens, rate limits, and what Prometheus sends."""

from typing import Any

import pytest

from kato_operator import children, names
from kato_operator.children import Facts
from kato_operator.crd.instance import parse
from kato_operator.errors import InvalidInstanceError
from kato_operator.reconcile.references import references

Manifest = dict[str, Any]
NAMED = {"name": "mine", "key": "keys"}
ONE = {"name": "mine", "key": "key"}
OIDC = {"issuer": "https://login.example"}
CLUSTER = {"source": "Cluster"}


def made(
    auth: dict[str, Any], key: str = "generated-key", **spec: Any
) -> dict[tuple[str, str], Manifest]:
    meta = {"name": "prod", "namespace": "kato", "uid": "the-uid"}
    service = {"auth": auth, **spec.pop("service", {})}
    instance = parse({"metadata": meta, "spec": {"service": service, **spec}})
    secrets = children.generated_secrets(instance, token=lambda: key)
    known = {name: value for item in secrets for name, value in item["stringData"].items()}
    facts = Facts({}, known, {}, "1.2.3")
    return {(it["kind"], it["metadata"]["name"]): it for it in children.desired(instance, facts)}


def config(auth: dict[str, Any], **spec: Any) -> dict[str, str]:
    found: dict[str, str] = made(auth, **spec)["ConfigMap", "prod-config"]["data"]
    return found


def template(auth: dict[str, Any]) -> Manifest:
    found: Manifest = made(auth)["Deployment", "prod"]["spec"]["template"]
    return found


def volumes(auth: dict[str, Any]) -> dict[str, Manifest]:
    """Volumes about access by the folder that they are mounted on."""
    pod = template(auth)["spec"]
    mounted = {it["name"]: it["mountPath"] for it in pod["containers"][0]["volumeMounts"]}
    own = [it for it in pod["volumes"] if it["name"] not in ("tmp", "data")]
    assert all(it["readOnly"] for it in pod["containers"][0]["volumeMounts"] if "key" in it["name"])
    return {mounted[it["name"]]: it for it in own}


def items(volume: Manifest) -> tuple[str, list[Manifest]]:
    return volume["secret"]["secretName"], volume["secret"]["items"]


def test_without_authentication_the_service_is_told_so() -> None:
    found = config({})
    assert found["AUTH_MODE"] == "none"
    assert not [name for name in found if name.startswith(("API_KEY", "TOKEN_", "RATE_"))]
    assert volumes({}) == {}


def test_a_generated_api_key_comes_as_a_file() -> None:
    auth = {"mode": "ApiKey"}
    found = config(auth)
    assert found["AUTH_MODE"] == "api_key"
    assert found["API_KEY_FILE"] == "/etc/kato/service/api-key"
    assert items(volumes(auth)["/etc/kato/service"]) == (
        "prod-connections",
        [{"key": "api-key-lines", "path": "api-key"}],
    )
    assert made(auth)["Secret", "prod-connections"]["stringData"]["API_KEY"] == "generated-key"


def test_named_keys_come_from_the_users_own_secret_and_no_key_is_generated_beside_them() -> None:
    auth = {"mode": "ApiKey", "apiKeysSecretRef": NAMED}
    found = config(auth)
    assert found["API_KEYS_FILE"] == "/etc/kato/keys/keys.jsonl"
    assert "API_KEY_FILE" not in found
    assert "API_KEY" not in made(auth)["Secret", "prod-connections"]["stringData"]
    mounted = volumes(auth)
    assert items(mounted["/etc/kato/keys"]) == ("mine", [{"key": "keys", "path": "keys.jsonl"}])
    assert list(mounted) == ["/etc/kato/keys"]


def test_named_keys_and_the_one_key_can_be_used_together() -> None:
    auth = {"mode": "ApiKey", "apiKeysSecretRef": NAMED, "apiKeySecretRef": ONE}
    assert config(auth).keys() >= {"API_KEYS_FILE", "API_KEY_FILE"}
    assert list(volumes(auth)) == ["/etc/kato/service", "/etc/kato/keys"]


def test_a_new_key_restarts_no_pod() -> None:
    embedded = {name: {"mode": "Embedded"} for name in ("redis", "mongodb", "qdrant")}
    before, after = (
        made({"mode": "ApiKey"}, key, **embedded)["Deployment", "prod"]
        for key in ("key-one", "key-two")
    )
    assert before["spec"]["template"]["metadata"]["annotations"][names.CONFIG_HASH_ANNOTATION]
    assert before == after


def test_tokens_of_an_issuer_are_configured_by_plain_variables() -> None:
    token = {
        **OIDC,
        "audiences": ["kato", "other"],
        "jwksURL": "https://login.example/keys",
        "userClaim": "email",
        "scopeClaim": "roles",
        "adminSubjects": ["root"],
    }
    found = config({"mode": "Token", "token": token})
    assert {name: it for name, it in found.items() if name.startswith(("AUTH", "TOKEN"))} == {
        "AUTH_MODE": "token",
        "TOKEN_ISSUER": "https://login.example",
        "TOKEN_AUDIENCE": "kato,other",
        "TOKEN_JWKS_URL": "https://login.example/keys",
        "TOKEN_USER_CLAIM": "email",
        "TOKEN_SCOPE_CLAIM": "roles",
        "TOKEN_SCOPES": "read,write",
        "TOKEN_ADMIN_SUBJECTS": "root",
    }
    assert volumes({"mode": "Token", "token": token}) == {}


def test_an_issuer_with_a_certificate_of_its_own_is_trusted_by_it() -> None:
    auth = {"mode": "Token", "token": {**OIDC, "caSecretRef": {"name": "ca", "key": "tls.crt"}}}
    assert config(auth)["TOKEN_CA_FILE"] == "/etc/kato/issuer/ca.crt"
    mounted = volumes(auth)["/etc/kato/issuer"]
    assert items(mounted) == ("ca", [{"key": "tls.crt", "path": "ca.crt"}])


def test_tokens_of_the_cluster_are_checked_with_the_pods_own_token_and_nothing_else() -> None:
    auth = {"mode": "Token", "token": CLUSTER}
    found = config(auth)
    assert "TOKEN_ISSUER" not in found  # the pod's own token names it
    assert found["TOKEN_JWKS_URL"] == "https://kubernetes.default.svc/openid/v1/jwks"
    assert found["TOKEN_AUDIENCE"] == "kato"
    assert found["TOKEN_CA_FILE"] == "/etc/kato/cluster/ca.crt"
    assert found["TOKEN_JWKS_BEARER_FILE"] == "/etc/kato/cluster/token"
    sources = volumes(auth)["/etc/kato/cluster"]["projected"]["sources"]
    assert [next(iter(source)) for source in sources] == ["serviceAccountToken", "configMap"]
    assert template(auth)["spec"]["automountServiceAccountToken"] is False


def test_keys_are_accepted_next_to_tokens_only_if_the_spec_names_them() -> None:
    tokens = {"mode": "Token", "token": OIDC}
    assert "API_KEY_FILE" not in config(tokens)
    both = config({**tokens, "apiKeySecretRef": ONE, "apiKeysSecretRef": NAMED})
    assert both.keys() >= {"API_KEY_FILE", "API_KEYS_FILE", "TOKEN_ISSUER"}


@pytest.mark.parametrize(
    ("limit", "variables"),
    [
        ({"requestsPerSecond": 5}, {"RATE_LIMIT_PER_S": "5", "RATE_LIMIT_BY": "key"}),
        (
            {"requestsPerSecond": 5, "burst": 9, "by": "User"},
            {"RATE_LIMIT_PER_S": "5", "RATE_LIMIT_BURST": "9", "RATE_LIMIT_BY": "user"},
        ),
    ],
)
def test_a_rate_limit_is_the_services_own(limit: dict[str, Any], variables: dict[str, str]) -> None:
    found = config({}, service={"rateLimit": limit})
    assert {name: it for name, it in found.items() if name.startswith("RATE_")} == variables


def test_trusted_proxies_are_the_services_own() -> None:
    expose = {"trustedProxies": ["10.0.0.0/8", "fd00::1"]}
    assert config({}, service={"expose": expose})["TRUSTED_PROXIES"] == "10.0.0.0/8,fd00::1"


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        pytest.param({}, {}, id="no authentication"),
        pytest.param({"mode": "None", "apiKeysSecretRef": NAMED}, {}, id="unused references"),
        pytest.param({"mode": "ApiKey"}, {}, id="a generated key"),
        pytest.param(
            {"mode": "ApiKey", "apiKeysSecretRef": NAMED, "apiKeySecretRef": ONE},
            {"service-api-key": ONE, "service-api-keys": NAMED},
            id="keys",
        ),
        pytest.param(
            {"mode": "Token", "token": {**OIDC, "caSecretRef": ONE}}, {"token-ca": ONE}, id="tokens"
        ),
    ],
)
def test_what_the_spec_refers_to_is_missed_if_it_is_missing(
    auth: dict[str, Any], expected: dict[str, Any]
) -> None:
    meta = {"name": "prod", "namespace": "kato", "uid": "u"}
    found = references(parse({"metadata": meta, "spec": {"service": {"auth": auth}}}))
    assert {name: it.source.model_dump() for name, it in found.items()} == expected
    assert {it.component for it in found.values()} <= {names.SERVICE}


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"mode": "Token"}, "token is required with mode Token"),
        ({"mode": "Token", "token": {}}, "issuer is required with source Issuer"),
        ({"mode": "Token", "token": {"issuer": "http://login.example"}}, "issuer"),
        ({"mode": "Token", "token": {**OIDC, "audiences": []}}, "audiences"),
        ({"mode": "Token", "token": {**OIDC, "audiences": ["a,b"]}}, "audiences"),
        ({"mode": "Token", "token": {**OIDC, "scopes": ["root"]}}, "scopes"),
        ({"mode": "Basic"}, "mode"),
    ],
)
def test_a_spec_without_what_its_mode_needs_is_refused(auth: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInstanceError, match=words):
        made(auth)


def test_prometheus_sends_the_key_that_is_named_for_it_else_the_one_key() -> None:
    def authorization(auth: dict[str, Any], **monitoring: Any) -> Any:
        monitored = {"serviceMonitor": "Enabled", **monitoring}
        found = made(auth, monitoring=monitored)["ServiceMonitor", "prod"]
        return found["spec"]["endpoints"][0].get("authorization")

    assert authorization({}) is None
    assert authorization({"mode": "ApiKey", "apiKeysSecretRef": NAMED}) is None
    assert authorization({"mode": "ApiKey"}) == {
        "type": "Bearer",
        "credentials": {"name": "prod-connections", "key": "API_KEY"},
    }
    assert authorization({"mode": "ApiKey"}, keySecretRef=ONE) == {
        "type": "Bearer",
        "credentials": ONE,
    }
