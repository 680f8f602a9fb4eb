"""What a changed storage class does to claims: only those without a volume are made again."""

from typing import Any, cast

import pytest

from kato_operator import names
from kato_operator.cluster.cluster import Cluster
from kato_operator.errors import RefusedError
from kato_operator.reconcile import classes

Manifest = dict[str, Any]
NAME = ("StatefulSet", "prod-redis")
MARKED = {names.CLASS_CHANGES_ANNOTATION: "true"}


def workload(chosen: str | None, **meta: Any) -> Manifest:
    template = {"metadata": {"name": "data"}, "spec": of_class(chosen)}
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "prod-redis", "labels": {names.COMPONENT_LABEL: "redis"}, **meta},
        "spec": {"volumeClaimTemplates": [template]},
    }


def of_class(chosen: str | None) -> Manifest:
    return {} if chosen is None else {"storageClassName": chosen}


def claim(chosen: str | None, phase: str = "Pending", **more: Any) -> Manifest:
    annotations = more.pop("annotations", {})
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-prod-redis-0", "annotations": annotations},
        "spec": {**of_class(chosen), **more},
        "status": {"phase": phase},
    }


def test_the_same_class_changes_nothing() -> None:
    live = [workload("a"), claim("a", "Bound", volumeName="v")]
    assert classes.plan([workload("a")], live) == classes.Plan()


@pytest.mark.parametrize(("before", "after"), [("a", "b"), ("a", None), (None, "b")])
def test_unbound_claims_are_made_again_with_their_workload(
    before: str | None, after: str | None
) -> None:
    live, stuck = workload(before), claim(before)
    found = classes.plan([workload(after)], [live, stuck])
    assert found == classes.Plan(outdated=((live, (stuck,)),), held=frozenset({NAME}))


@pytest.mark.parametrize(
    "holding",
    [
        pytest.param(claim("a", "Bound", volumeName="v"), id="bound"),
        pytest.param(claim("a", volumeName="v"), id="about to be bound"),
        pytest.param(claim("a", "Lost", volumeName="v"), id="lost"),
        pytest.param(claim("a", dataSource={"kind": "VolumeSnapshot"}), id="to be restored"),
    ],
)
def test_claims_that_may_hold_data_are_never_touched(holding: Manifest) -> None:
    found = classes.plan([workload("b")], [workload("a"), holding])
    assert (found.outdated, found.claims, found.held) == ((), (), frozenset())
    assert found.refused["redis"].message == (
        "storage.className cannot become 'b': volume data-prod-redis-0 has the class 'a' and may"
        " hold data; set it back, or move the data to an instance with the other class"
    )
    left_behind = {**holding, "metadata": {"name": "data-prod-redis-0", "annotations": MARKED}}
    assert classes.plan([workload("b")], [left_behind]) == classes.Plan()


def test_marked_claims_go_before_the_workload_comes_back() -> None:
    stuck = claim("a", annotations=MARKED)
    found = classes.plan([workload("b")], [stuck])
    assert found == classes.Plan(claims=(stuck,), held=frozenset({NAME}))
    going = {**stuck, "metadata": {**stuck["metadata"], "deletionTimestamp": "now"}}
    assert classes.plan([workload("b")], [going]) == classes.Plan(held=frozenset({NAME}))
    assert classes.plan([workload("b")], [claim("z")]) == classes.Plan()


@pytest.mark.parametrize(
    ("live", "after", "is_made_again"),
    [
        pytest.param(claim("a"), "b", True, id="another"),
        pytest.param(
            claim("a", annotations={names.CLASS_NAMED_ANNOTATION: "true"}), None, True, id="none"
        ),
        pytest.param(claim("default"), None, False, id="the default, filled in by the server"),
        pytest.param(claim("a"), "a", False, id="the same"),
    ],
)
def test_the_claim_of_embedded_stores_is_made_again(
    live: Manifest, after: str | None, is_made_again: bool
) -> None:
    found = classes.plan([claim(after)], [live])
    name = ("PersistentVolumeClaim", "data-prod-redis-0")
    expected = classes.Plan(claims=(live,), held=frozenset({name}))
    assert found == (expected if is_made_again else classes.Plan())


class Forbidding:
    """A cluster in which the operator may not delete."""

    async def merge_metadata(self, live: Manifest, _: Manifest) -> Manifest:
        return live

    async def delete(self, live: Manifest, *, unchanged: bool = False) -> None:
        raise RefusedError(f"cannot delete {live['kind']}", status=403)


async def test_a_class_that_the_operator_may_not_change_is_a_condition() -> None:
    planned = classes.plan([workload("b")], [workload("a"), claim("a")])
    refused = await classes.carry_out(cast("Cluster", Forbidding()), planned)
    assert refused["redis"].message == (
        "storage.className cannot change: StatefulSet 'prod-redis' has to be made again, but:"
        " cannot delete StatefulSet"
    )


def test_a_manifest_keeps_the_class_of_the_live_object() -> None:
    assert classes.with_live_class(claim("b"), claim("a")) == claim("a")
    assert classes.with_live_class(claim("b"), None) == claim("b")
