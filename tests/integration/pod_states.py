"""What controllers and kubelets would report of pods, on an API server without them."""

from collections.abc import Sequence
from typing import Any

from apiserver import Manifest, Namespace

LABELS = {
    "app.kubernetes.io/managed-by": "kato-operator",
    "kato.dev/instance": "prod",
}


def event(space: Namespace, about: Manifest, reason: str, text: str, second: int) -> None:
    """An Event as a controller or a kubelet writes it; a later second is newer."""
    meta = about["metadata"]
    involved = {"kind": about["kind"], **{key: meta[key] for key in ("name", "namespace", "uid")}}
    answer = space.client.post(
        space.path("Event"),
        json={
            "metadata": {"name": f"{meta['name']}.{reason.lower()}{second}"},
            "type": "Normal" if reason.startswith("Successful") else "Warning",
            "reason": reason,
            "message": text,
            "involvedObject": involved,
            "lastTimestamp": f"2030-01-01T00:00:{second:02}Z",
        },
    )
    assert answer.status_code == 201, answer.text


def pod(
    space: Namespace,
    owner: Manifest,
    component: str,
    revision: str = "",
    *,
    volumes: Sequence[Manifest] = (),
    **status: Any,
) -> Manifest:
    """A pod as the controller of *owner* makes it, with the status that a kubelet reports."""
    meta = owner["metadata"]
    labels = {**LABELS, "app.kubernetes.io/component": component}
    labels |= {"controller-revision-hash": revision} if revision else {}
    reference = {"apiVersion": "apps/v1", "kind": owner["kind"], "controller": True}
    owners = [{**reference, "name": meta["name"], "uid": meta["uid"]}]
    containers = [{"name": component, "image": "a:1", "resources": {"limits": {"memory": "9Mi"}}}]
    body = {
        "metadata": {"name": f"{meta['name']}-0", "labels": labels, "ownerReferences": owners},
        "spec": {
            "containers": containers,
            "serviceAccountName": "prod",
            "volumes": list(volumes),
        },
    }
    answer = space.client.post(f"/api/v1/namespaces/{space.name}/pods", json=body)
    assert answer.status_code == 201, answer.text
    made: Manifest = answer.json()
    path = f"/api/v1/namespaces/{space.name}/pods/{made['metadata']['name']}/status"
    merge = {"Content-Type": "application/merge-patch+json"}
    answer = space.client.patch(path, json={"status": status}, headers=merge)
    assert answer.status_code == 200, answer.text
    return {"kind": "Pod", **made}


def without_pods(space: Namespace, kind: str, name: str) -> Manifest:
    """The workload, with a status that says that it has no pod."""
    found = space.get(kind, name)
    assert found is not None
    names = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
    counts = dict.fromkeys(names, 0)
    generation = found["metadata"]["generation"]
    space.patch(kind, name, {"status": {"observedGeneration": generation, **counts}}, "status")
    return {**found, "kind": kind}
