"""The operator on a real API server: another storage class, until a volume is bound."""

from typing import Any

import pytest
from apiserver import Manifest, Namespace, OperatorProcess, claim

from support.waiting import until

pytestmark = pytest.mark.apiserver

CLAIM = "data-prod-redis-0"


def redis_class(chosen: str | None) -> dict[str, Any]:
    return {"spec": {"redis": {"managed": {"storage": {"className": chosen}}}}}


def class_of(space: Namespace) -> str | None:
    workload = space.get("StatefulSet", "prod-redis")
    if workload is None:
        return None
    (template,) = workload["spec"]["volumeClaimTemplates"]
    found: str | None = template["spec"].get("storageClassName")
    return found


def finish_deletion(space: Namespace, name: str) -> bool:
    """What the controller that protects claims does: the claim is gone once no pod uses it."""
    found = space.get("PersistentVolumeClaim", name)
    if found is None:
        return True
    if "deletionTimestamp" in found["metadata"]:
        space.patch("PersistentVolumeClaim", name, {"metadata": {"finalizers": None}})
    return False


def test_a_wrong_class_is_corrected_and_the_stuck_claim_made_again(
    space: Namespace, operator: OperatorProcess
) -> None:
    space.create("KatoInstance", "prod", **redis_class("wrong"))
    until(lambda: class_of(space) == "wrong", "a StatefulSet")
    stuck = claim(space, CLAIM, "redis", storageClassName="wrong")
    space.patch("PersistentVolumeClaim", CLAIM, {"status": {"phase": "Pending"}}, "status")
    first = (space.get("StatefulSet", "prod-redis") or {})["metadata"]["uid"]
    space.patch("KatoInstance", "prod", redis_class("right"))
    until(lambda: space.get("StatefulSet", "prod-redis") is None, "no StatefulSet")
    operator.await_nudged(space)
    assert space.get("StatefulSet", "prod-redis") is None, "the old claim still exists"
    until(lambda: finish_deletion(space, CLAIM), "the old claim is gone")
    until(lambda: class_of(space) == "right", "a StatefulSet with the new class")
    again = space.get("StatefulSet", "prod-redis") or {}
    assert again["metadata"]["uid"] != first
    made = claim(space, CLAIM, "redis", storageClassName="right")
    assert made["metadata"]["uid"] != stuck["metadata"]["uid"]
    space.await_ready()
    assert (space.get("PersistentVolumeClaim", CLAIM) or {})["metadata"]["uid"] == (
        made["metadata"]["uid"]
    )


def test_the_change_is_finished_by_an_operator_that_was_killed_in_between(
    space: Namespace, operator: OperatorProcess
) -> None:
    space.create("KatoInstance", "prod", **redis_class("wrong"))
    until(lambda: class_of(space) == "wrong", "a StatefulSet")
    claim(space, CLAIM, "redis", storageClassName="wrong")
    space.patch("KatoInstance", "prod", redis_class(None))
    until(lambda: space.get("StatefulSet", "prod-redis") is None, "no StatefulSet")
    operator.kill9()
    operator.start()
    until(lambda: finish_deletion(space, CLAIM), "the old claim is gone")
    space.await_ready()
    assert class_of(space) is None


def test_a_paused_instance_says_that_its_class_differs(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    before = (space.get("StatefulSet", "prod-redis") or {})["metadata"]["uid"]
    changed = redis_class("right")["spec"]
    space.patch("KatoInstance", "prod", {"spec": {**changed, "paused": True}})
    said = space.await_condition("RedisReady", "False", "Paused")["message"]
    assert "prod-redis" in said
    operator.await_nudged(space)
    assert (space.get("StatefulSet", "prod-redis") or {})["metadata"]["uid"] == before
    space.patch("KatoInstance", "prod", {"spec": {"paused": False}})
    until(lambda: class_of(space) == "right", "a StatefulSet with the new class")
    space.await_ready()


def test_a_bound_claim_keeps_its_class_and_its_pods(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    bound = claim(space, CLAIM, "redis", storageClassName="old", volumeName="volume")
    space.patch("PersistentVolumeClaim", CLAIM, {"status": {"phase": "Bound"}}, "status")
    before = space.get("StatefulSet", "prod-redis") or {}
    space.patch("KatoInstance", "prod", redis_class("new"))
    said = space.await_condition("RedisReady", "False", "Refused")["message"]
    assert said == (
        "storage.className cannot become 'new': volume data-prod-redis-0 has the class 'old' and"
        " may hold data; set it back, or move the data to an instance with the other class"
    )
    operator.await_nudged(space)
    after = space.get("StatefulSet", "prod-redis") or {}
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    kept = space.get("PersistentVolumeClaim", CLAIM) or {}
    assert kept["metadata"]["uid"] == bound["metadata"]["uid"]
    space.patch("KatoInstance", "prod", redis_class(None))
    space.await_ready()


def test_the_claim_of_embedded_stores_gets_another_class_until_it_is_bound(
    space: Namespace, operator: OperatorProcess
) -> None:
    embedded = {name: {"mode": "Embedded"} for name in ("redis", "mongodb", "qdrant")}
    storage = {"embeddedStorage": {"className": "wrong"}}
    space.create("KatoInstance", "prod", spec={**embedded, "service": storage})
    first = until(lambda: space.get("PersistentVolumeClaim", "prod-data"), "a claim")
    space.patch("PersistentVolumeClaim", "prod-data", {"status": {"phase": "Pending"}}, "status")
    wanted = {"spec": {"service": {"embeddedStorage": {"className": "right"}}}}
    space.patch("KatoInstance", "prod", wanted)

    def made_again() -> Manifest | None:
        finish_deletion(space, "prod-data")
        found = space.get("PersistentVolumeClaim", "prod-data")
        is_new = found is not None and found["metadata"]["uid"] != first["metadata"]["uid"]
        return found if is_new else None

    assert until(made_again, "a new claim")["spec"]["storageClassName"] == "right"
    space.await_ready()
