"""The chart as Helm renders it, and the operator with no more rights than the chart gives it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiserver import REPOSITORY, Manifest, Namespace, OperatorProcess

from binaries import node_binary
from support import yaml_text

CHART = REPOSITORY / "charts" / "kato"
RELEASE = "kato"
SYSTEM = "kato-system"
Objects = dict[tuple[str, str], Manifest]
Render = Callable[..., Objects]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the test node's Helm."""
    command = [str(node_binary()), "helm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def render(control_plane: Any, tmp_path: Path) -> Render:
    """Renders the chart with values; returns its objects by kind and name."""

    def rendered(*flags: str, **values: Any) -> Objects:
        file = tmp_path / "values.json"
        file.write_text(json.dumps(values))
        place = ("--namespace", SYSTEM, "--values", str(file))
        done = helm("template", RELEASE, str(CHART), *place, *flags)
        assert done.returncode == 0, done.stderr
        return {
            (item["kind"], item["metadata"]["name"]): item
            for item in yaml_text.documents(done.stdout)
        }

    return rendered


def rules(objects: Objects, kind: str = "ClusterRole") -> list[Manifest]:
    """The rights of the operator."""
    name = f"{SYSTEM}:kato-operator" if kind == "ClusterRole" else "kato-operator"
    found: list[Manifest] = objects[kind, name]["rules"]
    return found


def rights(render: Render, namespace: str, *, owners: bool = False) -> list[Manifest]:
    """The rights of an operator that runs in a namespace and watches no other.

    Args:
        owners: Whether admission wants more rights of those who change owners, as this server does.
    """
    wanted = {"watchNamespace": namespace, "rbac": {"ownerReferences": owners}}
    objects = render("--namespace", namespace, **wanted)
    lease: list[Manifest] = objects["Role", "kato-operator-lease"]["rules"]
    return [*rules(objects, "Role"), *lease]


@pytest.fixture
def restricted(
    kubernetes: httpx.Client, space: Namespace, operator: OperatorProcess, render: Render
) -> Iterator[OperatorProcess]:
    """The operator with a service account that has the Role of the chart."""
    operator.kill9()
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{space.name}/leases"
    assert kubernetes.delete(f"{leases}/kato-operator").status_code == 200
    operator.environment["KATO_OPERATOR_INSTALLATION"] = f"{space.name}/kato-operator"
    grant(kubernetes, space.name, rights(render, space.name, owners=True))
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
    """Make the service account `operator` with these rights in its namespace."""
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
    admin = yaml_text.loaded(Path(operator.environment["KUBECONFIG"]).read_text())
    (context,) = admin["contexts"]
    context["context"]["user"] = "operator"
    return {**admin, "users": [{"name": "operator", "user": {"token": token}}]}
