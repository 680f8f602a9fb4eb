"""The chart as Helm renders it."""

from collections.abc import Mapping

import pytest
from apiserver import REPOSITORY, Manifest
from rendered_chart import CHART, RELEASE, SYSTEM, Objects, Render, helm, rules

from kato_operator.settings import OperatorSettings
from support import yaml_text

pytestmark = pytest.mark.apiserver


PEOPLE = [f"{SYSTEM}:kato-{role}" for role in ("view", "edit", "admin")]
"""The roles of people."""


def operator_pod(objects: Objects) -> Manifest:
    found: Manifest = objects["Deployment", "kato-operator"]["spec"]["template"]["spec"]
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
    assert rendered == yaml_text.loaded(file.read_text(encoding="utf-8"))
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
    assert not [kind for kind, _ in objects if kind == "ClusterRoleBinding"]
    assert [name for kind, name in objects if kind == "ClusterRole"] == PEOPLE
    without = render(watchNamespace="team", roles={"create": False})
    assert not [kind for kind, _ in without if kind.startswith("ClusterRole")]


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


def test_the_roles_of_people_are_added_to_those_of_the_cluster(render: Render) -> None:
    added, bare = render(), render(roles={"aggregate": False})
    for role in ("view", "edit", "admin"):
        name = ("ClusterRole", f"{SYSTEM}:kato-{role}")
        label = f"rbac.authorization.k8s.io/aggregate-to-{role}"
        assert added[name]["metadata"]["labels"][label] == "true"
        assert not [key for key in bare[name]["metadata"]["labels"] if "aggregate" in key]


def test_releases_of_one_name_in_two_namespaces_share_no_object(render: Render) -> None:
    second = {"crds": {"install": False}}
    ours, theirs = render(**second), render("--namespace", "other", **second)
    assert not global_names(ours) & global_names(theirs)


def global_names(objects: Mapping[tuple[str, str], Manifest]) -> set[tuple[str, str]]:
    return {name for name, item in objects.items() if "namespace" not in item["metadata"]}


def alerts(objects: Objects) -> dict[str, str]:
    """The expression of every alert."""
    (group,) = objects["PrometheusRule", "kato-operator"]["spec"]["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def test_alerts_name_instances_unless_metrics_do_not(render: Render) -> None:
    enabled = {"monitoring": {"prometheusRule": {"enabled": True}}}
    named = alerts(render(**enabled))
    assert {"KatoInstanceStalled", "KatoInstanceDegraded", "KatoOperatorDown"} <= named.keys()
    assert "KatoInstancesDegraded" not in named
    assert named["KatoInstanceUnattended"].endswith("> 10800")
    unnamed = alerts(render(**enabled, operator={"instanceMetrics": 0}))
    assert "KatoInstancesDegraded" in unnamed
    assert not [text for text in unnamed.values() if "kato_operator_instance_" in text]


def test_the_labels_of_metrics_survive_the_scrape(render: Render) -> None:
    objects = render(monitoring={"serviceMonitor": {"enabled": True}})
    (endpoint,) = objects["ServiceMonitor", "kato-operator"]["spec"]["endpoints"]
    assert endpoint["honorLabels"] is True
