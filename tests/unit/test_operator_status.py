"""The conditions that users read: what happened, why, and what to do next."""

from typing import Any

import pytest

from kato_operator.status import diagnosis, status

Manifest = dict[str, Any]

NEW = {"metadata": {"name": "prod", "namespace": "kato", "generation": 2}}


def condition(found: Manifest, kind: str) -> tuple[str, str, str]:
    seen = status.condition(found, kind)
    return seen["status"], seen["reason"], seen["message"]


def test_a_new_generation_is_being_applied_until_it_is_ready() -> None:
    found = status.announced(NEW, now="t")
    assert condition(found, "Ready") == ("False", "Progressing", "applying this generation")
    assert condition(found, "Progressing") == ("True", "RollingOut", "applying this generation")
    assert condition(found, "RedisReady") == ("Unknown", "Pending", "not evaluated yet")
    assert found["phase"] == "Pending"


def test_conditions_that_were_never_evaluated_belong_to_no_generation() -> None:
    found = status.announced(NEW, now="t")
    assert status.condition(found, "Ready")["observedGeneration"] == 2
    assert "observedGeneration" not in status.condition(found, "RedisReady")


def test_an_invalid_spec_is_reported_with_every_problem() -> None:
    found = status.rejected(NEW, ("spec.a: is wrong", "spec.b: is wrong, too"), now="t")
    problems = "spec.a: is wrong; spec.b: is wrong, too"
    assert condition(found, "SpecValid") == ("False", "InvalidSpec", problems)
    assert condition(found, "Ready") == ("False", "InvalidSpec", problems)
    nothing = "nothing changes until the spec is valid"
    assert condition(found, "Progressing") == ("False", "InvalidSpec", nothing)
    unknown = ("Unknown", "Pending", "not evaluated: the spec is invalid")
    assert condition(found, "RedisReady") == unknown
    assert found["phase"] == "Invalid"


def workload(**counts: int) -> Manifest:
    seen = {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": 2, "replicas": 2}
    return {
        "metadata": {"name": "prod", "generation": 1},
        "spec": {"replicas": 2},
        "status": {**seen, **counts},
    }


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        pytest.param(
            {"observedGeneration": 0}, "its controller has not seen the new template yet", id="new"
        ),
        pytest.param({"updatedReplicas": 1}, "1/2 pods run the new template", id="updating"),
        pytest.param({"readyReplicas": 1}, "1/2 pods ready", id="starting"),
        pytest.param({"replicas": 3}, "waiting for old pods to terminate (1 left)", id="ending"),
    ],
)
def test_a_rollout_says_what_it_is_waiting_for(counts: dict[str, int], said: str) -> None:
    verdict = diagnosis.rollout(workload(**counts), (), ())
    assert (verdict.ok, verdict.reason, verdict.message) == (False, "RollingOut", said)
    assert not verdict.blocked


def pod(waiting: Manifest, **container: Any) -> Manifest:
    state = {"name": "service", "image": "a:1", "state": {"waiting": waiting}, **container}
    return {"metadata": {"name": "prod-0"}, "status": {"containerStatuses": [state]}}


def unscheduled() -> Manifest:
    reason = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    return {"metadata": {"name": "prod-0"}, "status": {"conditions": [reason]}}


def claim(**spec: str) -> Manifest:
    return {"metadata": {"name": "data"}, "spec": spec, "status": {"phase": "Pending"}}


CRASHED = {"terminated": {"reason": "Error", "exitCode": 3, "message": "no such file\n"}}


@pytest.mark.parametrize(
    ("pods", "claims", "reason", "said"),
    [
        pytest.param(
            [pod({"reason": "ErrImagePull", "message": "not found"})],
            [],
            "ImageUnavailable",
            "pod prod-0: image a:1 cannot be pulled: not found;"
            " correct its name, push it, or add pull secrets",
            id="image",
        ),
        pytest.param(
            [pod({"reason": "CreateContainerConfigError", "message": 'secret "x" not found'})],
            [],
            "ConfigError",
            'pod prod-0: container service cannot start: secret "x" not found;'
            " check the Secrets and ConfigMaps that it uses",
            id="configuration",
        ),
        pytest.param(
            [pod({"reason": "CrashLoopBackOff"}, lastState=CRASHED)],
            [],
            "CrashLoop",
            "pod prod-0: container service keeps crashing (Error, exit code 3),"
            " see its log: no such file",
            id="crash",
        ),
        pytest.param(
            [unscheduled()],
            [],
            "Unschedulable",
            "pod prod-0 cannot be scheduled: 0/1 nodes are available;"
            " add nodes, lower its requests, or change where it may run",
            id="no node",
        ),
        pytest.param(
            [unscheduled()],
            [claim()],
            "VolumePending",
            "volume data is pending: it has no storage class;"
            " set className, or give the cluster a default class",
            id="no class",
        ),
        pytest.param(
            [unscheduled()],
            [claim(storageClassName="fast")],
            "VolumePending",
            "volume data is pending: 0/1 nodes are available",
            id="no volume",
        ),
    ],
)
def test_a_blocked_rollout_names_its_cause(
    pods: list[Manifest], claims: list[Manifest], reason: str, said: str
) -> None:
    verdict = diagnosis.rollout(workload(readyReplicas=0), pods, claims)
    assert (verdict.reason, verdict.message) == (reason, said)
    assert verdict.blocked


def test_refused_pods_are_reported_with_the_reason_of_the_refusal() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    found = workload(readyReplicas=0)
    found["status"]["conditions"] = [refused]
    verdict = diagnosis.rollout(found, (), ())
    assert (verdict.reason, verdict.message) == (
        "PodsRefused",
        "pods are refused: exceeded quota;"
        " check the quotas and admission policies of the namespace",
    )
