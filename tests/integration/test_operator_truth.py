"""No status is a lie: random operations, a cluster that takes its time, and an observer.

TRUTH_STEPS and SEED choose the length and the operations; `make operator-truth` runs 500 steps.
"""

import os
import sys
import time
from random import Random

import pytest
from apiserver import Manifest, Namespace, OperatorProcess
from fake_cluster import FakeCluster
from truth import KINDS, Observer, awake, blockers, condition_of, kstatus, problems

from support.waiting import PATIENCE_S

pytestmark = pytest.mark.apiserver

STEPS = int(os.environ.get("TRUTH_STEPS", "24"))
SEED = int(os.environ.get("SEED", "20261129"))
SETTLE_EVERY = 12
"""Steps after which the cluster comes to rest, and the status must be true exactly."""
SPEC: Manifest = {"qdrant": {"mode": "Disabled"}}


class Operations:
    """What users do to an instance and to its children."""

    def __init__(self, space: Namespace, random: Random) -> None:
        self._space = space
        self._random = random
        self._marks = 0
        self._size = 10
        self.log: list[str] = []

    def one(self) -> None:
        """Carry out one operation at random."""
        chosen = self._random.choice(
            [
                *(self.hibernate, self.hibernate, self.pause, self.scale, self.scale),
                *(self.autoscale, self.edit, self.roll_a_store, self.grow, self.policies),
                *(self.lose_a_secret, self.spoil_credentials, self.scale_a_child),
                *(self.edit_a_child, self.delete_a_child),
            ]
        )
        self.log.append(chosen.__name__)
        chosen()

    def restore(self) -> None:
        """Undo what only a user can undo."""
        self._spec({"paused": False, "service": {"tls": None}})
        self._credentials("a" * 32)

    def hibernate(self) -> None:
        self._spec({"hibernate": self._random.random() < 0.5})

    def pause(self) -> None:
        self._spec({"paused": self._random.random() < 0.4})

    def scale(self) -> None:
        self._spec({"service": {"replicas": self._random.randint(0, 3)}})

    def autoscale(self) -> None:
        least = self._random.randint(1, 3)
        limits = {"minReplicas": least, "maxReplicas": least + 2}
        self._spec({"service": {"autoscaling": self._random.choice([None, limits])}})

    def edit(self) -> None:
        self._spec({"service": {"env": [{"name": "MARK", "value": self._mark()}]}})

    def roll_a_store(self) -> None:
        requests = {"cpu": f"{self._mark()}m"}
        store = self._random.choice(["redis", "mongodb"])
        self._spec({store: {"managed": {"resources": {"requests": requests}}}})

    def grow(self) -> None:
        self._size += 1
        store = self._random.choice(["redis", "mongodb"])
        self._spec({store: {"managed": {"storage": {"size": f"{self._size}Gi"}}}})

    def policies(self) -> None:
        chosen = self._random.choice(["Enabled", "Disabled"])
        self._spec({"security": {"networkPolicy": chosen}})

    def lose_a_secret(self) -> None:
        self._spec({"service": {"tls": self._random.choice([None, {"secretName": "absent"}])}})

    def spoil_credentials(self) -> None:
        self._credentials(self._random.choice(["a" * 32, "no good"]))

    def scale_a_child(self) -> None:
        pods = self._random.randint(0, 3)
        self._child("Deployment", "prod", {"spec": {"replicas": pods}})

    def edit_a_child(self) -> None:
        annotations = {"template": {"metadata": {"annotations": {"kato.dev/config-hash": "x"}}}}
        self._child("StatefulSet", "prod-redis", {"spec": annotations})

    def delete_a_child(self) -> None:
        kind, name = self._random.choice(
            [("Deployment", "prod"), ("StatefulSet", "prod-redis"), ("ConfigMap", "prod-config")]
        )
        self._space.client.delete(self._space.path(kind, name))

    def _spec(self, spec: Manifest) -> None:
        self._space.patch("KatoInstance", "prod", {"spec": spec})

    def _credentials(self, password: str) -> None:
        self._child("Secret", "prod-credentials", {"stringData": {"redis-password": password}})

    def _child(self, kind: str, name: str, patch: Manifest) -> None:
        if self._space.get(kind, name) is not None:
            self._space.patch(kind, name, patch)

    def _mark(self) -> str:
        self._marks += 1
        return str(100 + self._marks)


def untruth(space: Namespace) -> str:
    """What is wrong with the status of an instance at rest; empty if it says what is so."""
    instance = space.get("KatoInstance", "prod")
    assert instance is not None
    state = {(kind, item["metadata"]["name"]): item for kind in KINDS for item in space.list(kind)}
    spec, status = instance["spec"], instance["status"]
    ready = condition_of(status, "Ready")
    if ready["observedGeneration"] != instance["metadata"]["generation"]:
        return "the status is of an older generation"
    is_blocked = bool(list(blockers(spec, state)))
    expected = "Failed" if is_blocked else "Current"
    awaited = "InProgress" if spec["hibernate"] or ready["reason"] == "Paused" else expected
    if kstatus(instance) != awaited and not (spec["paused"] and kstatus(instance) != "Failed"):
        return f"kstatus is {kstatus(instance)}, not {awaited}"
    if spec["hibernate"]:
        found, is_said = list(awake(state)), ready["reason"] == "Hibernated"
        may_last = spec["paused"]
    else:
        found, is_said = list(problems(spec, state)), ready["status"] == "True"
        may_last = spec["paused"] or is_blocked
    holds = not found and (spec["hibernate"] or not is_blocked)
    if holds == is_said and (holds or may_last):
        return ""
    if spec["paused"] and ready["reason"] == "Paused" and status.get("drift"):
        return ""
    reported = [f"{item['type']}: {item['message']}" for item in status["conditions"]]
    return f"{found} is what is so, but the status says {reported}"


def come_to_rest(
    space: Namespace, cluster: FakeCluster, operator: OperatorProcess, log: list[str]
) -> None:
    """Let the cluster do all that it can; then the status must be true, no less and no more."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        while cluster.settle():
            pass
        operator.await_nudged(space)
        wrong = "the cluster does not rest" if cluster.settle() else untruth(space)
        if not wrong:
            return
        assert time.monotonic() < give_up_at, f"{told(log)}: {wrong}"


def told(log: list[str]) -> str:
    return f"seed {SEED}, {len(log)} operations, the last of them {log[-SETTLE_EVERY:]}"


def refuse_lies(observer: Observer, log: list[str]) -> None:
    lies = list(observer.lies())
    assert not lies, "\n".join([told(log), *lies[:20]])


def test_every_status_is_true_when_it_is_written(
    space: Namespace, operator: OperatorProcess
) -> None:
    random = Random(SEED)
    cluster, operations = FakeCluster(space, random), Operations(space, random)
    cluster.prepare()
    observer = Observer(space)
    observer.start()
    space.create("KatoInstance", "prod", spec=SPEC)
    come_to_rest(space, cluster, operator, operations.log)
    for number in range(1, STEPS + 1):
        operations.one()
        for _ in range(random.randint(0, 4)):
            cluster.step()
        if number % SETTLE_EVERY == 0 or number == STEPS:
            come_to_rest(space, cluster, operator, operations.log)
            refuse_lies(observer, operations.log)
    operations.restore()
    space.patch("KatoInstance", "prod", {"spec": {"hibernate": False}})
    come_to_rest(space, cluster, operator, operations.log)
    refuse_lies(observer, operations.log)
    assert space.condition("Ready")["status"] == "True"
    assert observer.judged > STEPS
    judged = f"{len(operations.log)} operations, {observer.judged} status writes judged"
    sys.stdout.write(f"\nseed {SEED}: {judged}\n")
