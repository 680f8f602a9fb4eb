"""``kubectl wait --for=condition=Ready`` returns when what was edited runs, and not before.

EDITS is the number of edits, SEED chooses them; ``EDITS=100 make e2e PYTEST_ARGS="-k waiting"``
is the long form.
"""

import json
import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from clusters import Cluster
from commands import say
from instances import is_pod_ready, labelled

NAME = "waited"
EDITS = int(os.environ.get("EDITS", "2"))
SEED = int(os.environ.get("SEED", "20261129"))
LABELS = f"kato.dev/instance={NAME}"
FEW = {"requests": {"cpu": "20m", "memory": "64Mi"}}
SPEC = {
    "deletionPolicy": "Delete",
    "service": {"resources": FEW, "env": [{"name": "MARK", "value": "0"}]},
    "redis": {"managed": {"storage": {"size": "1Gi"}}},
    "mongodb": {"managed": {"storage": {"size": "1Gi"}}},
    "qdrant": {"mode": "Disabled"},
}
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def waited(cluster: Cluster) -> Iterator[None]:
    instance = {"apiVersion": "kato.dev/v1alpha1", "kind": "KatoInstance"}
    manifest = {**instance, "metadata": {"name": NAME}, "spec": SPEC}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    yield
    cluster.kubectl("delete", "katoinstance", NAME, "--cascade=foreground", timeout_s=240)


class Edits:
    """What a user may change, and what must run once the instance is Ready again."""

    def __init__(self, cluster: Cluster, random: Random) -> None:
        self._cluster = cluster
        self._random = random
        self._number = 0
        self.replicas = 1
        self.mark = "0"

    def one(self) -> str:
        """Make an edit at random; gives its name."""
        self._number += 1
        edit = self._random.choice([self.scale, self.configure, self.roll_a_store, self.nap])
        edit()
        return edit.__name__

    def scale(self) -> None:
        self.replicas = 3 - self.replicas
        self._patch({"service": {"replicas": self.replicas}})

    def configure(self) -> None:
        self.mark = str(self._number)
        self._patch({"service": {"env": [{"name": "MARK", "value": self.mark}]}})

    def roll_a_store(self) -> None:
        cpu = {"requests": {"cpu": f"{20 + self._number}m", "memory": "64Mi"}}
        store = self._random.choice(["redis", "mongodb"])
        self._patch({store: {"managed": {"resources": cpu}}})

    def nap(self) -> None:
        """Hibernate until nothing runs, and wake."""
        self._patch({"hibernate": True})
        phase = "--for=jsonpath={.status.phase}=Hibernated"
        self._cluster.kubectl("wait", phase, f"kato/{NAME}", "--timeout=240s", timeout_s=250)
        assert not live(self._cluster, "pod")
        self._patch({"hibernate": False})

    def _patch(self, spec: Manifest) -> None:
        patch = json.dumps({"spec": spec})
        self._cluster.kubectl("patch", "kato", NAME, "--type=merge", "-p", patch)


def live(cluster: Cluster, kind: str) -> list[Manifest]:
    return labelled(cluster, kind, LABELS)


def unfinished(workload: Manifest) -> bool:
    """Whether a workload still has pods that are not ready, or not of its newest template."""
    meta, spec, status = workload["metadata"], workload["spec"], workload.get("status", {})
    if status.get("observedGeneration") != meta["generation"]:
        return True
    counts = ("replicas", "updatedReplicas", "readyReplicas")
    return any(status.get(count, 0) != spec["replicas"] for count in counts)


@pytest.mark.usefixtures("waited")
def test_kubectl_wait_never_returns_early(cluster: Cluster) -> None:
    edits = Edits(cluster, Random(SEED))
    for number in range(EDITS + 1):
        edit = edits.one() if number else "creation"
        cluster.kubectl(
            "wait", "--for=condition=Ready", f"kato/{NAME}", "--timeout=240s", timeout_s=250
        )
        workloads = [item for kind in ("deployment", "statefulset") for item in live(cluster, kind)]
        pods = live(cluster, "pod")
        said = f"{edit}, the edit {number} of SEED={SEED}"
        assert [item["metadata"]["name"] for item in workloads if unfinished(item)] == [], said
        marks = [mark(pod) for pod in pods if is_of_service(pod) and is_pod_ready(pod)]
        assert marks.count(edits.mark) == edits.replicas, (said, marks)
        say(f"  {said}: Ready, and so it was")


def is_of_service(pod: Manifest) -> bool:
    labels: Manifest = pod["metadata"]["labels"]
    return bool(labels["app.kubernetes.io/component"] == "service")


def mark(pod: Manifest) -> str:
    """The value of MARK that a pod of the service has."""
    (container,) = pod["spec"]["containers"]
    (value,) = (item["value"] for item in container["env"] if item["name"] == "MARK")
    return str(value)
