"""The operator on a real API server: pausing, hibernating, scaling, expanding, deleting."""

import pytest
from apiserver import (
    Manifest,
    Namespace,
    OperatorProcess,
    bound_claim,
    requested_size,
    until,
)

pytestmark = pytest.mark.apiserver


def test_a_paused_instance_gets_credentials_and_status_and_nothing_else(
    space: Namespace, operator: OperatorProcess
) -> None:
    space.create("KatoInstance", "prod", spec={"paused": True})
    space.await_condition("OrchestrationPaused", "True")
    assert space.status()["phase"] == "Paused"
    assert {kind for kind, _ in space.children()} == {"Secret"}
    space.patch("KatoInstance", "prod", {"spec": {"paused": False}})
    space.await_ready()


def test_children_of_a_paused_instance_do_not_change(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    space.patch("KatoInstance", "prod", {"spec": {"paused": True, "service": {"replicas": 3}}})
    space.await_condition("OrchestrationPaused", "True")
    space.patch("Deployment", "prod", {"spec": {"replicas": 2}})
    space.delete("Service", "prod-redis")
    operator.await_nudged(space)
    assert (space.get("Deployment", "prod") or {})["spec"]["replicas"] == 2
    assert space.get("Service", "prod-redis") is None
    space.patch("KatoInstance", "prod", {"spec": {"paused": False}})
    instance = space.await_ready()
    assert instance["status"]["replicas"] == 3


def test_a_missing_secret_is_named_and_noticed_once_it_exists(
    space: Namespace, operator: OperatorProcess
) -> None:
    source = {"urlSecretRef": {"name": "my-redis", "key": "url"}}
    space.create("KatoInstance", "prod", spec={"redis": {"mode": "External", "external": source}})
    said = space.await_condition("RedisReady", "False", "MissingSecret")
    assert said["message"] == "Secret 'my-redis' does not exist; create it with the key 'url'"
    space.create("Secret", "my-redis", stringData={"uri": "redis://example"})
    until(lambda: "has no key 'url'" in space.condition("RedisReady")["message"], "the key")
    space.patch("Secret", "my-redis", {"stringData": {"url": "redis://example"}})
    space.await_ready()
    assert space.get("StatefulSet", "prod-redis") is None


def test_https_waits_for_its_secret_and_a_new_certificate_restarts_nothing(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    before = {kind: space.get(kind, name) for kind, name in FITTING.items()}
    wanted = {"service": {"tls": {"secretName": "prod-tls"}}}
    space.patch("KatoInstance", "prod", {"spec": wanted})
    said = space.await_condition("ServiceReady", "False", "MissingSecret")
    assert said["message"] == "Secret 'prod-tls' does not exist; create it with the key 'tls.crt'"
    operator.await_nudged(space)
    assert {kind: space.get(kind, name) for kind, name in FITTING.items()} == before
    space.create("Secret", "prod-tls", type="kubernetes.io/tls", stringData=certificate("one"))
    status = space.await_ready()["status"]
    address = f"prod.{space.name}.svc:8000"
    assert status["endpoints"] == {"http": f"https://{address}", "ws": f"wss://{address}"}
    (port,) = (space.get("Service", "prod") or {})["spec"]["ports"]
    assert (port["name"], port["targetPort"], port["appProtocol"]) == ("https",) * 3
    deployed = space.get("Deployment", "prod") or {}
    (container,) = deployed["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    space.patch("Secret", "prod-tls", {"stringData": certificate("two")})
    operator.await_nudged(space)
    after = space.get("Deployment", "prod") or {}
    assert after["spec"] == deployed["spec"]
    assert space.condition("Ready")["status"] == "True"
    space.patch("KatoInstance", "prod", {"spec": {"service": {"tls": None}}})
    assert space.await_ready()["status"]["endpoints"]["http"] == f"http://{address}"
    (port,) = (space.get("Service", "prod") or {})["spec"]["ports"]
    assert (port["name"], port.get("appProtocol")) == ("http", None)


FITTING = {"Deployment": "prod", "Service": "prod", "ConfigMap": "prod-config"}
"""What must fit the pods of the service."""


def certificate(text: str) -> dict[str, str]:
    """A certificate and a key as far as the operator looks at them: it does not serve them."""
    return {
        "tls.crt": f"-----BEGIN CERTIFICATE-----\n{text}",
        "tls.key": f"-----BEGIN PRIVATE KEY-----\n{text}",
    }


def test_children_of_a_deleted_instance_are_left_to_the_cluster(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    space.patch("KatoInstance", "prod", {"metadata": {"finalizers": ["example.com/wait"]}})
    space.delete("KatoInstance", "prod")
    until(lambda: space.status()["phase"] == "Deleting", "phase Deleting")
    space.delete("Service", "prod-redis")
    operator.await_nudged(space)
    assert space.get("Service", "prod-redis") is None
    space.patch("KatoInstance", "prod", {"metadata": {"finalizers": []}})


def test_children_that_are_no_longer_desired_are_pruned(space: Namespace, ready: Manifest) -> None:
    assert space.list("NetworkPolicy")
    space.patch("KatoInstance", "prod", {"spec": {"security": {"networkPolicy": "Disabled"}}})
    until(lambda: not space.list("NetworkPolicy"), "no network policy")
    space.patch("KatoInstance", "prod", {"spec": {"service": {"replicas": 2}}})
    until(lambda: space.list("PodDisruptionBudget"), "a disruption budget")


def test_hibernation_stops_the_service_first_and_waking_starts_the_stores_first(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    def replicas(kind: str, name: str) -> int:
        found: int = (space.get(kind, name) or {})["spec"]["replicas"]
        return found

    space.patch("KatoInstance", "prod", {"spec": {"hibernate": True}})
    until(lambda: replicas("Deployment", "prod") == 0, "no service")
    operator.await_nudged(space)
    assert replicas("StatefulSet", "prod-redis") == 1
    space.bring_up()
    for store in ("redis", "mongodb", "qdrant"):
        until(lambda: replicas("StatefulSet", f"prod-{store}") == 0, f"no {store}")  # noqa: B023
    left = "Hibernating, 3 pods left"
    until(lambda: space.condition("Ready")["message"] == left, left)
    assert space.status()["phase"] == "Hibernating"
    space.bring_up()
    space.await_condition("Ready", "False", "Hibernated")
    assert space.status()["phase"] == "Hibernated"
    assert space.condition("RedisReady")["reason"] == "Hibernated"
    space.patch("KatoInstance", "prod", {"spec": {"hibernate": False}})
    until(lambda: replicas("StatefulSet", "prod-redis") == 1, "Redis")
    operator.await_nudged(space)
    assert replicas("Deployment", "prod") == 0
    space.await_ready()
    assert replicas("Deployment", "prod") == 1


def test_an_autoscaler_starts_from_the_existing_pods(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    space.patch("KatoInstance", "prod", {"spec": {"service": {"replicas": 4}}})
    space.await_ready()
    autoscaling = {"minReplicas": 2, "maxReplicas": 8}
    space.patch("KatoInstance", "prod", {"spec": {"service": {"autoscaling": autoscaling}}})
    until(lambda: space.get("HorizontalPodAutoscaler", "prod"), "an autoscaler")
    space.await_ready()
    assert (space.get("Deployment", "prod") or {})["spec"]["replicas"] == 4
    space.patch("Deployment", "prod", {"spec": {"replicas": 6}}, "scale")
    operator.await_nudged(space)
    assert (space.get("Deployment", "prod") or {})["spec"]["replicas"] == 6


def test_a_volume_is_expanded_through_its_claim(space: Namespace, ready: Manifest) -> None:
    (template,) = (space.get("StatefulSet", "prod-redis") or {})["spec"]["volumeClaimTemplates"]
    name = f"{template['metadata']['name']}-prod-redis-0"
    bound_claim(space, name, "redis")
    space.patch(
        "KatoInstance", "prod", {"spec": {"redis": {"managed": {"storage": {"size": "3Gi"}}}}}
    )
    until(lambda: requested_size(space, name) == "3Gi", "a larger claim")
    space.await_ready()


def test_a_volume_is_expanded_as_soon_as_its_class_allows_it(
    space: Namespace, ready: Manifest
) -> None:
    name = "data-prod-redis-0"
    bound_claim(space, name, "redis")
    path = f"/apis/storage.k8s.io/v1/storageclasses/{space.name}"

    def allow(value: bool) -> None:
        merge = {"Content-Type": "application/merge-patch+json"}
        body = {"allowVolumeExpansion": value}
        space.client.patch(path, json=body, headers=merge).raise_for_status()

    allow(False)
    size = {"redis": {"managed": {"storage": {"size": "3Gi"}}}}
    space.patch("KatoInstance", "prod", {"spec": size})
    space.await_condition("RedisReady", "False", "VolumePending")
    allow(True)
    until(lambda: requested_size(space, name) == "3Gi", "a larger claim")
    space.await_ready()


def test_transitions_become_events(space: Namespace, ready: Manifest) -> None:
    def told() -> list[str]:
        return [item["message"] for item in space.list("Event")]

    until(lambda: any(text.startswith("Ready is True") for text in told()), "an event")
    assert len(told()) < 10
