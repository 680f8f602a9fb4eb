"""The chart as Helm renders it, and the operator with no more rights than the chart gives it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from apiserver import (
    REPOSITORY,
    Manifest,
    Namespace,
    OperatorProcess,
    until,
)

from binaries import node_binary
from kato_operator.settings import OperatorSettings

pytestmark = [pytest.mark.apiserver, pytest.mark.xdist_group("apiserver")]

CHART = REPOSITORY / "charts" / "kato"
RELEASE = "kato"
Render = Callable[..., dict[tuple[str, str], Manifest]]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(node_binary()), "helm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def render(control_plane: Any, tmp_path: Path) -> Render:
    """Renders the chart with values; returns its objects by kind and name."""

    def rendered(*flags: str, **values: Any) -> dict[tuple[str, str], Manifest]:
        file = tmp_path / "values.json"
        file.write_text(json.dumps(values))
        place = ("--namespace", "kato-system", "--values", str(file))
        done = helm("template", RELEASE, str(CHART), *place, *flags)
        assert done.returncode == 0, done.stderr
        found = (item for item in yaml.safe_load_all(done.stdout) if item)
        return {(item["kind"], item["metadata"]["name"]): item for item in found}

    return rendered


def operator_pod(objects: dict[tuple[str, str], Manifest]) -> Manifest:
    found: Manifest = objects["Deployment", "kato-operator"]["spec"]["template"]["spec"]
    return found


def rules(objects: dict[tuple[str, str], Manifest], kind: str = "ClusterRole") -> list[Manifest]:
    found: list[Manifest] = objects[kind, "kato-operator"]["rules"]
    return found


def test_there_is_never_more_than_one_operator(render: Render) -> None:
    spec = render()["Deployment", "kato-operator"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_its_pods_satisfy_the_restricted_standard(render: Render, kind: str) -> None:
    (found,) = [item for name, item in render().items() if name[0] == kind]
    pod = found["spec"].get("template", found)["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_the_operator_understands_its_environment(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {"redis": "mirror/redis:7", "agent": "mirror/agent:1"}
    objects = render(defaultImages=images, watchNamespace="team", operator={"workers": 3})
    (container,) = operator_pod(objects)["containers"]
    for item in container["env"]:
        monkeypatch.setenv(item["name"], item.get("value", "kato-operator-0"))
    settings = OperatorSettings()
    assert settings.identity == "kato-system/kato-operator"
    assert settings.process == "kato-operator-0"
    assert settings.default_images == images
    assert (settings.namespace, settings.workers) == ("team", 3)
    assert {
        item["name"].removeprefix("KATO_OPERATOR_").lower() for item in container["env"]
    } <= set(OperatorSettings.model_fields)
    assert container["ports"][0]["containerPort"] == settings.http_port


def test_pull_secrets_of_the_chart_reach_the_pods_of_instances(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "KATO_OPERATOR_PULL_SECRETS"
    (container,) = operator_pod(render())["containers"]
    assert name not in {item["name"] for item in container["env"]}
    image = {"pullSecrets": [{"name": "own"}]}
    objects = render(image=image, defaultPullSecrets=[{"name": "all"}, {"name": "own"}])
    (container,) = operator_pod(objects)["containers"]
    (value,) = [item["value"] for item in container["env"] if item["name"] == name]
    monkeypatch.setenv(name, value)
    assert OperatorSettings().pull_secrets == ("own", "all")


def test_the_crd_is_ours_and_survives_the_release(render: Render) -> None:
    name = ("CustomResourceDefinition", "katoinstances.kato.dev")
    rendered = render()[name]
    assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    file = REPOSITORY / "crds" / "kato.dev_katoinstances.yaml"
    assert rendered == yaml.safe_load(file.read_text(encoding="utf-8"))
    assert name not in render(crds={"install": False})


def test_rights_are_named_one_by_one(render: Render) -> None:
    for rule in rules(render()):
        assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
    granted = {
        (res, verb) for it in rules(render()) for res in it["resources"] for verb in it["verbs"]
    }
    assert not {res for res, _ in granted} & {"pods/exec", "nodes", "namespaces", "clusterroles"}
    assert ("secrets", "delete") not in granted


def test_an_operator_of_one_namespace_has_only_a_role_in_it(render: Render) -> None:
    objects = render(watchNamespace="team")
    shared = [rule for rule in rules(render()) if rule["resources"] != ["leases"]]
    assert rules(objects, "Role") == shared
    assert objects["RoleBinding", "kato-operator"]["metadata"]["namespace"] == "team"
    assert not [kind for kind, _ in objects if kind.startswith("ClusterRole")]


def test_a_release_may_write_its_own_lease_and_no_other(render: Render) -> None:
    for values in ({}, {"watchNamespace": "team"}):
        objects = render(**values)
        role = objects["Role", "kato-operator-lease"]
        assert role["metadata"]["namespace"] == "kato-system"
        writes = [it for it in role["rules"] if "update" in it["verbs"]]
        assert [it["resourceNames"] for it in writes] == [["kato-operator"]]
    leases = [rule for rule in rules(render()) if rule["resources"] == ["leases"]]
    assert [rule["verbs"] for rule in leases] == [["get"]]


def test_namespaces_are_excluded_only_from_all_of_them(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "KATO_OPERATOR_EXCLUDED_NAMESPACES"
    (container,) = operator_pod(render(excludedNamespaces=["team", "other"]))["containers"]
    (value,) = [item["value"] for item in container["env"] if item["name"] == name]
    monkeypatch.setenv(name, value)
    assert OperatorSettings().excluded_namespaces == ("team", "other")
    both = ("--set", "excludedNamespaces={a}", "--set", "watchNamespace=b")
    refused = helm("template", RELEASE, str(CHART), *both)
    assert "excludedNamespaces: nothing can be excluded from one namespace" in refused.stderr
    assert helm("template", RELEASE, str(CHART), "--set", "excludedNamespaces={A*}").returncode


def test_instances_are_refused_until_the_crd_is_installed(render: Render) -> None:
    instances = [{"name": "prod", "spec": {"service": {"replicas": 2}}}, {"name": "small"}]
    served = ("--api-versions", "kato.dev/v1alpha1")
    objects = render(*served, instances=instances, watchNamespace="team")
    assert objects["KatoInstance", "prod"]["spec"] == {"service": {"replicas": 2}}
    assert "spec" not in objects["KatoInstance", "small"]
    assert objects["KatoInstance", "small"]["metadata"]["namespace"] == "team"
    refused = helm("template", RELEASE, str(CHART), "--set", "instances[0].name=prod")
    assert "install the chart without them, then add them with helm upgrade" in refused.stderr


def test_an_unknown_value_is_refused() -> None:
    refused = helm("template", RELEASE, str(CHART), "--set", "defaultImages.reddis=x")
    assert refused.returncode != 0
    assert "reddis" in refused.stderr


@pytest.fixture
def restricted(
    kubernetes: httpx.Client, space: Namespace, operator: OperatorProcess, render: Render
) -> Iterator[OperatorProcess]:
    """The operator with a service account that has the Role of the chart."""
    operator.kill9()
    objects = render("--namespace", space.name, watchNamespace=space.name)
    lease = objects["Role", "kato-operator-lease"]["rules"]
    operator.environment["KATO_OPERATOR_INSTALLATION"] = f"{space.name}/kato-operator"
    grant(kubernetes, space.name, [*rules(objects, "Role"), *lease])
    path = f"/api/v1/namespaces/{space.name}/serviceaccounts/operator/token"
    answer = kubernetes.post(path, json={"spec": {"expirationSeconds": 3600}})
    assert answer.status_code == 201, answer.text
    file = operator.log.with_name("kubeconfig.json")
    file.write_text(json.dumps(kubeconfig(operator, answer.json()["status"]["token"])))
    operator.environment["KUBECONFIG"] = str(file)
    operator.start()
    yield operator
    log = operator.log.read_text()
    assert "forbidden" not in log, log[-4000:]


def grant(client: httpx.Client, namespace: str, granted: list[Manifest]) -> None:
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    meta = {"metadata": {"name": "operator"}}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"}
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": namespace}
    for path, body in (
        (f"/api/v1/namespaces/{namespace}/serviceaccounts", meta),
        (f"{rbac}/roles", {**meta, "rules": granted}),
        (f"{rbac}/rolebindings", {**meta, "roleRef": reference, "subjects": [subject]}),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 201, answer.text


def kubeconfig(operator: OperatorProcess, token: str) -> Manifest:
    """The administrator's kubeconfig with the token of the service account."""
    admin = yaml.safe_load(Path(operator.environment["KUBECONFIG"]).read_text())
    (context,) = admin["contexts"]
    context["context"]["user"] = "operator"
    return {**admin, "users": [{"name": "operator", "user": {"token": token}}]}


def test_the_rights_of_the_chart_are_enough(space: Namespace, restricted: OperatorProcess) -> None:
    scaled = {"replicas": 2, "expose": {"ingress": {"host": "kato.example.com"}}}
    space.create("KatoInstance", "prod", spec={"service": scaled})
    space.await_ready()
    autoscaled = {"service": {"autoscaling": {}}, "security": {"networkPolicy": "Disabled"}}
    space.patch("KatoInstance", "prod", {"spec": {**autoscaled, "deletionPolicy": "Delete"}})
    until(lambda: not space.list("NetworkPolicy"), "the policies being pruned")
    space.await_ready()
    assert space.get("HorizontalPodAutoscaler", "prod")
    stores = {name: {"mode": "Embedded"} for name in ("redis", "mongodb", "qdrant")}
    space.create("KatoInstance", "small", spec=stores)
    space.await_ready("small")
    assert space.get("PersistentVolumeClaim", "small-data")
    until(lambda: space.list("Event"), "an event")
