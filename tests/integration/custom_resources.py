"""CRDs on the API server: added until they are served, and removed until they are gone."""

from collections.abc import Iterator

import httpx
import pytest
from apiserver import Manifest

from support.waiting import until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MONITORS = "servicemonitors.monitoring.coreos.com"
MONITORS_PATH = "/apis/monitoring.coreos.com/v1/servicemonitors"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
MONITOR_CRD: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": MONITORS},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {
            "kind": "ServiceMonitor",
            "listKind": "ServiceMonitorList",
            "plural": "servicemonitors",
            "singular": "servicemonitor",
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "properties": {"spec": ANYTHING}},
                },
            }
        ],
    },
}
"""The kind of the Prometheus operator, as far as children need it."""


def add_crd(client: httpx.Client, crd: Manifest) -> None:
    def is_added() -> bool:
        return client.post(CRDS, json=crd).status_code in (201, 409)

    def is_established() -> bool:
        found = client.get(f"{CRDS}/{crd['metadata']['name']}").json()
        conditions = (found.get("status") or {}).get("conditions") or ()
        return any((it["type"], it["status"]) == ("Established", "True") for it in conditions)

    until(is_added, "the CRD being accepted")
    until(is_established, "the CRD being established")


def remove_crd(client: httpx.Client, name: str) -> None:
    client.delete(f"{CRDS}/{name}")
    until(lambda: client.get(f"{CRDS}/{name}").status_code == 404, "the CRD being gone")


@pytest.fixture(scope="module")
def monitors(kubernetes: httpx.Client) -> Iterator[None]:
    """The kind ServiceMonitor, as long as the tests of the module run."""
    add_crd(kubernetes, MONITOR_CRD)
    until(lambda: kubernetes.get(MONITORS_PATH).status_code == 200, "the kind ServiceMonitor")
    yield
    remove_crd(kubernetes, MONITORS)
    until(lambda: kubernetes.get(MONITORS_PATH).status_code == 404, "no kind ServiceMonitor")
