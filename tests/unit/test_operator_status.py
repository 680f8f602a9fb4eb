"""The conditions that users read: what happened, why, and what to do next."""

from collections.abc import Callable
from typing import Any

import pytest

from kato_operator.crd.instance import parse
from kato_operator.status import diagnosis, notes, stalled, status
from kato_operator.status.causes import Warned
from kato_operator.status.verdict import Verdict

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
    assert condition(found, "Stalled") == ("True", "InvalidSpec", problems)
    assert found["phase"] == "Invalid"


STALLED = {"type": "Stalled", "status": "True", "reason": "Refused", "lastTransitionTime": "s"}


@pytest.mark.parametrize("written", [status.announced, status.deleting])
def test_a_standstill_ends_with_the_next_generation_and_with_a_deletion(
    written: Callable[..., Manifest],
) -> None:
    before = {"observedGeneration": 1, "conditions": [{**STALLED, "observedGeneration": 1}]}
    found = written({**NEW, "status": before}, now="t")
    unblocked = ("False", "Unblocked", "nothing waits for a change by a person")
    assert condition(found, "Stalled") == unblocked
    assert status.condition(found, "Stalled")["observedGeneration"] == 2


REFUSED = Verdict(False, "Refused", "the API server refuses it", blocked=True)
PAUSED = Verdict(False, "Paused", "it is paused")
ASLEEP = Verdict(False, "Hibernated", "it sleeps")
ROLLING = Verdict(True, "RollingOut", "0/1 pods ready")
STABLE = Verdict(False, "Stable", "everything is ready")
READY = Verdict(True, "Ready", "every component is ready")


@pytest.mark.parametrize(
    ("ready", "progressing", "said"),
    [
        pytest.param(READY, STABLE, (False, "Unblocked"), id="ready"),
        pytest.param(REFUSED, ROLLING, (False, "Unblocked"), id="in progress"),
        pytest.param(REFUSED, REFUSED, (True, "Refused"), id="blocked"),
        pytest.param(REFUSED, PAUSED, (False, "Paused"), id="paused"),
        pytest.param(PAUSED, STABLE, (False, "Paused"), id="paused and different"),
        pytest.param(ASLEEP, ASLEEP, (False, "Hibernated"), id="hibernated"),
    ],
)
def test_only_what_waiting_cannot_change_is_a_standstill(
    ready: Verdict, progressing: Verdict, said: tuple[bool, str]
) -> None:
    found = stalled.verdict(ready, progressing)
    assert (found.ok, found.reason) == said


def workload(**counts: int) -> Manifest:
    seen = {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": 2, "replicas": 2}
    return {
        "kind": "StatefulSet",
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
    return {"metadata": {"name": "prod-0", "uid": "p"}, "status": {"containerStatuses": [state]}}


def unscheduled(text: str, reason: str = "Unschedulable") -> Manifest:
    found = {"type": "PodScheduled", "status": "False", "reason": reason, "message": text}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    return {
        "metadata": {"name": "prod-0"},
        "spec": {"volumes": [volume]},
        "status": {"conditions": [found]},
    }


def claim(**spec: str) -> Manifest:
    return {"metadata": {"name": "data", "uid": "c"}, "spec": spec, "status": {"phase": "Pending"}}


CRASHED = {"terminated": {"reason": "Error", "exitCode": 3, "message": "reading\nno such file\n\n"}}
KILLED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
NO_MEMORY = "0/1 nodes are available: 1 Insufficient memory."
NO_VOLUME = "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind."
PULL = 'rpc error: code = Unknown desc = failed to resolve "a:1": not found'
QUOTA = (
    'create Pod prod-0 in StatefulSet prod failed error: pods "prod-0" is forbidden: exceeded quota'
)
SANDBOX = 'Failed to create pod sandbox: plugin type="bridge" failed (add): no free address'


@pytest.mark.parametrize(
    ("pods", "claims", "reason", "said"),
    [
        pytest.param(
            [pod({"reason": "ErrImagePull", "message": PULL})],
            [],
            "ImageUnavailable",
            f"pod prod-0: image a:1 cannot be pulled: {PULL};"
            " correct its name, push it, or add pull secrets",
            id="image",
        ),
        pytest.param(
            [pod({"reason": "ImageInspectError", "message": "layer is corrupt"})],
            [],
            "ImageUnavailable",
            "pod prod-0: image a:1 cannot be pulled: layer is corrupt;"
            " correct its name, push it, or add pull secrets",
            id="broken image",
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
            [pod({"reason": "CrashLoopBackOff"}, lastState=CRASHED, restartCount=4)],
            [],
            "CrashLoop",
            "pod prod-0: container service keeps crashing (Error, exit code 3, restart count 4),"
            " see its log: no such file",
            id="crash",
        ),
        pytest.param(
            [pod({}, state=CRASHED, restartCount=1)],
            [],
            "CrashLoop",
            "pod prod-0: container service keeps crashing (Error, exit code 3, restart count 1),"
            " see its log: no such file",
            id="crashed again",
        ),
        pytest.param(
            [
                {
                    **pod({"reason": "CrashLoopBackOff"}, lastState=KILLED, restartCount=7),
                    "spec": {
                        "containers": [
                            {"name": "service", "resources": {"limits": {"memory": "512Mi"}}}
                        ]
                    },
                }
            ],
            [],
            "OOMKilled",
            "pod prod-0: container service was killed because it exceeded its memory limit of"
            " 512Mi (OOMKilled, restart count 7); raise resources.limits.memory",
            id="memory",
        ),
        pytest.param(
            [unscheduled("0/1 nodes are available")],
            [],
            "Unschedulable",
            "pod prod-0 cannot be scheduled: 0/1 nodes are available;"
            " add nodes, lower its requests, or change where it may run",
            id="no node",
        ),
        pytest.param(
            [unscheduled("binding volumes: timed out", "SchedulerError")],
            [],
            "Unschedulable",
            "pod prod-0 cannot be scheduled: binding volumes: timed out; the scheduler tries again",
            id="the scheduler fails",
        ),
        pytest.param(
            [unscheduled("Scheduling is blocked by gates", "SchedulingGated")],
            [],
            "Unschedulable",
            "pod prod-0 cannot be scheduled: Scheduling is blocked by gates;"
            " whoever set the scheduling gates of the pod has to remove them",
            id="gates",
        ),
        pytest.param(
            [unscheduled(NO_MEMORY)],
            [claim(storageClassName="waits-for-first-consumer")],
            "Unschedulable",
            f"pod prod-0 cannot be scheduled: {NO_MEMORY};"
            " add nodes, lower its requests, or change where it may run",
            id="no memory, and so no volume yet",
        ),
        pytest.param(
            [unscheduled(NO_VOLUME)],
            [claim()],
            "VolumePending",
            "volume data is pending: it has no storage class;"
            " set className, or give the cluster a default class",
            id="no class",
        ),
        pytest.param(
            [unscheduled(NO_VOLUME)],
            [claim(storageClassName="fast")],
            "VolumePending",
            f"volume data is pending: {NO_VOLUME}",
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


def test_a_conflict_that_the_scheduler_tries_again_is_no_cause() -> None:
    text = (
        'running PreBind plugin "VolumeBinding": Operation cannot be fulfilled on'
        ' persistentvolumeclaims "data": the object has been modified; please apply your changes'
    )
    pods, claims = [unscheduled(text, "SchedulerError")], [claim(storageClassName="fast")]
    verdict = diagnosis.rollout(workload(readyReplicas=0), pods, claims)
    assert (verdict.reason, verdict.message) == ("RollingOut", "0/2 pods ready")
    assert not verdict.blocked


@pytest.mark.parametrize(
    ("uid", "warned", "reason", "said"),
    [
        pytest.param(
            "w",
            Warned("FailedCreate", QUOTA),
            "PodsRefused",
            f"pods are refused: {QUOTA};"
            " check the quotas, limit ranges and admission policies of the namespace",
            id="quota",
        ),
        pytest.param(
            "p",
            Warned("FailedCreatePodSandBox", SANDBOX),
            "SandboxFailed",
            f"pod prod-0 cannot be set up on its node: {SANDBOX};"
            " check the container runtime and the network plugin of the node",
            id="sandbox",
        ),
        pytest.param(
            "p",
            Warned("FailedMount", 'MountVolume.SetUp failed for "auth": secret "x" not found'),
            "ConfigError",
            'pod prod-0 cannot mount its volumes: MountVolume.SetUp failed for "auth": secret "x"'
            " not found; create the object named",
            id="missing Secret",
        ),
        pytest.param(
            "p",
            Warned("FailedAttachVolume", "Multi-Attach error"),
            "VolumePending",
            "pod prod-0 cannot mount its volumes: Multi-Attach error;"
            " check the volume and the storage driver of the node",
            id="attached elsewhere",
        ),
        pytest.param(
            "c",
            Warned("ProvisioningFailed", 'storageclass.storage.k8s.io "slow" not found'),
            "VolumePending",
            'volume data is pending: storageclass.storage.k8s.io "slow" not found;'
            " choose another className, or repair the class",
            id="unknown class",
        ),
    ],
)
def test_what_only_events_tell_is_told(uid: str, warned: Warned, reason: str, said: str) -> None:
    found = workload(readyReplicas=0)
    found["metadata"]["uid"] = "w"
    waiting = pod({"reason": "ContainerCreating"})
    verdict = diagnosis.rollout(found, [waiting], [claim(storageClassName="slow")], {uid: warned})
    assert (verdict.reason, verdict.message, verdict.blocked) == (reason, said, True)


def test_a_pod_that_its_controller_left_behind_is_no_cause_next_to_a_living_one() -> None:
    evicted = {
        "metadata": {"name": "prod-old"},
        "status": {
            "phase": "Failed",
            "reason": "Evicted",
            "message": "The node was low on memory.",
        },
    }
    starting = pod({"reason": "ContainerCreating"})
    found = diagnosis.rollout(workload(readyReplicas=1), [evicted, starting], ())
    assert (found.reason, found.message) == ("RollingOut", "1/2 pods ready")
    alone = diagnosis.rollout(workload(readyReplicas=0), [evicted], ())
    said = "pod prod-old failed (Evicted: The node was low on memory.); waiting for another"
    assert (alone.reason, alone.message, alone.blocked) == ("RollingOut", said, False)


@pytest.mark.parametrize(
    ("state", "blocked"),
    [
        pytest.param({"waiting": {"reason": "CrashLoopBackOff"}}, True, id="waiting"),
        pytest.param({"running": {}}, False, id="running again"),
    ],
)
def test_a_kill_for_memory_stays_the_cause_between_restarts(state: Manifest, blocked: bool) -> None:
    found = pod({}, state=state, lastState=KILLED, restartCount=2)
    verdict = diagnosis.rollout(workload(readyReplicas=0), [found], ())
    assert (verdict.reason, verdict.blocked) == ("OOMKilled", blocked)


def test_a_kill_for_memory_that_passed_is_noted() -> None:
    running = pod({}, state={"running": {}}, lastState=KILLED, restartCount=3, ready=True)
    instance = parse({"metadata": {"name": "prod", "namespace": "kato"}})
    assert notes.of(instance, [{**running, "kind": "Pod"}]) == (
        "pod prod-0: container service was killed because it exceeded its memory limit"
        " (OOMKilled, restart count 3); raise resources.limits.memory",
    )


def test_an_autoscaler_without_metrics_is_noted() -> None:
    condition = {"type": "ScalingActive", "status": "False", "message": "no metrics", "reason": "x"}
    scaler = {"kind": "HorizontalPodAutoscaler", "status": {"conditions": [condition]}}
    instance = parse({"metadata": {"name": "prod", "namespace": "kato"}})
    assert notes.of(instance, [scaler]) == ("autoscaling is not active: no metrics",)


@pytest.mark.parametrize(
    ("service", "said"),
    [
        pytest.param({"replicas": 5}, (), id="no autoscaling"),
        pytest.param({"autoscaling": {}}, (), id="not scaled"),
        pytest.param(
            {"autoscaling": {"maxReplicas": 4}, "replicas": 5},
            (
                "service.replicas is 5, but service.autoscaling decides: between 2 and 4 pods;"
                " change its bounds, or remove it to scale by hand",
            ),
            id="scaled in vain",
        ),
    ],
)
def test_scaling_by_hand_under_an_autoscaler_is_answered(
    service: Manifest, said: tuple[str, ...]
) -> None:
    meta = {"name": "prod", "namespace": "kato"}
    assert notes.of(parse({"metadata": meta, "spec": {"service": service}}), []) == said


def growing(capacity: str, **status: Any) -> Manifest:
    return {
        "metadata": {"name": "data"},
        "spec": {"resources": {"requests": {"storage": "3Gi"}}},
        "status": {"phase": "Bound", "capacity": {"storage": capacity}, **status},
    }


@pytest.mark.parametrize(
    ("capacity", "conditions", "said", "blocked"),
    [
        pytest.param("2Gi", [], "volume data grows from 2Gi to 3Gi", False, id="asked for"),
        pytest.param(
            "2Gi",
            [{"type": "FileSystemResizePending", "status": "True", "message": "Waiting for a pod"}],
            "volume data grows from 2Gi to 3Gi; Waiting for a pod",
            False,
            id="waits for its pod",
        ),
        pytest.param(
            "2Gi",
            [{"type": "ControllerResizeError", "status": "True", "message": "no space left"}],
            "volume data grows from 2Gi to 3Gi; no space left",
            True,
            id="impossible",
        ),
    ],
)
def test_a_volume_grows_until_it_is_as_large_as_its_claim(
    capacity: str, conditions: list[Manifest], said: str, blocked: bool
) -> None:
    verdict = diagnosis.growth([growing(capacity, conditions=conditions)])
    assert verdict is not None
    assert (verdict.ok, verdict.reason, verdict.message) == (False, "Expanding", said)
    assert verdict.blocked == blocked
    assert diagnosis.growth([growing("3072Mi", conditions=conditions)]) is None


def test_refused_pods_are_reported_with_the_reason_of_the_refusal() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    found = workload(readyReplicas=0)
    found["status"]["conditions"] = [refused]
    verdict = diagnosis.rollout(found, (), ())
    assert (verdict.reason, verdict.message) == (
        "PodsRefused",
        "pods are refused: exceeded quota;"
        " check the quotas, limit ranges and admission policies of the namespace",
    )
