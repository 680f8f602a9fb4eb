"""The order of hibernation, waking and expansion; budgets, notes, events and references."""

from typing import Any

import pytest

from kato_operator.crd.instance import KatoInstance, parse
from kato_operator.reconcile import references, rollout
from kato_operator.status import budget, events

Manifest = dict[str, Any]


def instance(**spec: Any) -> KatoInstance:
    return parse({"metadata": {"name": "prod", "namespace": "kato"}, "spec": spec})


def workload(kind: str, name: str, replicas: int | None = 1, *, running: int = 0) -> Manifest:
    counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), running)
    return {
        "kind": kind,
        "metadata": {"name": name, "generation": 1, "labels": {}, "uid": name},
        "spec": {} if replicas is None else {"replicas": replicas},
        "status": {"observedGeneration": 1, **counts},
    }


def arranged(
    found: KatoInstance, desired: list[Manifest], live: list[Manifest]
) -> tuple[Manifest, ...]:
    return rollout.arranged(found, rollout.asked(found, desired, live), live)


def service(replicas: int | None = 1, *, running: int = 0) -> Manifest:
    return workload("Deployment", "prod", replicas, running=running)


def redis(replicas: int = 1, *, running: int = 0) -> Manifest:
    return workload("StatefulSet", "prod-redis", replicas, running=running)


AUTOSCALER = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "prod"}, "spec": {}}


def replicas(found: tuple[Manifest, ...]) -> dict[str, int | None]:
    return {item["metadata"]["name"]: item["spec"].get("replicas") for item in found}


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        pytest.param([], {"prod": 0, "prod-redis": 0}, id="nothing was ever made"),
        pytest.param(
            [service(1, running=1), redis(1, running=1)],
            {"prod": 0, "prod-redis": 1},
            id="the service runs",
        ),
        pytest.param(
            [service(0, running=1), redis(1, running=1)],
            {"prod": 0, "prod-redis": 1},
            id="the service ends",
        ),
        pytest.param(
            [service(0), redis(1, running=1)], {"prod": 0, "prod-redis": 0}, id="no service"
        ),
    ],
)
def test_stores_hibernate_after_the_service(
    live: list[Manifest], expected: dict[str, int | None]
) -> None:
    wanted = [service(), redis(), AUTOSCALER]
    assert replicas(arranged(instance(hibernate=True), wanted, live)) == expected


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        pytest.param([], {"prod": 2, "prod-redis": 1}, id="nothing was ever made"),
        pytest.param([service(0), redis(0)], {"prod": 0, "prod-redis": 1}, id="all sleeps"),
        pytest.param([service(0), redis(1)], {"prod": 0, "prod-redis": 1}, id="redis starts"),
        pytest.param(
            [service(0), redis(1, running=1)], {"prod": 2, "prod-redis": 1}, id="redis is up"
        ),
        pytest.param(
            [service(2, running=2), redis(1)], {"prod": 2, "prod-redis": 1}, id="redis restarts"
        ),
    ],
)
def test_the_service_wakes_after_the_stores(
    live: list[Manifest], expected: dict[str, int | None]
) -> None:
    assert replicas(arranged(instance(), [service(2), redis()], live)) == expected


def test_an_autoscaled_service_wakes_with_its_minimum_of_pods() -> None:
    scaled = instance(service={"autoscaling": {"minReplicas": 3}})
    live = [service(0), redis(1, running=1)]
    assert replicas(arranged(scaled, [service(None)], live)) == {"prod": 3}
    assert replicas(arranged(scaled, [service(None)], [service(5)])) == {"prod": None}


def test_workloads_are_applied_last() -> None:
    config = {"kind": "ConfigMap", "metadata": {"name": "prod-config"}}
    found = arranged(instance(), [service(), redis(), config], [])
    assert [item["kind"] for item in found] == ["ConfigMap", "Deployment", "StatefulSet"]


def claim(name: str, size: str, **more: str) -> Manifest:
    spec = {"resources": {"requests": {"storage": size}}, **more}
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def redis_with_volume(size: str) -> Manifest:
    found = redis()
    template = {key: value for key, value in claim("data", size).items() if key != "kind"}
    return {**found, "spec": {**found["spec"], "volumeClaimTemplates": [template]}}


def test_claims_are_expanded_and_their_template_stays() -> None:
    live = [
        redis_with_volume("2Gi"),
        claim("data-prod-redis-0", "2Gi", volumeName="a"),
        claim("data-prod-redis-1", "3072Mi", volumeName="b"),
        claim("data-prod-redis-2", "2Gi"),
        claim("data-prod-redis-other-0", "1Gi", volumeName="c"),
        claim("data-other-0", "1Gi", volumeName="d"),
    ]
    desired = [redis_with_volume("3Gi")]
    (found,) = arranged(instance(), desired, live)
    assert found["spec"] == live[0]["spec"]
    grown = [(it.claim["metadata"]["name"], it.size) for it in rollout.expansions(desired, live)]
    assert grown == [("data-prod-redis-0", "3Gi")]


def mongodb(*args: str) -> Manifest:
    containers = [{"name": "mongodb", "command": ["sh", "-c"], "args": list(args)}]
    template = {"spec": {"containers": containers}}
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "prod-mongodb"},
        "spec": {"template": template},
    }


@pytest.mark.parametrize(
    "args",
    [("--maxConns", "200"), ("--maxConns=200",), ("exec mongod --maxConns 200 --auth",)],
)
def test_connections_are_counted_against_what_stores_accept(args: tuple[str, ...]) -> None:
    found = budget.budgets(instance(service={"replicas": 3, "workers": 2}), [mongodb(*args)])
    described = {item.store: item.described() for item in found}
    assert described == {
        "redis": {"needed": 4 * 2 * 53, "limit": 10_000},
        "mongodb": {"needed": 4 * 2 * 53, "limit": 200},
    }
    verdict = budget.verdict(found)
    assert verdict.ok
    assert verdict.message == (
        "the pools may open more connections than a store accepts"
        " (mongodb: 424 needed, 200 accepted);"
        " use smaller pools, fewer pods or workers, or a larger store"
    )


def test_an_autoscaler_counts_with_all_its_pods() -> None:
    scaled = instance(service={"autoscaling": {"maxReplicas": 9}}, redis={"mode": "Managed"})
    assert {item.needed for item in budget.budgets(scaled, [])} == {10 * 53}
    assert not budget.verdict(budget.budgets(scaled, [])).ok


def condition(kind: str, status: str, reason: str) -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "message": "why"}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(None, ("Ready", "False", "Progressing"), [], id="a new instance"),
        pytest.param(
            None, ("RedisReady", "False", "NameConflict"), [("Warning", "NameConflict")], id="new"
        ),
        pytest.param("False", ("Ready", "True", "Ready"), [("Normal", "Ready")], id="ready"),
        pytest.param(
            "True", ("Ready", "False", "CrashLoop"), [("Warning", "CrashLoop")], id="broken"
        ),
        pytest.param(
            "True", ("Ready", "False", "Progressing"), [("Normal", "Progressing")], id="an edit"
        ),
        pytest.param("True", ("Ready", "True", "Ready"), [], id="no transition"),
        pytest.param("False", ("Progressing", "True", "RollingOut"), [], id="not worth telling"),
    ],
)
def test_a_transition_is_one_event_and_a_bad_one_is_a_warning(
    before: str | None, after: tuple[str, str, str], told: list[tuple[str, str]]
) -> None:
    meta = {"name": "prod", "namespace": "kato", "uid": "u", "resourceVersion": "1"}
    known = [condition(after[0], before, "x")] if before else []
    found = events.of_transitions(
        {"metadata": meta}, {"conditions": known}, {"conditions": [condition(*after)]}, now="t"
    )
    assert [(event["type"], event["reason"]) for event in found] == told


def test_every_secret_that_a_spec_names_is_read() -> None:
    source = {"name": "a", "key": "b"}
    spec = {
        "redis": {"mode": "External", "external": {"urlSecretRef": source}},
        "mongodb": {
            "mode": "External",
            "external": {"urlSecretRef": source, "caSecretRef": source},
        },
        "qdrant": {
            "mode": "External",
            "external": {"url": "http://q", "apiKeySecretRef": source},
        },
        "service": {"auth": {"mode": "ApiKey", "apiKeySecretRef": source}},
    }
    assert {name: it.component for name, it in references.references(instance(**spec)).items()} == {
        "redis-url": "redis",
        "mongodb-url": "mongodb",
        "mongodb-ca": "mongodb",
        "qdrant-api-key": "qdrant",
        "service-api-key": "service",
    }
    assert references.references(instance()) == {}
