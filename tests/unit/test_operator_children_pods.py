"""What the pods of all instances have in common: rights, resources, probes, names and labels."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from kato_operator import children, kinds, names
from kato_operator.children import Facts
from kato_operator.crd.instance import KatoInstance, parse
from kato_operator.reconcile import rollout

Manifest = dict[str, Any]

EMBEDDED = {name: {"mode": "Embedded"} for name in ("redis", "mongodb", "qdrant")}
LARGE = {
    "service": {
        "replicas": 3,
        "auth": {"mode": "ApiKey"},
        "podTemplate": {"labels": {"team": "a"}, "annotations": {"note": "b"}},
    },
    "mongodb": {"managed": {"members": 3}},
    "qdrant": {"managed": {"replicas": 3}},
}
SPECS = [
    pytest.param({}, id="minimal"),
    pytest.param(LARGE, id="large"),
    pytest.param(EMBEDDED, id="embedded"),
]
LONGEST = "a" * 40


def secrets_of(instance: KatoInstance) -> dict[str, str]:
    found = children.generated_secrets(instance, token=lambda: "secret-value")
    return {name: value for item in found for name, value in item["stringData"].items()}


def made(spec: dict[str, Any], name: str = "prod", version: str = "1.2.3") -> tuple[Manifest, ...]:
    meta = {"name": name, "namespace": "kato", "uid": "the-uid"}
    instance = parse({"metadata": meta, "spec": spec})
    return children.desired(instance, Facts({}, secrets_of(instance), {}, version))


def workloads(spec: dict[str, Any], **more: str) -> dict[str, Manifest]:
    found = [item for item in made(spec, **more) if item["kind"] in rollout.WORKLOADS]
    return {item["metadata"]["name"]: item for item in found}


def templates(spec: dict[str, Any]) -> dict[str, Manifest]:
    return {name: item["spec"]["template"] for name, item in workloads(spec).items()}


def containers(spec: dict[str, Any]) -> Iterator[tuple[str, Manifest]]:
    for name, template in templates(spec).items():
        pod = template["spec"]
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            yield f"{name}/{container['name']}", container


@pytest.mark.parametrize("spec", SPECS)
def test_every_pod_satisfies_the_restricted_standard(spec: dict[str, Any]) -> None:
    for name, template in templates(spec).items():
        pod = template["spec"]
        security = pod["securityContext"]
        assert security["runAsNonRoot"], name
        assert security["runAsUser"] == security["fsGroup"] != 0, name
        assert security["fsGroupChangePolicy"] == "OnRootMismatch", name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}, name


@pytest.mark.parametrize("spec", SPECS)
def test_no_container_can_get_more_rights_or_write_its_root(spec: dict[str, Any]) -> None:
    for name, container in containers(spec):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


@pytest.mark.parametrize("spec", SPECS)
def test_every_container_has_resources_and_every_server_has_probes(spec: dict[str, Any]) -> None:
    for name, container in containers(spec):
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
        assert "memory" in container["resources"]["limits"], name
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", name
        probes = {probe for probe in container if probe.endswith("Probe")}
        runs_on = not name.endswith("/keyfile")  # what ends by itself may not be probed
        expected = {"startupProbe", "livenessProbe", "readinessProbe"} if runs_on else set()
        assert probes == expected, name


def test_helpers_of_a_server_have_all_limits_that_a_quota_may_ask_for() -> None:
    for name, container in containers({}):
        if name in ("prod-mongodb/keyfile", "prod-mongodb/agent"):
            assert container["resources"]["limits"].keys() == {"cpu", "memory"}, name


@pytest.mark.parametrize("spec", SPECS)
def test_no_child_knows_the_domain_of_the_cluster(spec: dict[str, Any]) -> None:
    text = json.dumps(made(spec))
    hosts = set(re.findall(r"[a-z0-9-]+\.kato\.svc[a-z0-9.-]*", text))
    assert {host.partition(".svc")[2] for host in hosts} <= {""}
    assert "cluster.local" not in text


@pytest.mark.parametrize("spec", SPECS)
def test_every_mount_has_its_volume_and_every_port_its_name(spec: dict[str, Any]) -> None:
    for workload in workloads(spec).values():
        pod = workload["spec"]["template"]["spec"]
        claims = workload["spec"].get("volumeClaimTemplates", ())
        volumes = {item["name"] for item in pod["volumes"]}
        volumes |= {item["metadata"]["name"] for item in claims}
        all_containers = (*pod.get("initContainers", ()), *pod["containers"])
        mounts = {mount["name"] for item in all_containers for mount in item["volumeMounts"]}
        assert mounts == volumes
        ports = {port["name"] for item in all_containers for port in item.get("ports", ())}
        probed = {
            (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
            for item in all_containers
            for name, probe in item.items()
            if name.endswith("Probe")
        }
        assert probed - {None} <= ports


@pytest.mark.parametrize("spec", SPECS)
def test_services_lead_to_ports_that_pods_have(spec: dict[str, Any]) -> None:
    pods = [
        (template["metadata"]["labels"], {port["name"] for port in ports_of(template)})
        for template in templates(spec).values()
    ]
    for service in (item for item in made(spec) if item["kind"] == "Service"):
        wanted = service["spec"]["selector"].items()
        (ports,) = [names for labels, names in pods if wanted <= labels.items()]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def ports_of(template: Manifest) -> list[Manifest]:
    pod = template["spec"]
    everyone = (*pod.get("initContainers", ()), *pod["containers"])
    return [port for container in everyone for port in container.get("ports", ())]


@pytest.mark.parametrize("spec", SPECS)
def test_everything_is_labelled_and_owned(spec: dict[str, Any]) -> None:
    owner = {
        "apiVersion": "kato.dev/v1alpha1",
        "kind": "KatoInstance",
        "name": "prod",
        "uid": "the-uid",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    for item in made(spec):
        meta = item["metadata"]
        labels = meta["labels"]
        assert {*("name", "instance", "component", "part-of", "version", "managed-by")} == {
            name.partition("/")[2] for name in labels if name.startswith("app.kubernetes.io/")
        }
        assert (labels["kato.dev/instance"], meta["namespace"]) == ("prod", "kato")
        kept = item["kind"] == "PersistentVolumeClaim"
        assert meta.get("ownerReferences", []) == ([] if kept else [owner]), item["kind"]


@pytest.mark.parametrize("spec", SPECS)
def test_no_immutable_field_or_pod_template_holds_a_version(spec: dict[str, Any]) -> None:
    for workload in workloads(spec).values():
        inner = workload["spec"]
        places = [inner["selector"]["matchLabels"], inner["template"]["metadata"]["labels"]]
        places += [it["metadata"]["labels"] for it in inner.get("volumeClaimTemplates", ())]
        for labels in places:
            assert names.VERSION_LABEL not in labels
            assert labels["kato.dev/instance"] == "prod"


def test_selectors_of_two_components_never_meet() -> None:
    selectors = [
        tuple(sorted(item["spec"]["selector"]["matchLabels"].items()))
        for item in workloads({}).values()
    ]
    assert len(set(selectors)) == 4


def test_names_are_the_interface_and_stay_short_enough() -> None:
    assert {(item["kind"], item["metadata"]["name"]) for item in made({})} == {
        *(("ConfigMap", "prod-config"), ("Secret", "prod-connections")),
        *(("ServiceAccount", "prod"), ("Service", "prod"), ("Deployment", "prod")),
        *(
            (kind, f"prod-{store}")
            for store in ("redis", "mongodb", "qdrant")
            for kind in ("ConfigMap", "Service", "NetworkPolicy", "StatefulSet")
        ),
        *(("Service", f"prod-{store}-peers") for store in ("redis", "mongodb", "qdrant")),
    }
    for item in made({**LARGE, **EMBEDDED, "service": {}}, name=LONGEST):
        assert len(item["metadata"]["name"]) < 60


def test_every_kind_is_watched() -> None:
    exposed = {"expose": {"ingress": {"host": "kato.example.com"}}, "autoscaling": {}}
    spec = {"service": exposed, "monitoring": {"serviceMonitor": "Enabled"}}
    found = {item["kind"] for given in (spec, EMBEDDED) for item in made(given)}
    assert found == kinds.CHILDREN.keys()


def test_nothing_is_null_and_every_pass_builds_the_same() -> None:
    assert made(LARGE) == made(LARGE)
    assert not list(nulls(made(LARGE)))


def nulls(node: Any, path: str = "") -> Iterator[str]:
    if node is None:
        yield path
    elif isinstance(node, dict | list | tuple):
        for name, item in node.items() if isinstance(node, dict) else enumerate(node):
            yield from nulls(item, f"{path}.{name}")


@pytest.mark.parametrize("component", ["service", "redis", "mongodb", "qdrant"])
def test_images_pull_policies_and_pull_secrets_are_the_components_own(component: str) -> None:
    image = {
        "repository": "registry.example:5000/x",
        "tag": "9",
        "pullPolicy": "Always",
        "pullSecrets": [{"name": "login"}],
    }
    part = {"image": image} if component == "service" else {"managed": {"image": image}}
    name = "prod" if component == "service" else f"prod-{component}"
    workload = workloads({component: part})[name]
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example:5000/x:9"
    assert container["imagePullPolicy"] == "Always"
    assert workload["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "login"}]
    assert workload["metadata"]["labels"][names.VERSION_LABEL] == "9"
    # the agent next to MongoDB comes from where the service's image does
    theirs = {"prod", "prod-mongodb"} if component == "service" else {name}
    with_secrets = {
        other
        for other, it in workloads({component: part}).items()
        if "imagePullSecrets" in it["spec"]["template"]["spec"]
    }
    assert with_secrets == theirs


def test_every_pod_has_the_pull_secrets_of_the_chart_after_those_of_its_images() -> None:
    image = {"pullSecrets": [{"name": "own"}, {"name": "shared"}]}
    meta = {"name": "prod", "namespace": "kato", "uid": "u"}
    instance = parse({"metadata": meta, "spec": {"service": {"image": image}}})
    facts = Facts({}, secrets_of(instance), {}, "1", pull_secrets=("shared", "all"))
    found = {
        item["metadata"]["name"]: [
            secret["name"] for secret in item["spec"]["template"]["spec"]["imagePullSecrets"]
        ]
        for item in children.desired(instance, facts)
        if item["kind"] in rollout.WORKLOADS
    }
    assert found == {
        "prod": ["own", "shared", "all"],
        "prod-redis": ["shared", "all"],
        "prod-mongodb": ["shared", "all", "own"],
        "prod-qdrant": ["shared", "all"],
    }
