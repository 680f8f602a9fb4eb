"""What controllers, scheduler, kubelet and autoscaler would do, one small step at a time.

The states in between are the point: a controller that has not seen a template yet, pods that are
not ready, pods that are ending, counts that are behind.
"""

import hashlib
import json
from collections.abc import Iterator
from random import Random
from uuid import uuid4

from apiserver import MERGE, WORKLOADS, Manifest, Namespace

REVISION = "controller-revision-hash"


class FakeCluster:
    """Moves the workloads of a namespace towards their specs, in an order that *random* chooses."""

    def __init__(self, space: Namespace, random: Random) -> None:
        self._space = space
        self._random = random
        self._class = {
            "metadata": {"name": space.name},
            "provisioner": "example.com/none",
            "allowVolumeExpansion": True,
        }

    def prepare(self) -> None:
        """Make what every cluster has: an account for pods, and a class of volumes that grow."""
        self._space.create("ServiceAccount", "default")
        self._space.client.post("/apis/storage.k8s.io/v1/storageclasses", json=self._class)

    def step(self) -> bool:
        """Take one of the steps that are possible; whether there was one."""
        possible = list(self._steps())
        if possible:
            self._take(self._random.choice(possible))
        return bool(possible)

    def settle(self) -> bool:
        """Take every step that is possible now; whether there was one."""
        possible = list(self._steps())
        for step in possible:
            self._take(step)
        return bool(possible)

    def _steps(self) -> Iterator[tuple[str, Manifest, Manifest]]:
        """The possible steps: what to do, to which object, on behalf of which workload."""
        pods = self._space.list("Pod")
        workloads = [item for kind in WORKLOADS for item in self._space.list(kind)]
        owners = {item["metadata"]["uid"] for item in workloads}
        for pod in pods:
            if "deletionTimestamp" in pod["metadata"]:
                yield "finish", pod, {}
            elif _owner(pod) not in owners:
                yield "delete", pod, {}
        for workload in workloads:
            uid = workload["metadata"]["uid"]
            yield from self._of_workload(workload, [pod for pod in pods if _owner(pod) == uid])
        yield from self._of_volumes(workloads)
        yield from self._of_autoscalers(workloads)

    def _of_workload(
        self, workload: Manifest, pods: list[Manifest]
    ) -> Iterator[tuple[str, Manifest, Manifest]]:
        living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        wanted, revision = workload["spec"].get("replicas", 1), _revision(workload)
        if len(living) < wanted:
            yield "create", workload, workload
        yield from (("delete", pod, workload) for pod in living[wanted:])
        on_delete = workload["spec"].get("updateStrategy", {}).get("type") == "OnDelete"
        for pod in living[:wanted]:
            if pod["metadata"]["labels"][REVISION] != revision and not on_delete:
                yield "delete", pod, workload
            elif not _is_ready(pod):
                yield "start", pod, workload
        counts = _counts(workload, living, revision)
        known = workload.get("status", {})
        if any(known.get(name, 0) != value for name, value in counts.items()):
            yield "report", {**workload, "status": counts}, workload

    def _of_volumes(self, workloads: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
        claims = {item["metadata"]["name"]: item for item in self._space.list(CLAIM)}
        for workload in workloads:
            if workload["kind"] == "StatefulSet" and workload["spec"].get("replicas", 1):
                claim = claims.get(f"data-{workload['metadata']['name']}-0")
                if claim is None:
                    yield "provision", workload, workload
                elif claim.get("status", {}).get("capacity") != _request(claim):
                    yield "resize", claim, workload

    def _of_autoscalers(
        self, workloads: list[Manifest]
    ) -> Iterator[tuple[str, Manifest, Manifest]]:
        for scaler in self._space.list("HorizontalPodAutoscaler"):
            least, most = scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]
            for workload in workloads:
                pods = workload["spec"].get("replicas", 1)
                if workload["kind"] == "Deployment" and pods and not least <= pods <= most:
                    yield "autoscale", scaler, workload

    def _take(self, step: tuple[str, Manifest, Manifest]) -> None:
        action, item, workload = step
        {
            "finish": self._finish,
            "delete": self._delete,
            "create": self._create,
            "start": self._start,
            "report": self._report,
            "provision": self._provision,
            "resize": self._resize,
            "autoscale": self._autoscale,
        }[action](item, workload)

    def _finish(self, pod: Manifest, _: Manifest) -> None:
        path = self._space.path("Pod", pod["metadata"]["name"])
        self._space.client.delete(path, params={"gracePeriodSeconds": "0"})

    def _delete(self, pod: Manifest, _: Manifest) -> None:
        self._space.client.delete(self._space.path("Pod", pod["metadata"]["name"]))

    def _create(self, workload: Manifest, _: Manifest) -> None:
        """Create the next pod; a predecessor of its name that is still ending is in the way."""
        meta, kind = workload["metadata"], workload["kind"]
        taken = {pod["metadata"]["name"] for pod in self._space.list("Pod")}
        ordinals = (f"{meta['name']}-{number}" for number in range(workload["spec"]["replicas"]))
        free = next((name for name in ordinals if name not in taken), "")
        name = free if kind == "StatefulSet" else f"{meta['name']}-{uuid4().hex[:8]}"
        owner = {
            "apiVersion": "apps/v1",
            "kind": kind,
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
        }
        labels = workload["spec"]["template"]["metadata"]["labels"]
        body = {
            "metadata": {
                "name": name,
                "labels": {**labels, REVISION: _revision(workload)},
                "ownerReferences": [owner],
            },
            "spec": {
                "nodeName": "node",  # with a node, a deletion waits for its kubelet
                "containers": [{"name": "main", "image": "image"}],
            },
        }
        if name:
            answer = self._space.client.post(self._space.path("Pod"), json=body)
            assert answer.status_code in (201, 409), answer.text

    def _start(self, pod: Manifest, _: Manifest) -> None:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": None}
        self._patch("Pod", pod, {"status": {"phase": "Running", "conditions": [ready]}})

    def _report(self, workload: Manifest, _: Manifest) -> None:
        self._patch(workload["kind"], workload, {"status": workload["status"]})

    def _provision(self, workload: Manifest, _: Manifest) -> None:
        name = f"data-{workload['metadata']['name']}-0"
        (template,) = workload["spec"]["volumeClaimTemplates"]
        spec = {**template["spec"], "storageClassName": self._space.name, "volumeName": name}
        meta = {"name": name, "labels": template["metadata"]["labels"]}
        claim = self._space.create(CLAIM, name, metadata=meta, spec=spec)
        self._resize(claim, workload)

    def _resize(self, claim: Manifest, _: Manifest) -> None:
        self._patch(CLAIM, claim, {"status": {"phase": "Bound", "capacity": _request(claim)}})

    def _autoscale(self, scaler: Manifest, workload: Manifest) -> None:
        pods = self._random.randint(scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"])
        self._space.client.patch(
            self._space.path("Deployment", workload["metadata"]["name"], "scale"),
            json={"spec": {"replicas": pods}},
            headers=MERGE,
        )

    def _patch(self, kind: str, item: Manifest, patch: Manifest) -> None:
        """Patch the status of an object that may be gone by now."""
        path = self._space.path(kind, item["metadata"]["name"], "status")
        answer = self._space.client.patch(path, json=patch, headers=MERGE)
        assert answer.status_code in (200, 404), answer.text


CLAIM = "PersistentVolumeClaim"


def _owner(pod: Manifest) -> str:
    found = pod["metadata"].get("ownerReferences", ())
    return found[0]["uid"] if found else ""


def _revision(workload: Manifest) -> str:
    text = json.dumps(workload["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _is_ready(pod: Manifest) -> bool:
    found = pod.get("status", {}).get("conditions", ())
    return any(item["type"] == "Ready" and item["status"] == "True" for item in found)


def _request(claim: Manifest) -> Manifest:
    found: Manifest = claim["spec"]["resources"]["requests"]
    return found


def _counts(workload: Manifest, living: list[Manifest], revision: str) -> Manifest:
    """The status that a controller reports about the pods that are not ending."""
    updated = [pod for pod in living if pod["metadata"]["labels"][REVISION] == revision]
    ready = sum(map(_is_ready, living))
    counts: Manifest = {
        "observedGeneration": workload["metadata"]["generation"],
        "replicas": len(living),
        "updatedReplicas": len(updated),
        "readyReplicas": ready,
        "availableReplicas": ready,
    }
    if workload["kind"] == "StatefulSet":
        counts |= {"updateRevision": revision, "currentRevision": revision}
    return counts
