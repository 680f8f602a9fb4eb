"""The service's workload: modes of its stores, rollouts, scale, exposure, environment."""

from typing import Any

import pytest

from kato_operator import children, names
from kato_operator.children import Facts
from kato_operator.crd.instance import parse

Manifest = dict[str, Any]

EMBEDDED = {name: {"mode": "Embedded"} for name in ("redis", "mongodb", "qdrant")}
REFERRED = {"redis-url": "redis://r", "mongodb-url": "mongodb://m"}
SOURCE = {"urlSecretRef": {"name": "a", "key": "b"}}


def made(spec: dict[str, Any], version: str = "1.2.3") -> dict[tuple[str, str], Manifest]:
    meta = {"name": "prod", "namespace": "kato", "uid": "the-uid"}
    instance = parse({"metadata": meta, "spec": spec})
    secrets = children.generated_secrets(instance, token=lambda: "secret-value")
    known = {name: value for item in secrets for name, value in item["stringData"].items()}
    facts = Facts({}, known, REFERRED, version)
    return {(it["kind"], it["metadata"]["name"]): it for it in children.desired(instance, facts)}


def deployment(spec: dict[str, Any]) -> Manifest:
    found: Manifest = made(spec)["Deployment", "prod"]["spec"]
    return found


def pod(spec: dict[str, Any]) -> Manifest:
    found: Manifest = deployment(spec)["template"]["spec"]
    return found


def container(spec: dict[str, Any]) -> Manifest:
    (found,) = pod(spec)["containers"]
    return dict(found)


def service(**fields: Any) -> dict[str, Any]:
    return {"service": fields}


def config(spec: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = made(spec)["ConfigMap", "prod-config"]["data"]
    return found


def config_hash(spec: dict[str, Any], version: str = "1.2.3") -> str:
    meta = made(spec, version)["Deployment", "prod"]["spec"]["template"]["metadata"]
    return str(meta["annotations"][names.CONFIG_HASH_ANNOTATION])


@pytest.mark.parametrize(
    ("spec", "chosen"),
    [
        pytest.param({}, ("redis", "mongodb", "qdrant", "enabled"), id="managed"),
        pytest.param(EMBEDDED, ("embedded", "embedded", "embedded", "enabled"), id="embedded"),
        pytest.param(
            {
                "redis": {"mode": "External", "external": SOURCE},
                "mongodb": {"mode": "External", "external": SOURCE},
                "qdrant": {"mode": "External", "external": {"url": "http://q"}},
            },
            ("redis", "mongodb", "qdrant", "enabled"),
            id="external",
        ),
        pytest.param(
            {"qdrant": {"mode": "Disabled"}},
            ("redis", "mongodb", "disabled", "disabled"),
            id="disabled",
        ),
    ],
)
def test_the_kind_of_each_store_is_named(spec: dict[str, Any], chosen: tuple[str, ...]) -> None:
    variables = ("SESSION_STORE", "KNOWLEDGE_STORE", "VECTOR_STORE", "VECTORS")
    assert tuple(config(spec)[name] for name in variables) == chosen


@pytest.mark.parametrize(
    ("spec", "urls"),
    [
        pytest.param(
            {}, ["MONGO_BASE_URL", "QDRANT_API_KEY", "QDRANT_URL", "REDIS_URL"], id="managed"
        ),
        pytest.param(EMBEDDED, [], id="embedded"),
        pytest.param(
            {"qdrant": {"mode": "Disabled"}}, ["MONGO_BASE_URL", "REDIS_URL"], id="disabled"
        ),
    ],
)
def test_a_missing_url_prevents_the_start(spec: dict[str, Any], urls: list[str]) -> None:
    env = container(spec)["env"]
    assert [item["name"] for item in env] == urls
    for item in env:
        source = item["valueFrom"]["secretKeyRef"]
        assert source == {"name": "prod-connections", "key": item["name"]}


def test_variables_of_the_spec_come_last() -> None:
    source = {"secretKeyRef": {"name": "mine", "key": "x"}}
    given = [
        {"name": "LOG_LEVEL", "value": "debug"},
        {"name": "EMPTY"},
        {"name": "MINE", "valueFrom": source},
    ]
    assert container(service(env=given))["env"][-3:] == [
        {"name": "LOG_LEVEL", "value": "debug"},
        {"name": "EMPTY", "value": ""},
        {"name": "MINE", "valueFrom": source},
    ]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"connectionPools": {"mongodb": {"maxSize": 20}}}, id="a pool"),
        pytest.param({"healthChecks": {"intervalSeconds": 9}}, id="a health check"),
        pytest.param({"processor": {"recallThreshold": "0.5"}}, id="a default of the processor"),
        pytest.param({"sessions": {"ttlSeconds": 60}}, id="a limit of sessions"),
        pytest.param({"mongodb": {"managed": {"members": 3}}}, id="a url"),
        pytest.param(service(auth={"mode": "ApiKey"}), id="authentication"),
    ],
)
def test_a_changed_setting_or_connection_restarts_the_pods(change: dict[str, Any]) -> None:
    assert config_hash(change) != config_hash({})


def test_an_operator_upgrade_changes_no_setting() -> None:
    assert config_hash({}, "1.2.3") == config_hash({}, "1.3.0")


def test_replicas_are_replaced_one_by_one_and_never_missing() -> None:
    found = deployment(service(replicas=3))
    assert found["replicas"] == 3
    assert found["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


def test_a_terminating_pod_has_time_for_late_and_running_requests() -> None:
    grace = int(config({})["SHUTDOWN_GRACE_S"])
    command, seconds = container({})["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert pod({})["terminationGracePeriodSeconds"] > int(seconds) + grace


@pytest.mark.parametrize("store", ["redis", "mongodb", "qdrant"])
def test_one_embedded_store_is_enough_for_a_volume_of_one_pod(store: str) -> None:
    spec = {store: {"mode": "Embedded"}, "service": {"embeddedStorage": {"size": "7Gi"}}}
    assert deployment(spec)["strategy"] == {"type": "Recreate"}
    (data,) = [it for it in pod(spec)["volumes"] if it["name"] == "data"]
    assert data["persistentVolumeClaim"] == {"claimName": "prod-data"}
    claim = made(spec)["PersistentVolumeClaim", "prod-data"]["spec"]
    assert claim["resources"]["requests"] == {"storage": "7Gi"}


def test_without_embedded_stores_the_data_folder_is_deleted_with_the_pod() -> None:
    (data,) = [it for it in pod({})["volumes"] if it["name"] == "data"]
    assert "emptyDir" in data
    (mount,) = [it for it in container({})["volumeMounts"] if it["name"] == "data"]
    assert mount["mountPath"] == config({})["DATA_DIR"]


def test_an_autoscaler_owns_the_replicas() -> None:
    scaling = {"minReplicas": 2, "maxReplicas": 5, "targetCPUUtilizationPercentage": 60}
    spec = service(replicas=4, autoscaling=scaling)
    assert "replicas" not in deployment(spec)
    scaler = made(spec)["HorizontalPodAutoscaler", "prod"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
    assert scaler["scaleTargetRef"]["name"] == "prod"
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 60


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        pytest.param({"replicas": 1}, False, id="one"),
        pytest.param({"replicas": 2}, True, id="two"),
        pytest.param({"replicas": 1, "autoscaling": {"minReplicas": 2}}, True, id="at least two"),
        pytest.param({"replicas": 3, "autoscaling": {"minReplicas": 1}}, False, id="at least one"),
    ],
)
def test_there_is_a_disruption_budget_where_a_pod_can_be_spared(
    fields: dict[str, Any], there: bool
) -> None:
    assert (("PodDisruptionBudget", "prod") in made(service(**fields))) == there


@pytest.mark.parametrize(
    ("wish", "unsatisfiable"),
    [
        ("None", []),
        ("Preferred", ["ScheduleAnyway", "ScheduleAnyway"]),
        # where no node has a label for its zone, a requirement would keep every pod from running
        ("Required", ["DoNotSchedule", "ScheduleAnyway"]),
    ],
)
def test_pods_are_spread_as_the_spec_says(wish: str, unsatisfiable: list[str]) -> None:
    constraints = pod(service(spread=wish)).get("topologySpreadConstraints", [])
    assert [it["whenUnsatisfiable"] for it in constraints] == unsatisfiable


def test_pods_are_placed_labelled_and_annotated_as_the_spec_says() -> None:
    template = {
        "labels": {"team": "a"},
        "annotations": {"note": "b"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "priorityClassName": "high",
    }
    found = deployment(service(podTemplate=template))["template"]
    assert found["metadata"]["labels"]["team"] == "a"
    assert found["metadata"]["annotations"]["note"] == "b"
    assert found["spec"]["nodeSelector"] == {"disk": "fast"}
    assert found["spec"]["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert found["spec"]["priorityClassName"] == "high"
    assert not {"nodeSelector", "tolerations", "priorityClassName"} & pod({}).keys()


def test_probes_ask_the_service_as_patiently_as_the_spec_says() -> None:
    found = container(service(probes={"liveness": {"failureThreshold": 9}}))
    assert {
        kind: found[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "liveness", "readiness")
    } == {"startup": "/health/startup", "liveness": "/health/live", "readiness": "/health/ready"}
    assert found["livenessProbe"]["failureThreshold"] == 9
    assert found["livenessProbe"]["periodSeconds"] == 10


def test_the_service_is_exposed_as_the_spec_says() -> None:
    expose = {
        "type": "LoadBalancer",
        "sessionAffinity": "ClientIP",
        "annotations": {"a": "b"},
        "ingress": {"className": "nginx", "host": "kato.example.com", "tlsSecretName": "cert"},
    }
    items = made(service(port=9000, expose=expose))
    found = items["Service", "prod"]
    assert (found["spec"]["type"], found["spec"]["sessionAffinity"]) == ("LoadBalancer", "ClientIP")
    assert (found["spec"]["ports"][0]["port"], found["metadata"]["annotations"]) == (
        9000,
        {"a": "b"},
    )
    ingress = items["Ingress", "prod"]
    assert ingress["metadata"]["annotations"] == {"a": "b"}
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"] == [{"hosts": ["kato.example.com"], "secretName": "cert"}]
    (rule,) = ingress["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {
        "name": "prod",
        "port": {"name": "http"},
    }


def test_a_plain_ingress_names_no_class_and_no_certificate() -> None:
    items = made(service(expose={"ingress": {"host": "kato.example.com"}}))
    assert items["Ingress", "prod"]["spec"].keys() == {"rules"}
    assert "annotations" not in items["Service", "prod"]["metadata"]


def test_prometheus_is_told_where_the_metrics_are() -> None:
    monitoring = {"serviceMonitor": "Enabled", "labels": {"release": "x"}}
    found = made({"monitoring": monitoring})["ServiceMonitor", "prod"]
    assert found["metadata"]["labels"]["release"] == "x"
    service_labels = made({})["Service", "prod"]["metadata"]["labels"]
    assert found["spec"]["selector"]["matchLabels"].items() <= service_labels.items()
    assert found["spec"]["endpoints"] == [{"port": "http", "path": "/metrics"}]
