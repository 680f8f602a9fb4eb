"""The steps of a rotation: in any order of edits, no pod has a value that its store refuses."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from kato_operator import names
from kato_operator.children import Facts
from kato_operator.children.service import config_hash
from kato_operator.crd.instance import KatoInstance, parse
from kato_operator.reconcile import rotation, rotation_words
from kato_operator.reconcile.rotation import STORES, Credentials, Evidence
from kato_operator.status.verdict import Verdict

META = {"name": "prod", "namespace": "kato", "uid": "u"}
BEGAN, LATER = "2030-01-01T00:00:00Z", "2030-01-01T00:10:00Z"
WAITS = Verdict(False, names.REASON_UNHEALTHY, "PING failed")
ROLLS = Verdict(False, names.REASON_ROLLING_OUT, "0/1 pods run the new template")
OPERATOR = names.MONGODB_OPERATOR_PASSWORD


def instance(**spec: Any) -> KatoInstance:
    return parse({"metadata": META, "spec": spec})


def wishes(value: str = "a") -> dict[str, str]:
    return {name: f"{name}-{value}" for name in (*STORES, OPERATOR, names.SERVICE_API_KEY)}


def steady() -> Credentials:
    return rotation.recorded(instance(), {}, "", wishes())


def step(known: Credentials, wished: dict[str, str], **found: Any) -> Credentials:
    evidence = Evidence(found.get("waits", {}), found.get("unsettled"), found.get("operator"))
    return rotation.stepped(known, wished, evidence, now=BEGAN)


@dataclass
class World:
    """What stores accept, and what the pods of the service use, as far behind as they like."""

    known: Credentials = field(default_factory=steady)
    wished: dict[str, str] = field(default_factory=wishes)
    told: Credentials = field(default_factory=steady)
    """What the stores have read so far."""
    pods: list[Credentials] = field(default_factory=lambda: [steady()])

    def accepts(self, name: str, value: str | None) -> bool:
        told = self.told
        return value in (told.in_use[name], told.rotation.others.get(name))

    def waits(self) -> dict[str, Verdict]:
        others = self.known.rotation.others
        return {it: WAITS for it in others if not self.accepts(it, others[it])}

    def unsettled(self) -> Verdict | None:
        used = self.known.in_use
        return None if all(pod.in_use == used for pod in self.pods) else ROLLS

    def reconcile(self) -> None:
        """A pass; nothing is remembered but what the connections Secret holds."""
        evidence = Evidence(self.waits(), self.unsettled(), "")
        self.known = rotation.stepped(self.known, self.wished, evidence, now=BEGAN)

    def check(self) -> None:
        for pod in self.pods:
            for name in STORES:
                assert self.accepts(name, pod.in_use[name]), name
            users = {self.told.rotation.user, self.told.rotation.other_user}
            assert pod.rotation.user in users


@pytest.mark.parametrize("seed", range(20))
def test_no_pod_ever_has_a_value_that_its_store_refuses(seed: int) -> None:
    rng, world = random.Random(seed), World()

    def edit() -> None:
        name = rng.choice([*STORES, OPERATOR])
        world.wished = {**world.wished, name: f"{name}-{rng.choice('abcd')}"}

    def tell() -> None:
        world.told = world.known

    def replace_pod() -> None:
        world.pods = [*world.pods[1:], world.known][-3:]

    def surge() -> None:
        world.pods = [*world.pods, world.known][-3:]

    for _ in range(300):
        rng.choice([edit, world.reconcile, world.reconcile, tell, replace_pod, surge])()
        world.check()
    for _ in range(20):
        world.reconcile()
        tell()
        world.pods = [world.known]
        world.check()
    assert world.known.in_use == world.wished
    assert not rotation.is_changing(world.known)


def test_a_value_goes_through_three_steps_and_two_users_of_mongodb() -> None:
    name = names.MONGODB_SERVICE_PASSWORD
    wished = {**wishes(), name: "new"}
    begun = step(steady(), wished)
    assert (begun.in_use[name], begun.rotation.others) == (wishes()[name], {name: "new"})
    assert step(begun, wished, waits={name: WAITS}) == begun
    used = step(begun, wished)
    assert (used.in_use[name], used.rotation.others) == ("new", {name: wishes()[name]})
    assert (used.rotation.user, used.rotation.since) == ("kato-service-2", BEGAN)
    assert step(used, wished, unsettled=ROLLS) == used
    done = step(used, wished)
    assert (done.rotation.others, done.rotation.since) == ({}, "")
    assert done.rotation.user == "kato-service-2"


def test_a_value_that_no_pod_uses_yet_is_taken_back_at_once() -> None:
    name = names.REDIS_PASSWORD
    begun = step(steady(), {**wishes(), name: "wrong"})
    assert step(begun, wishes(), waits={name: WAITS}).rotation.others == {}


def test_a_value_taken_back_in_the_rollout_exchanges_the_two() -> None:
    name = names.REDIS_PASSWORD
    used = step(step(steady(), {**wishes(), name: "new"}), {**wishes(), name: "new"})
    back = step(used, wishes(), unsettled=ROLLS)
    assert (back.in_use[name], back.rotation.others) == (wishes()[name], {name: "new"})


def test_the_operators_password_of_before_is_kept_until_a_login_shows_the_new_one() -> None:
    wished = {**wishes(), OPERATOR: "new"}
    begun = step(steady(), wished)
    assert (begun.in_use[OPERATOR], begun.rotation.earlier) == ("new", (wishes()[OPERATOR],))
    assert step(begun, wished, operator="refused") == begun
    again = step(begun, {**wished, OPERATOR: "newest"})
    assert again.rotation.earlier == ("new", wishes()[OPERATOR])
    back = step(again, wishes())
    assert back.rotation.earlier == ("newest", "new")
    assert step(back, wishes(), operator="").rotation.earlier == ()


def test_values_of_stores_that_are_not_managed_are_used_at_once() -> None:
    embedded = {"redis": {"mode": "Embedded"}}
    live = {names.REDIS_PASSWORD: "old", f"{names.REDIS_PASSWORD}.other": "older"}
    known = rotation.recorded(instance(**embedded), live, "", wishes())
    assert known.in_use == wishes()
    assert known.rotation.others == {}


def deployment(facts: Facts, **status: Any) -> dict[str, Any]:
    annotations = {names.CONFIG_HASH_ANNOTATION: config_hash(instance(), facts)}
    counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), 1)
    return {
        "kind": "Deployment",
        "metadata": {"name": "prod", "generation": 1},
        "spec": {"replicas": 1, "template": {"metadata": {"annotations": annotations}}},
        "status": {"observedGeneration": 1, **counts, **status},
    }


def pod(**meta: Any) -> dict[str, Any]:
    labels = {names.COMPONENT_LABEL: names.SERVICE}
    return {"kind": "Pod", "metadata": {"name": "p", "labels": labels, **meta}, "status": {}}


def test_pods_that_end_may_still_use_the_value_of_before() -> None:
    facts = Facts({}, wishes(), {}, "1")
    live = [deployment(facts), pod(), pod(deletionTimestamp=BEGAN)]
    found = rotation.unsettled(instance(), facts, live)
    assert found is not None
    assert found.message == "waiting for old pods to end (1 left)"
    assert rotation.unsettled(instance(), facts, live[:2]) is None
    other = replace(facts, credentials=wishes("b"))
    assert rotation.unsettled(instance(), other, live[:2]) is not None


def test_a_rollout_without_progress_is_in_the_way() -> None:
    facts = Facts({}, wishes(), {}, "1")
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    live = [deployment(facts, readyReplicas=0, conditions=[late])]
    found = rotation.unsettled(instance(), facts, live)
    assert found is not None
    assert found.blocked


def said(known: Credentials, wished: dict[str, str], now: str, **found: Any) -> Verdict:
    evidence = Evidence(found.get("waits", {}), found.get("unsettled"), found.get("operator"))
    verdict = rotation_words.verdict(instance(), known, wished, evidence, now=now)
    assert verdict is not None
    return verdict


def test_a_store_that_takes_too_long_makes_a_rotation_stuck() -> None:
    name = names.REDIS_PASSWORD
    wished = {**wishes(), name: "new"}
    begun = step(steady(), wished)
    soon = said(begun, wished, BEGAN, waits={name: WAITS})
    assert (soon.reason, soon.blocked) == ("CredentialsRotating", False)
    assert soon.message == "redis-password: waiting for redis to accept the new value (PING failed)"
    late = said(begun, wished, LATER, waits={name: WAITS})
    assert (late.reason, late.blocked) == ("RotationStuck", True)
    assert late.message == (
        "redis-password: redis does not accept the new value since 2030-01-01T00:00:00Z"
        " (PING failed); the service keeps using the one of before;"
        " delete the pod of Redis, which then starts with both values;"
        " to go back, set redis-password in Secret 'prod-credentials'"
        " to redis-password of 'prod-connections'"
    )


def test_a_slow_rollout_is_no_reason_to_call_a_rotation_stuck() -> None:
    name = names.QDRANT_API_KEY
    wished = {**wishes(), name: "new"}
    begun = step(steady(), wished)
    assert said(begun, wished, LATER, waits={name: ROLLS}).reason == "CredentialsRotating"
    used = step(begun, wished)
    assert said(used, wished, LATER, unsettled=ROLLS).reason == "CredentialsRotating"
    stuck = said(used, wished, BEGAN, unsettled=replace(ROLLS, blocked=True))
    assert stuck.reason == "RotationStuck"
    assert stuck.message.endswith(
        "to go back, set qdrant-api-key in Secret 'prod-credentials'"
        " to qdrant-api-key.other of 'prod-connections'"
    )


def test_values_that_cannot_be_applied_are_not_called_on_their_way() -> None:
    wished = {**wishes(), names.REDIS_PASSWORD: "b"}
    blocker = Verdict.blocked_by(names.REASON_MISSING_SECRET, "Secret 'tls' does not exist")
    found = rotation_words.verdict(
        instance(), step(steady(), wished), wished, Evidence({}, None), now=BEGAN, blocker=blocker
    )
    assert found is not None
    assert found.message == (
        "changed values (redis-password) cannot be applied: Secret 'tls' does not exist"
    )


def test_a_third_value_is_said_to_come_next() -> None:
    name = names.REDIS_PASSWORD
    used = step(step(steady(), {**wishes(), name: "b"}), {**wishes(), name: "b"})
    found = said(used, {**wishes(), name: "c"}, BEGAN, unsettled=ROLLS)
    assert "the value that is in the Secret now comes next" in found.message


def test_no_word_holds_a_value() -> None:
    wished = wishes("b")
    begun = step(steady(), wished)
    for known in (begun, step(begun, wished)):
        text = said(known, wished, LATER, operator="refused").message
        assert not [it for it in (*wishes().values(), *wished.values()) if it in text]
