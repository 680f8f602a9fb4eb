"""The status of an instance, from what a pass has observed: pure functions of the time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, component_of, is_deleted
from kato_operator.status import budget, diagnosis
from kato_operator.status.budget import Budget
from kato_operator.status.diagnosis import Verdict

Condition = dict[str, Any]

PAUSED = "spec.paused is set: children do not change until it is unset"
COMPONENTS = {
    names.REDIS: names.REDIS_READY,
    names.MONGODB: names.MONGODB_READY,
    names.QDRANT: names.QDRANT_READY,
    names.SERVICE: names.SERVICE_READY,
}
"""The condition of each component."""
GATES = (names.SPEC_VALID, names.CREDENTIALS_READY, *COMPONENTS.values())
"""Conditions that must all be True for Ready, which repeats the first that is not."""
TYPES = (
    *(names.READY, *GATES, names.PROGRESSING),
    *(names.ORCHESTRATION_PAUSED, names.CONNECTION_BUDGET_EXCEEDED),
)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pass has observed of one instance.

    *verdicts* hold, by component, what the workloads do not show: refused writes, missing Secrets,
    failed deep checks. *versions* are those of the components' images. *primary* is the pod of
    MongoDB's primary, empty if it is unknown. *notes* are added to the message of Progressing and
    block nothing.
    """

    children: tuple[Manifest, ...]
    credentials: Verdict
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    primary: str = ""
    notes: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()


def announced(raw: Manifest, *, now: str) -> Manifest:
    """The status of a new generation before any of its children changes."""
    pending = Verdict(ok=None, reason=names.REASON_PENDING, message="not evaluated yet")
    verdicts = {
        names.READY: Verdict(False, names.REASON_PROGRESSING, "applying this generation"),
        names.PROGRESSING: Verdict(True, names.REASON_ROLLING_OUT, "applying this generation"),
    }
    status = _with_verdicts(raw, dict.fromkeys(TYPES, pending), verdicts, now=now)
    known = (raw.get("status") or {}).get("phase")
    return {**status, "phase": names.PHASE_PROGRESSING if known else names.PHASE_PENDING}


def rejected(raw: Manifest, problems: Iterable[str], *, now: str) -> Manifest:
    """The status of an instance whose spec is invalid; nothing else was evaluated."""
    message = "; ".join(problems)
    pending = Verdict(
        ok=None, reason=names.REASON_PENDING, message="not evaluated: the spec is invalid"
    )
    verdicts = {
        names.SPEC_VALID: Verdict(False, names.REASON_INVALID_SPEC, message),
        names.READY: Verdict(False, names.REASON_INVALID_SPEC, message),
        names.PROGRESSING: Verdict(
            False, names.REASON_INVALID_SPEC, "nothing changes until the spec is valid"
        ),
    }
    status = _with_verdicts(raw, dict.fromkeys(TYPES, pending), verdicts, now=now)
    return {**status, "phase": names.PHASE_INVALID}


def deleting(raw: Manifest) -> Manifest:
    """The status of an instance that is being deleted."""
    return {**(raw.get("status") or {}), "phase": names.PHASE_DELETING}


def evaluated(raw: Manifest, instance: KatoInstance, observed: Observed, *, now: str) -> Manifest:
    """The status at the end of a pass."""
    before = raw.get("status") or {}
    verdicts = _verdicts(instance, observed)
    ready, progressing = verdicts[names.READY], verdicts[names.PROGRESSING]
    deployment = _child(observed, "Deployment", names.service(instance.metadata.name))
    return {
        "observedGeneration": instance.metadata.generation,
        "phase": _phase(before, instance, ready, progressing),
        "conditions": [
            _condition(before, kind, verdicts[kind], instance.metadata.generation, now=now)
            for kind in TYPES
        ],
        **_scale(deployment),
        "version": observed.versions.get(names.SERVICE, ""),
        "templateRevision": names.TEMPLATE_REVISION,
        "endpoints": _endpoints(instance),
        "credentialsSecretRef": {"name": names.credentials(instance.metadata.name)},
        "connectionBudget": {item.store: item.described() for item in observed.budgets},
        "stores": [_store(instance, observed, name) for name in names.STORES],
    }


def is_up(instance: KatoInstance, observed: Observed, name: str) -> bool:
    """Whether a component runs somewhere, so that a deep check can ask it."""
    if _mode(instance, name) != "Managed":
        return _mode(instance, name) == "External"
    workload = _workload(instance, observed, name)
    wanted = workload is not None and workload["spec"].get("replicas", 1)
    return bool(wanted and _component(instance, observed, name).ok)


def transitions(before: Manifest, after: Manifest) -> tuple[Condition, ...]:
    """The conditions whose status has changed."""
    known = {item["type"]: item["status"] for item in before.get("conditions", ())}
    return tuple(
        item for item in after["conditions"] if known.get(item["type"], "") != item["status"]
    )


def condition(status: Manifest, kind: str) -> Condition:
    """One condition of a status; empty if the status does not have it."""
    found = (item for item in status.get("conditions", ()) if item["type"] == kind)
    return next(found, {})


def _verdicts(instance: KatoInstance, observed: Observed) -> dict[str, Verdict]:
    gates = {
        names.SPEC_VALID: Verdict(True, names.REASON_VALID, "the spec is valid"),
        names.CREDENTIALS_READY: observed.credentials,
        **{kind: _component(instance, observed, name) for name, kind in COMPONENTS.items()},
    }
    return {
        names.READY: _hibernated(instance) or _ready(gates),
        **gates,
        names.PROGRESSING: _noted(_progressing(instance, gates), observed.notes),
        names.ORCHESTRATION_PAUSED: _paused(instance),
        names.CONNECTION_BUDGET_EXCEEDED: budget.verdict(observed.budgets),
    }


def _hibernated(instance: KatoInstance) -> Verdict | None:
    if not instance.spec.hibernate or instance.spec.paused:
        return None
    return Verdict(
        False, names.REASON_HIBERNATED, "spec.hibernate is set: everything is scaled to 0"
    )


def _noted(verdict: Verdict, notes: tuple[str, ...]) -> Verdict:
    return replace(verdict, message="; ".join((verdict.message, *notes)))


def _component(instance: KatoInstance, observed: Observed, name: str) -> Verdict:
    mode = _mode(instance, name)
    workload = _workload(instance, observed, name)
    given = observed.verdicts.get(name)
    if mode != "Managed":
        return given or Verdict(True, mode, f"{name} is {mode.lower()}")
    if given is not None and given.blocked:
        return given
    verdict = diagnosis.rollout(workload, *_pods_and_claims(observed, name))
    return given if verdict.ok and given is not None else verdict


def _pods_and_claims(observed: Observed, name: str) -> tuple[list[Manifest], list[Manifest]]:
    parts = [item for item in observed.children if component_of(item) == name]
    pods = [item for item in parts if item["kind"] == "Pod" and not is_deleted(item)]
    claims = [item for item in parts if item["kind"] == "PersistentVolumeClaim"]
    return pods, claims


def _ready(gates: Mapping[str, Verdict]) -> Verdict:
    for kind, verdict in gates.items():
        if not verdict.ok:
            return Verdict(False, verdict.reason, f"{kind}: {verdict.message}")
    return Verdict(True, names.REASON_READY, "every component is ready for this generation")


def _progressing(instance: KatoInstance, gates: Mapping[str, Verdict]) -> Verdict:
    waiting = [verdict for verdict in gates.values() if not verdict.ok]
    if not waiting:
        return Verdict(False, names.REASON_STABLE, "everything is applied and ready")
    if instance.spec.paused:
        return Verdict(False, names.REASON_PAUSED, PAUSED)
    stuck = next((verdict for verdict in waiting if verdict.blocked), None)
    if stuck is not None:
        return Verdict(False, stuck.reason, stuck.message)
    return Verdict(True, names.REASON_ROLLING_OUT, waiting[0].message)


def _paused(instance: KatoInstance) -> Verdict:
    if instance.spec.paused:
        return Verdict(True, names.REASON_PAUSED, PAUSED)
    return Verdict(False, names.REASON_ACTIVE, "changes are applied")


def _phase(before: Manifest, instance: KatoInstance, ready: Verdict, progressing: Verdict) -> str:
    if instance.spec.paused:
        return names.PHASE_PAUSED
    if instance.spec.hibernate:
        return names.PHASE_HIBERNATED
    if ready.ok:
        return names.PHASE_READY
    was_up = before.get("phase") in (names.PHASE_READY, names.PHASE_DEGRADED)
    same = before.get("observedGeneration") == instance.metadata.generation
    if (was_up and same) or not progressing.ok:
        return names.PHASE_DEGRADED
    return names.PHASE_PROGRESSING


def _scale(deployment: Manifest | None) -> Manifest:
    if deployment is None:
        return {"replicas": 0, "readyReplicas": 0, "selector": ""}
    status = deployment.get("status", {})
    labels = deployment["spec"]["selector"]["matchLabels"]
    return {
        "replicas": status.get("replicas", 0),
        "readyReplicas": status.get("readyReplicas", 0),
        "selector": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
    }


def _endpoints(instance: KatoInstance) -> Manifest:
    meta = instance.metadata
    host = names.host(names.service(meta.name), meta.namespace)
    address = f"{host}:{instance.spec.service.port}"
    return {"http": f"http://{address}", "ws": f"ws://{address}"}


def _store(instance: KatoInstance, observed: Observed, name: str) -> Manifest:
    mode = _mode(instance, name)
    store = {"name": name, "mode": mode}
    if mode != "Managed":
        return store
    store["ready"] = diagnosis.ready(_workload(instance, observed, name))
    version = observed.versions.get(name, "")
    primary = observed.primary if name == names.MONGODB else ""
    verdict = _component(instance, observed, name)
    message = "" if verdict.ok else verdict.message
    optional = {"version": version, "primary": primary, "message": message}
    return {**store, **{key: value for key, value in optional.items() if value}}


def _mode(instance: KatoInstance, name: str) -> str:
    if name == names.SERVICE:
        return "Managed"
    return str(getattr(instance.spec, name).mode)


def _workload(instance: KatoInstance, observed: Observed, name: str) -> Manifest | None:
    if name == names.SERVICE:
        return _child(observed, "Deployment", names.service(instance.metadata.name))
    return _child(observed, "StatefulSet", names.store(instance.metadata.name, name))


def _child(observed: Observed, kind: str, name: str) -> Manifest | None:
    found = (
        item
        for item in observed.children
        if item["kind"] == kind and item["metadata"]["name"] == name
    )
    return next(found, None)


def _with_verdicts(
    raw: Manifest,
    absent: Mapping[str, Verdict],
    verdicts: Mapping[str, Verdict],
    *,
    now: str,
) -> Manifest:
    """The status as it was, with these verdicts.

    Args:
        absent: The verdicts of conditions that the status does not have yet.
    """
    before, generation = raw.get("status") or {}, raw["metadata"]["generation"]
    kept = {item["type"]: item for item in before.get("conditions", ())}
    conditions = [
        _condition(before, kind, verdicts[kind], generation, now=now)
        if kind in verdicts
        else kept.get(kind) or _condition(before, kind, absent[kind], 0, now=now)
        for kind in TYPES
    ]
    return {**before, "observedGeneration": generation, "conditions": conditions}


def _condition(
    before: Manifest, kind: str, verdict: Verdict, generation: int, *, now: str
) -> Condition:
    status = {True: "True", False: "False", None: "Unknown"}[verdict.ok]
    known = condition(before, kind)
    since = known["lastTransitionTime"] if known.get("status") == status else now
    evaluated_for = {"observedGeneration": generation} if generation else {}
    return {
        "type": kind,
        "status": status,
        **evaluated_for,
        "lastTransitionTime": since,
        "reason": verdict.reason,
        "message": verdict.message[:1000],
    }
