"""How the managed stores start, and which changes restart them."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kato_operator import children
from kato_operator.children import Facts
from kato_operator.children.secrets import CREDENTIALS
from kato_operator.crd.instance import KatoInstance, parse
from kato_operator.reconcile import rollout
from kato_operator.status import budget

Manifest = dict[str, Any]


def parsed(spec: dict[str, Any]) -> KatoInstance:
    return parse({"metadata": {"name": "prod", "namespace": "kato", "uid": "u"}, "spec": spec})


def made(spec: dict[str, Any], recorded_set: str = "") -> dict[tuple[str, str], Manifest]:
    instance = parsed(spec)
    secrets = children.generated_secrets(instance, token=lambda: "secret-value")
    known = {name: value for item in secrets for name, value in item["stringData"].items()}
    facts = Facts({}, known, {}, "1.2.3", recorded_set)
    return {(it["kind"], it["metadata"]["name"]): it for it in children.desired(instance, facts)}


def redis_conf(managed: dict[str, Any]) -> list[str]:
    config = made({"redis": {"managed": managed}})["ConfigMap", "prod-redis"]
    return config["data"]["redis.conf"].splitlines()


def server(items: dict[tuple[str, str], Manifest], store: str) -> Manifest:
    template = items["StatefulSet", f"prod-{store}"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    found: Manifest = container
    return found


def template(spec: dict[str, Any], store: str, recorded_set: str = "") -> Manifest:
    found: Manifest = made(spec, recorded_set)["StatefulSet", f"prod-{store}"]["spec"]["template"]
    return found


def test_redis_persists_every_acknowledged_change_and_refuses_writes_above_its_limit() -> None:
    lines = redis_conf({"resources": {"limits": {"memory": "1000M"}, "requests": {}}})
    assert {
        *("dir /data", "appendonly yes", "appendfsync always"),
        *("maxmemory 400000000", "maxmemory-policy noeviction", "save 3600 1 300 100 60 10000"),
    } <= set(lines)
    assert "appendfsync everysec" in redis_conf({"appendFsync": "EverySec"})


@pytest.mark.parametrize(
    ("limit", "percent", "mebibytes"),
    [
        pytest.param("512Mi", None, 203, id="default"),
        pytest.param("512Mi", 20, 102, id="less is asked for"),
        pytest.param("512Mi", 90, 203, id="more than a rewrite leaves"),
        pytest.param("4Gi", None, 1638, id="large"),
        pytest.param("128Mi", None, 43, id="of the examples"),
        pytest.param("32Mi", None, 3, id="the smallest"),
    ],
)
def test_redis_keeps_memory_for_a_rewrite(limit: str, percent: int | None, mebibytes: int) -> None:
    managed: dict[str, Any] = {"resources": {"limits": {"memory": limit}, "requests": {}}}
    managed |= {} if percent is None else {"maxMemoryPercent": percent}
    (line,) = [line for line in redis_conf(managed) if line.startswith("maxmemory ")]
    assert int(line.split()[1]) // 2**20 == mebibytes


def test_options_of_the_spec_replace_ours_and_never_the_password() -> None:
    lines = redis_conf({"config": {"save": "60 1", "maxclients": "50"}})
    assert [line for line in lines if line.startswith("save")] == ["save 60 1"]
    assert "maxclients 50" in lines
    assert lines[-1] == "include /etc/kato/redis-auth/redis-users.conf"


def test_no_snapshots_are_written_as_redis_reads_it() -> None:
    assert 'save ""' in redis_conf({"config": {"save": ""}})


def test_redis_holds_a_lock_on_its_volume_and_gets_signals_itself() -> None:
    script = server(made({}), "redis")["command"][-1]
    assert script == (
        "exec 9>>/data/.lock && flock 9"
        " && file=/etc/kato/redis-auth/redis-users.conf"
        " && known=$(cat /etc/kato/redis-auth/redis-users.conf)"
        " && { (. /etc/kato/redis/follow.sh) 9>&- & }"
        " && exec redis-server /etc/kato/redis/redis.conf"
    )


def test_redis_is_ready_only_when_it_says_pong() -> None:
    container = server(made({}), "redis")
    commands = [container[f"{kind}Probe"]["exec"]["command"] for kind in ("startup", "readiness")]
    assert all(command[-1].endswith("= PONG") for command in commands)


def test_redis_is_alive_as_long_as_it_answers_anything(tmp_path: Path) -> None:
    command = server(made({}), "redis")["livenessProbe"]["exec"]["command"]
    client = tmp_path / "redis-cli"

    def is_alive(answer: str) -> bool:
        client.write_text(f"#!/bin/sh\n{answer}\n")
        client.chmod(0o755)
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(command, env=path, check=False, timeout=60).returncode == 0

    assert is_alive("echo MISCONF Redis is configured to save RDB snapshots")
    assert not is_alive("echo Could not connect >&2; exit 1")


@pytest.mark.parametrize(
    ("managed", "rolls"),
    [
        ({"config": {"hz": "20"}}, True),
        ({"appendFsync": "EverySec"}, True),
        ({"storage": {"size": "9Gi"}}, False),
    ],
)
def test_only_a_changed_configuration_restarts_redis(managed: dict[str, Any], rolls: bool) -> None:
    changed = template({"redis": {"managed": managed}}, "redis")
    assert (changed != template({}, "redis")) == rolls


def flags(managed: dict[str, Any]) -> dict[str, str]:
    words = server(made({"mongodb": {"managed": managed}}), "mongodb")["args"]
    return dict(zip(words, [*words[1:], ""], strict=True))


@pytest.mark.parametrize(
    ("limit", "percent", "cache", "connections"),
    [
        pytest.param("1Gi", 50, "0.50", "1024", id="default"),
        pytest.param("8Gi", 60, "4.80", "8192", id="large"),
        pytest.param("256Mi", 50, "0.25", "256", id="the least cache there is"),
    ],
)
def test_mongodb_takes_its_sizes_from_the_memory_limit(
    limit: str, percent: int, cache: str, connections: str
) -> None:
    found = flags(
        {"cachePercent": percent, "resources": {"limits": {"memory": limit}, "requests": {}}}
    )
    assert (found["--wiredTigerCacheSizeGB"], found["--maxConns"]) == (cache, connections)


def test_mongodb_is_always_a_replica_set_with_authentication() -> None:
    found = flags({})
    assert (found["--replSet"], found["--dbpath"]) == ("rs0", "/data/db")
    assert found["--keyFile"] == "/var/run/kato/keyfile"
    assert "--auth" in found
    assert "MONGO_INITDB" not in json.dumps(list(made({}).values()))


def test_the_budget_finds_the_limit_that_mongodb_was_given() -> None:
    (limit,) = [
        item.limit
        for item in budget.budgets(parsed({}), made({}).values())
        if item.store == "mongodb"
    ]
    assert limit == 1024


def test_the_keyfile_is_copied_so_that_only_the_server_can_read_it() -> None:
    keyfile, agent = template({}, "mongodb")["spec"]["initContainers"]
    install, *words = shlex.split(keyfile["command"][-1])
    assert (install, words) == (
        "install",
        ["-m", "0400", "/etc/kato/keyfile/keyfile", "/var/run/kato/keyfile"],
    )
    assert (agent["name"], agent["restartPolicy"]) == ("agent", "Always")
    assert agent["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_growing_and_recording_the_set_restart_no_member() -> None:
    three = {"mongodb": {"managed": {"members": 3}}}
    assert template({}, "mongodb") == template(three, "mongodb", recorded_set="0123")
    config = made(three, recorded_set="0123")["ConfigMap", "prod-mongodb"]
    assert config["data"] == {"members": "3", "recorded-set": "0123"}
    workload = made(three)["StatefulSet", "prod-mongodb"]["spec"]
    assert workload["replicas"] == 3
    assert workload["updateStrategy"] == {"type": "OnDelete"}


def test_members_have_a_disruption_budget_where_one_can_be_spared() -> None:
    three = {"mongodb": {"managed": {"members": 3, "disruption": {"maxUnavailable": 2}}}}
    spec = made(three)["PodDisruptionBudget", "prod-mongodb"]["spec"]
    assert spec["maxUnavailable"] == 2
    assert ("PodDisruptionBudget", "prod-mongodb") not in made({})


def test_the_first_qdrant_founds_the_cluster_and_the_others_join_it() -> None:
    script = made({})["ConfigMap", "prod-qdrant"]["data"]["start.sh"]
    assert '--bootstrap "$first" --uri "$uri"' in script
    env = {it["name"]: it for it in server(made({}), "qdrant")["env"]}
    assert env["QDRANT__CLUSTER__ENABLED"]["value"] == "true"
    assert env["QDRANT__SERVICE__API_KEY"]["valueFrom"]["secretKeyRef"] == {
        "name": "prod-connections",
        "key": "qdrant-api-key",
    }
    paths = [it["value"] for it in env.values() if it.get("value", "").startswith("/")]
    assert all(path.startswith(("/data/", "/tmp/")) for path in paths)


@pytest.mark.parametrize("store", ["redis", "mongodb", "qdrant"])
def test_only_peers_can_find_pods_that_are_not_ready(store: str) -> None:
    items = made({})
    peers, clients = (items["Service", f"prod-{store}{it}"]["spec"] for it in ("-peers", ""))
    assert (peers["clusterIP"], peers["publishNotReadyAddresses"]) == ("None", True)
    assert (clients["type"], "publishNotReadyAddresses" in clients) == ("ClusterIP", False)
    assert items["StatefulSet", f"prod-{store}"]["spec"]["serviceName"] == f"prod-{store}-peers"


@pytest.mark.parametrize("store", ["redis", "mongodb", "qdrant"])
@pytest.mark.parametrize("chosen", [None, "fast", ""], ids=["default", "a class", "no class"])
def test_volumes_have_the_class_that_the_spec_names(store: str, chosen: str | None) -> None:
    storage = {"size": "3Gi", **({} if chosen is None else {"className": chosen})}
    workload = made({store: {"managed": {"storage": storage}}})["StatefulSet", f"prod-{store}"]
    (claim,) = workload["spec"]["volumeClaimTemplates"]
    assert claim["spec"].get("storageClassName") == chosen
    assert claim["spec"]["resources"]["requests"] == {"storage": "3Gi"}


@pytest.mark.parametrize("mode", ["External", "Embedded"])
@pytest.mark.parametrize("store", ["redis", "mongodb", "qdrant"])
def test_a_store_that_is_not_managed_has_no_children(store: str, mode: str) -> None:
    source = {"urlSecretRef": {"name": "a", "key": "b"}, "url": "http://q"}
    given = {"mode": mode, **({"external": source} if mode == "External" else {})}
    instance = parsed({store: given})
    facts = Facts(
        {},
        dict.fromkeys(CREDENTIALS, "x"),
        {"redis-url": "redis://r", "mongodb-url": "mongodb://m"},
        "1",
    )
    components = {rollout.component_of(item) for item in children.desired(instance, facts)}
    assert components == {"service", "redis", "mongodb", "qdrant"} - {store}


def test_a_disabled_qdrant_has_no_children() -> None:
    assert not [name for _, name in made({"qdrant": {"mode": "Disabled"}}) if "qdrant" in name]


def test_stores_accept_their_service_their_peers_and_the_operator() -> None:
    policy = made({})["NetworkPolicy", "prod-mongodb"]["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    allowed = [
        (rule["from"][0]["podSelector"]["matchLabels"], [it["port"] for it in rule["ports"]])
        for rule in policy["ingress"]
    ]
    component = "app.kubernetes.io/component"
    assert [(labels.get(component, "operator"), ports) for labels, ports in allowed] == [
        ("service", [27017]),
        ("mongodb", [27017, 27080]),
        ("operator", [27017, 27080]),
    ]
    kinds = {kind for kind, _ in made({"security": {"networkPolicy": "Disabled"}})}
    assert "NetworkPolicy" not in kinds
