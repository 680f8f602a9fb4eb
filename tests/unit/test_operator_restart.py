"""What a pass does when it may not evict a pod that it has to replace."""

from typing import Any, cast

import pytest

from kato_operator import names
from kato_operator.cluster.cluster import Cluster
from kato_operator.crd.instance import parse
from kato_operator.errors import TransientError
from kato_operator.reconcile.one_pass import Pass
from kato_operator.reconcile.reconciler import Reconciler

LABELS = {names.COMPONENT_LABEL: names.MONGODB, "controller-revision-hash": "old"}
WORKLOAD = {
    "kind": "StatefulSet",
    "metadata": {"name": "prod-mongodb", "uid": "s", "generation": 1},
    "spec": {"replicas": 1, "updateStrategy": {"type": "OnDelete"}},
    "status": {"observedGeneration": 1, "updateRevision": "new"},
}
POD = {
    "kind": "Pod",
    "metadata": {
        "name": "prod-mongodb-0",
        "uid": "p",
        "labels": LABELS,
        "ownerReferences": [{"uid": "s"}],
    },
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


class Guarded:
    """A cluster that refuses every eviction with this status."""

    def __init__(self, status: int) -> None:
        self.status = status

    def children(self, _: object) -> tuple[dict[str, Any], ...]:
        return (WORKLOAD, POD)

    async def evict(self, _: object) -> None:
        raise TransientError("a disruption budget forbids it", status=self.status)


async def restarted(status: int) -> tuple[Pass, float | None]:
    cluster = cast(Cluster, Guarded(status))
    reconciler = Reconciler(cluster, checks=None, images={}, version="0", recheck_s=30.0)
    instance = parse({"metadata": {"name": "prod", "namespace": "kato", "uid": "u"}})
    this = await reconciler._with_restarts(Pass({}, instance))
    return this, reconciler._next_pass_s(this)


async def test_a_refused_eviction_is_noted_and_retried() -> None:
    this, next_s = await restarted(429)
    said = "pod prod-mongodb-0 cannot be replaced yet, retrying: a disruption budget forbids it"
    assert (this.notes, next_s) == ((said,), 30.0)


async def test_an_eviction_that_fails_otherwise_repeats_the_pass() -> None:
    with pytest.raises(TransientError):
        await restarted(500)
