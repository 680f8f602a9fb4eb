"""The environment that the operator sets is one that the service's settings accept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kato_operator import children, names
from kato_operator.children import Facts
from kato_operator.crd.instance import parse
from kato_service.access.opening import access_control
from kato_service.settings.settings import Settings, read_settings

Manifest = dict[str, Any]
Started = Callable[[dict[str, Any]], Settings]

EMBEDDED = {name: {"mode": "Embedded"} for name in ("redis", "mongodb", "qdrant")}
SOURCE = {"name": "theirs", "key": "x"}
EXTERNAL = {
    "redis": {"mode": "External", "external": {"urlSecretRef": SOURCE}},
    "mongodb": {"mode": "External", "external": {"urlSecretRef": SOURCE}},
    "qdrant": {"mode": "External", "external": {"url": "http://q.example:6333"}},
}
NAMED_KEYS = '{"name": "a", "sha256": "' + 64 * "0" + '", "scopes": ["read"]}'
REFERRED = {"redis-url": "rediss://u:p@r.example/0", "mongodb-url": "mongodb+srv://m.example"}
PAIR = dict.fromkeys(("tls.crt", "tls.key"), "a certificate or its key")
ALTERNATIVES = {"API_KEY", "SORT", "QDRANT_HOST", "QDRANT_PORT", "QDRANT_GRPC_PORT"}
"""Variables that users cannot set, because they are alternatives to one that the operator sets."""


def items(spec: dict[str, Any]) -> dict[tuple[str, str], Manifest]:
    meta = {"name": "prod", "namespace": "kato", "uid": "u"}
    instance = parse({"metadata": meta, "spec": spec})
    secrets = children.generated_secrets(instance, token=lambda: "se_cret-value")
    known = {name: value for item in secrets for name, value in item["stringData"].items()}
    made = children.desired(instance, Facts({}, known, REFERRED, "1.2.3"))
    return {(item["kind"], item["metadata"]["name"]): item for item in made}


def environment(spec: dict[str, Any], root: Path) -> dict[str, str]:
    """The variables of the service's container as the kubelet sets them; files are below *root*."""
    made = items(spec)
    pod = made["Deployment", "prod"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        found |= made["ConfigMap", source["configMapRef"]["name"]]["data"]
    for item in container["env"]:
        key = item.get("valueFrom", {}).get("secretKeyRef")
        secret = made["Secret", key["name"]]["stringData"] if key else {}
        found[item["name"]] = secret[key["key"]] if key else item["value"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    theirs = {"stringData": {"x": NAMED_KEYS, **PAIR}}
    for volume in (it for it in pod["volumes"] if "secret" in it):
        secret = made.get(("Secret", volume["secret"]["secretName"]), theirs)["stringData"]
        for file in volume["secret"]["items"]:
            path = root / mounts[volume["name"]].lstrip("/") / file["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(secret[file["key"]])
    return {
        name: str(root / value.lstrip("/")) if name.endswith("_FILE") else value
        for name, value in found.items()
    }


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    """Gives the settings with which the service starts for a spec."""

    def start(spec: dict[str, Any]) -> Settings:
        for name, value in environment(spec, tmp_path).items():
            monkeypatch.setenv(name, value)
        return read_settings()

    return start


@pytest.mark.parametrize(
    ("spec", "stores"),
    [
        pytest.param({}, ("redis", "mongodb", "qdrant"), id="managed"),
        pytest.param(EXTERNAL, ("redis", "mongodb", "qdrant"), id="external"),
        pytest.param(EMBEDDED, ("embedded",) * 3, id="embedded"),
        pytest.param(
            {"qdrant": {"mode": "Disabled"}}, ("redis", "mongodb", "disabled"), id="disabled"
        ),
        pytest.param(
            {"mongodb": {"managed": {"members": 3}}}, ("redis", "mongodb", "qdrant"), id="members"
        ),
    ],
)
def test_the_service_starts_on_the_stores_of_the_spec(
    started: Started, spec: dict[str, Any], stores: tuple[str, ...]
) -> None:
    settings = started(spec)
    assert (settings.sessions_in, settings.knowledge_in, settings.vectors_in) == stores
    assert (settings.processor_id, settings.port, settings.host) == ("kato.prod", 8000, "0.0.0.0")


@pytest.mark.parametrize("chosen", [False, True])
def test_a_spec_may_ask_for_metrics_as_json(started: Started, chosen: bool) -> None:
    assert started({"service": {"legacyMetricsJson": chosen}}).metrics_json is chosen


@pytest.mark.parametrize("chosen", [False, True])
def test_a_spec_may_do_without_the_console(started: Started, chosen: bool) -> None:
    assert started({"service": {"console": chosen}}).enable_console is chosen


@pytest.mark.parametrize("variable", ["METRICS_JSON", "ENABLE_CONSOLE"])
def test_instances_that_do_not_ask_for_it_keep_their_pods(tmp_path: Path, variable: str) -> None:
    assert variable not in environment({}, tmp_path)


def test_every_limit_and_pool_of_a_spec_reaches_the_service(started: Started) -> None:
    settings = started(
        {
            "service": {"workers": 2, "port": 9000},
            "connectionPools": {
                "mongodb": {
                    "minSize": 1,
                    "maxSize": 7,
                    "maxIdleSeconds": 8,
                    "waitQueueTimeoutSeconds": 9,
                    "serverSelectionTimeoutSeconds": 11,
                },
                "redis": {"maxConnections": 12, "socketTimeoutSeconds": 13},
                "qdrant": {"poolSize": 14, "timeoutSeconds": 15, "preferGrpc": True},
            },
            "healthChecks": {"intervalSeconds": 16, "timeoutSeconds": 17, "failureThreshold": 18},
            "sessions": {
                "ttlSeconds": 19,
                "autoExtend": True,
                "maxSessions": 20,
                "maxSessionsPerUser": 21,
                "maxStmEvents": 22,
            },
        }
    )
    assert (settings.workers, settings.port) == (2, 9000)
    assert (settings.mongo_pool_min_size, settings.mongo_pool_size) == (1, 7)
    assert (settings.mongo_max_idle_s, settings.mongo_wait_queue_timeout_s) == (8, 9)
    assert settings.mongo_server_selection_timeout_s == 11
    assert (settings.redis_pool_size, settings.redis_socket_timeout_s) == (12, 13)
    assert (settings.qdrant_pool_size, settings.qdrant_timeout_s) == (14, 15)
    assert settings.qdrant_prefer_grpc
    assert (settings.health_check_interval_s, settings.health_check_timeout_s) == (16, 17)
    assert settings.health_check_failures == 18
    assert (settings.session_ttl_s, settings.session_auto_extend) == (19, True)
    assert (settings.max_sessions, settings.max_sessions_per_user) == (20, 21)
    assert settings.max_stm_events == 22


@pytest.mark.parametrize("mode", ["KeepLast", "Clear", "Rolling"])
def test_the_processor_has_the_defaults_of_the_spec(started: Started, mode: str) -> None:
    settings = started(
        {
            "processor": {
                "recallThreshold": "0.25",
                "maxPredictions": 7,
                "persistence": 8,
                "maxPatternLength": 9,
                "stmMode": mode,
                "sortSymbols": False,
                "vectorNeighbors": 4,
                "vectorMinScore": "-0.5",
            }
        }
    )
    genes = settings.genes
    assert (genes.recall_threshold, genes.max_predictions, genes.persistence) == (0.25, 7, 8)
    assert (genes.max_pattern_length, genes.sort_symbols) == (9, False)
    assert genes.stm_mode.replace("_", "").lower() == mode.lower()
    assert (genes.vector_neighbors, genes.vector_min_score) == (4, -0.5)


def test_an_api_key_is_read_from_its_file(started: Started) -> None:
    key = started({"service": {"auth": {"mode": "ApiKey"}}}).api_key
    assert key is not None
    assert key.get_secret_value() == "se_cret-value"


TOKENS = {
    "auth": {
        "mode": "Token",
        "apiKeysSecretRef": SOURCE,
        "token": {
            "source": "Cluster",
            "audiences": ["kato", "https://kato.example"],
            "userClaim": "email",
            "scopeClaim": "roles",
            "scopes": ["read", "metrics"],
            "adminSubjects": ["system:serviceaccount:ops:admin"],
        },
    },
    "rateLimit": {"requestsPerSecond": 50, "burst": 7, "by": "Address"},
    "expose": {"trustedProxies": ["10.0.0.0/8", "fd00::/8"]},
}


def test_tokens_and_rates_of_a_spec_are_the_services_own(started: Started) -> None:
    settings = started({"service": TOKENS})
    assert settings.auth == "token"
    assert settings.token_issuer is None
    assert str(settings.token_jwks_bearer_file).endswith("/etc/kato/cluster/token")
    assert settings.token_jwks_url == "https://kubernetes.default.svc/openid/v1/jwks"
    assert settings.token_audience == ("kato", "https://kato.example")
    assert (settings.token_user_claim, settings.token_scope_claim) == ("email", "roles")
    assert settings.token_scopes == ("read", "metrics")
    assert settings.token_admin_subjects == ("system:serviceaccount:ops:admin",)
    assert (settings.rate_limit_per_s, settings.rate_limit_burst) == (50, 7)
    assert settings.rate_limit_by == "address"
    assert settings.trusted_proxies == ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("auth", "mode"),
    [
        ({}, "none"),
        ({"mode": "ApiKey"}, "api_key"),
        ({"mode": "ApiKey", "apiKeysSecretRef": SOURCE}, "api_key"),
        ({"mode": "Token", "token": {"issuer": "https://login.example"}}, "token"),
    ],
)
def test_the_service_lets_in_whom_the_spec_names(
    started: Started, auth: dict[str, Any], mode: str
) -> None:
    settings = started({"service": {"auth": auth}})
    access = access_control(settings)
    named = "apiKeysSecretRef" in auth
    assert access.mode == mode
    assert len(access.keys) == (1 if mode == "api_key" else 0)
    assert (settings.api_keys_file is not None) == named
    assert (settings.api_key is not None) == (mode == "api_key" and not named)


def test_operator_and_service_have_the_same_defaults(started: Started) -> None:
    by_operator = started({}).model_dump()
    default = {name: field.default for name, field in Settings.model_fields.items()}
    given = {"processor_id", "data_dir", "session_store", "knowledge_store", "vector_store"}
    given |= {"vectors", "redis_url", "mongo_base_url", "qdrant_url", "qdrant_api_key"}
    given |= {"knowledge_memory_bytes", "auth_mode"}
    differing = {name for name in default if by_operator[name] != default[name]}
    assert differing <= given


def test_the_service_reads_every_variable_of_the_operator_and_users_cannot_set_them(
    tmp_path: Path,
) -> None:
    known = {
        str(choice)
        for field in Settings.model_fields.values()
        for choice in getattr(field.validation_alias, "choices", [field.validation_alias])
    }
    issuer = {"mode": "Token", "token": {"issuer": "https://login.example"}}
    more = {"tls": {"secretName": "theirs"}, "legacyMetricsJson": True, "console": False}
    services = ({}, {"auth": {"mode": "ApiKey"}}, TOKENS, {"auth": issuer}, more)
    specs = [{"service": service} for service in services]
    found = {name for spec in specs for name in environment(spec, tmp_path)}
    assert found <= known
    assert found | ALTERNATIVES == set(names.OWNED_VARIABLES)
