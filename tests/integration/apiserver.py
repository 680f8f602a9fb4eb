"""A real API server without controllers and nodes, and the operator as a process.

Tests do the work of what is missing: controllers that report workloads, the garbage collector.
"""

import os
import re
import signal
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import audit_log
import httpx
import pytest

from binaries import CACHE
from control_plane import ControlPlane, api_server
from support import patient
from support.forked import OPERATOR, Process, started
from support.servers import free_port
from support.waiting import until

REPOSITORY = Path(__file__).resolve().parents[2]
Manifest = dict[str, Any]
T = TypeVar("T")
MERGE = {"Content-Type": "application/merge-patch+json"}
INSTANCE = "kato.dev/instance"
PATHS = {
    "KatoInstance": "apis/kato.dev/v1alpha1/{}/katoinstances",
    "Secret": "api/v1/{}/secrets",
    "ConfigMap": "api/v1/{}/configmaps",
    "Service": "api/v1/{}/services",
    "ServiceAccount": "api/v1/{}/serviceaccounts",
    "PersistentVolumeClaim": "api/v1/{}/persistentvolumeclaims",
    "Deployment": "apis/apps/v1/{}/deployments",
    "StatefulSet": "apis/apps/v1/{}/statefulsets",
    "PodDisruptionBudget": "apis/policy/v1/{}/poddisruptionbudgets",
    "NetworkPolicy": "apis/networking.k8s.io/v1/{}/networkpolicies",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2/{}/horizontalpodautoscalers",
    "Ingress": "apis/networking.k8s.io/v1/{}/ingresses",
    "ServiceMonitor": "apis/monitoring.coreos.com/v1/{}/servicemonitors",
    "Event": "api/v1/{}/events",
    "Pod": "api/v1/{}/pods",
}
CHILDREN = [kind for kind in PATHS if kind not in ("KatoInstance", "Event", "Pod")]
WORKLOADS = ("Deployment", "StatefulSet")


@dataclass(frozen=True)
class Namespace:
    """A namespace of the API server, and what controllers would do in it."""

    client: httpx.Client
    name: str

    def path(self, kind: str, name: str = "", subresource: str = "") -> str:
        parts = (PATHS[kind].format(f"namespaces/{self.name}"), name, subresource)
        return "/" + "/".join(part for part in parts if part)

    def get(self, kind: str, name: str) -> Manifest | None:
        answer = self.client.get(self.path(kind, name))
        found: Manifest = answer.json()
        return found if answer.status_code == 200 else None

    def list(self, kind: str) -> list[Manifest]:
        """The objects of a kind; none where the API server does not serve it."""
        answer = self.client.get(self.path(kind))
        items: list[Manifest] = [] if answer.status_code == 404 else answer.json()["items"]
        return [{**item, "kind": kind} for item in items]

    def create(self, kind: str, name: str, **fields: Any) -> Manifest:
        body = {"metadata": {"name": name}, **fields}
        if kind == "KatoInstance":
            body |= {"apiVersion": "kato.dev/v1alpha1", "kind": kind}
        answer = self.client.post(self.path(kind), json=body)
        assert answer.status_code == 201, answer.text
        created: Manifest = answer.json()
        return created

    def patch(self, kind: str, name: str, patch: Manifest, subresource: str = "") -> Manifest:
        path = self.path(kind, name, subresource)
        answer = self.client.patch(path, json=patch, headers=MERGE)
        assert answer.status_code == 200, answer.text
        patched: Manifest = answer.json()
        return patched

    def delete(self, kind: str, name: str) -> None:
        answer = self.client.delete(self.path(kind, name))
        assert answer.status_code == 200, answer.text

    def children(self) -> dict[tuple[str, str], Manifest]:
        """Every object with the label of an instance, by kind and name."""
        return {
            (kind, item["metadata"]["name"]): item
            for kind in CHILDREN
            for item in self.list(kind)
            if INSTANCE in item["metadata"].get("labels", {})
        }

    def versions(self) -> dict[tuple[str, str], str]:
        """The resourceVersion of every object, labelled or not."""
        return {
            (kind, item["metadata"]["name"]): item["metadata"]["resourceVersion"]
            for kind in PATHS
            for item in self.list(kind)
        }

    def bring_up(self) -> None:
        """Give every workload the status of a completed rollout, as autoscalers want it."""
        self._autoscale()
        for kind in WORKLOADS:
            for item in self.list(kind):
                wanted = item["spec"]["replicas"]
                counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), wanted)
                generation = item["metadata"]["generation"]
                status = {"observedGeneration": generation, "availableReplicas": wanted, **counts}
                if any(item.get("status", {}).get(name) != value for name, value in status.items()):
                    self.patch(kind, item["metadata"]["name"], {"status": status}, "status")

    def _autoscale(self) -> None:
        """Keep Deployments within the limits of their autoscalers, which do not touch 0 pods."""
        for scaler in self.list("HorizontalPodAutoscaler"):
            limits, name = scaler["spec"], scaler["spec"]["scaleTargetRef"]["name"]
            pods = ((self.get("Deployment", name) or {}).get("spec", {})).get("replicas", 0)
            allowed = min(max(pods, limits["minReplicas"]), limits["maxReplicas"])
            if pods and pods != allowed:
                self.patch("Deployment", name, {"spec": {"replicas": allowed}}, "scale")

    def collect_garbage(self, uid: str) -> bool:
        """Delete what a deleted object owned; tells whether nothing of it was left."""
        owned = [
            kind_and_name
            for kind_and_name, child in self.children().items()
            if any(owner["uid"] == uid for owner in child["metadata"].get("ownerReferences", ()))
        ]
        for kind, name in owned:
            self.delete(kind, name)
        return not owned

    def status(self, name: str = "prod") -> Manifest:
        found = self.get("KatoInstance", name) or {}
        status: Manifest = found.get("status", {})
        return status

    def condition(self, kind: str, name: str = "prod") -> Manifest:
        return _condition(self.status(name), kind)

    def await_condition(self, kind: str, status: str, reason: str = "") -> Manifest:
        def look() -> Manifest | None:
            found = self.condition(kind)
            matches = found.get("status") == status and reason in ("", found["reason"])
            return found if matches else None

        return until(look, f"{kind}={status} {reason}")

    def await_ready(self, name: str = "prod") -> Manifest:
        """Bring up workloads until the instance is Ready for its newest generation."""

        def look() -> Manifest | None:
            self.bring_up()
            instance = self.get("KatoInstance", name)
            assert instance is not None
            ready = _condition(instance.get("status", {}), "Ready")
            is_current = ready.get("observedGeneration") == instance["metadata"]["generation"]
            return instance if is_current and ready["status"] == "True" else None

        return until(look, f"{name} Ready")


def _condition(status: Manifest, kind: str) -> Manifest:
    return next((item for item in status.get("conditions", ()) if item["type"] == kind), {})


@dataclass
class OperatorProcess:
    """The operator as a process that watches one namespace."""

    environment: dict[str, str]
    log: Path
    port: int
    process: Process | None = field(default=None, repr=False)

    def start(self) -> None:
        self.launch()
        self.await_readiness()

    def launch(self) -> None:
        """Start it without waiting until it is ready."""
        with self.log.open("ab") as log:
            self.process = started(OPERATOR, self.environment, log, Path.cwd())

    def await_readiness(self) -> None:
        until(self.is_ready, "the operator being ready")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        with suppress(httpx.TransportError):
            return patient.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200
        return False

    def passes(self, result: str = "done") -> int:
        text = patient.get(f"http://127.0.0.1:{self.port}/metrics").text
        found = re.search(rf'reconciles_total{{result="{result}"}} (\d+)', text)
        return int(found[1]) if found else 0

    def await_passes(self, number: int) -> None:
        """Wait for this many more passes."""
        target = self.passes() + number
        until(lambda: self.passes() >= target, f"{number} passes")

    def await_nudged(self, space: Namespace, name: str = "prod") -> None:
        """Wait for a pass that starts after this call."""
        for _ in range(2):  # the first may count a pass that started earlier
            self._await_nudged_once(space, name)

    def _await_nudged_once(self, space: Namespace, name: str) -> None:
        target = self.passes() + 1
        space.patch("KatoInstance", name, {"metadata": {"annotations": {"a": uuid4().hex}}})
        until(lambda: self.passes() >= target, "a pass")

    def leads(self) -> bool:
        """Whether this process is the one of its installation that writes."""
        with suppress(httpx.TransportError):
            text = patient.get(f"http://127.0.0.1:{self.port}/metrics").text
            return "kato_operator_leader 1.0" in text
        return False

    def send(self, sent: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(sent)

    def stop(self) -> None:
        """End it as Kubernetes does first."""
        self.send(signal.SIGTERM)
        assert self.process is not None
        assert self.process.wait(timeout=60) == 0
        self.process = None

    def kill9(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=60)
            self.process = None


def claim(space: Namespace, name: str, component: str, **spec: Any) -> Manifest:
    """A claim as the StatefulSet's controller would create it."""
    labels = {
        "app.kubernetes.io/managed-by": "kato-operator",
        INSTANCE: "prod",
        "app.kubernetes.io/component": component,
    }
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Gi"}},
        **spec,
    }
    body = {"metadata": {"name": name, "labels": labels}, "spec": wanted}
    answer = space.client.post(space.path("PersistentVolumeClaim"), json=body)
    assert answer.status_code == 201, answer.text
    created: Manifest = answer.json()
    return created


def bound_claim(space: Namespace, name: str, component: str, **status: Any) -> None:
    """A claim that is bound to a volume of a class whose volumes can grow."""
    storage_class = {
        "metadata": {"name": space.name},
        "provisioner": "example.com/none",
        "allowVolumeExpansion": True,
    }
    answer = space.client.post("/apis/storage.k8s.io/v1/storageclasses", json=storage_class)
    assert answer.status_code in (201, 409), answer.text
    claim(space, name, component, storageClassName=space.name, volumeName="volume")
    bound = {"status": {"phase": "Bound", **status}}
    space.patch("PersistentVolumeClaim", name, bound, "status")


def requested_size(space: Namespace, claim: str) -> str:
    found = space.get("PersistentVolumeClaim", claim) or {}
    return str(found["spec"]["resources"]["requests"]["storage"])


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server and etcd with our CRD, without controllers and nodes."""
    if "KATO_TESTBED_BIN" not in os.environ and not (CACHE / "testbed").exists():
        pytest.skip("no kube-apiserver: set KATO_TESTBED_BIN or run testbed.py binaries")
    directory = tmp_path_factory.mktemp("k8s")
    flags = audit_log.flags(directory)
    with api_server(directory, controller_manager=False, flags=flags) as plane:
        crd = REPOSITORY / "crds" / "kato.dev_katoinstances.yaml"
        plane.install_crd(crd)
        yield plane


@pytest.fixture(scope="session")
def kubernetes(control_plane: Any) -> Iterator[httpx.Client]:
    """A client of the API server with the rights of its administrator."""
    context = ssl.create_default_context(cafile=str(control_plane.pki / "ca.crt"))
    context.load_cert_chain(control_plane.pki / "admin.crt", control_plane.pki / "admin.key")
    url = f"https://{control_plane.address}:{control_plane.port}"
    with httpx.Client(base_url=url, verify=context, timeout=patient.PATIENCE_S) as client:
        yield client


@pytest.fixture
def namespace(kubernetes: httpx.Client) -> str:
    """A namespace for this test alone."""
    return new_namespace(kubernetes)


def new_namespace(kubernetes: httpx.Client) -> str:
    name = f"test-{uuid4().hex[:8]}"
    response = kubernetes.post("/api/v1/namespaces", json={"metadata": {"name": name}})
    assert response.status_code == 201, response.text
    return name


@pytest.fixture
def space(kubernetes: httpx.Client, namespace: str) -> Namespace:
    return Namespace(kubernetes, namespace)


def operator_of(namespace: str, kubeconfig: Path, log: Path) -> OperatorProcess:
    """An operator of one namespace, not started yet."""
    port = free_port()
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "KATO_OPERATOR_NAMESPACE": namespace,
        "KATO_OPERATOR_DEEP_CHECKS": "false",
        "KATO_OPERATOR_HTTP_PORT": str(port),
        "KATO_OPERATOR_RECHECK_S": "0.5",
        "KATO_OPERATOR_PROCESS": "pod",  # started again, it takes over from itself at once
        "KATO_OPERATOR_LOG_FORMAT": "console",
    }
    return OperatorProcess(environment, log, port)


@pytest.fixture
def operator(control_plane: Any, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    yield from new_operator(control_plane, namespace, tmp_path / "operator.log")


def new_operator(control_plane: Any, namespace: str, log: Path) -> Iterator[OperatorProcess]:
    """An operator that runs until the iterator ends; then its log must tell of no crash."""
    process = operator_of(namespace, control_plane.kubeconfig, log)
    process.start()
    yield process
    process.kill9()
    text = log.read_text()
    assert "pass crashed" not in text, text[-4000:]


@pytest.fixture
def ready(space: Namespace, operator: OperatorProcess) -> Manifest:
    """A minimal instance that is Ready."""
    space.create("KatoInstance", "prod")
    return space.await_ready()
