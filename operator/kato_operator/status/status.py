"""From what a pass has seen to the status of an instance: pure, given the time."""

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

COMPONENTS = {
    "redis": names.REDIS_READY,
    "mongodb": names.MONGODB_READY,
    "qdrant": names.QDRANT_READY,
    "service": names.SERVICE_READY,
}
GATES = (names.SPEC_VALID, names.CREDENTIALS_READY, *COMPONENTS.values())
TYPES = (
    *(names.READY, *GATES, names.PROGRESSING),
    *(names.ORCHESTRATION_PAUSED, names.CONNECTION_BUDGET_EXCEEDED),
)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pass has seen of one instance.

    *verdicts* hold what is not read off the workloads: refused writes, missing Secrets,
    failed deep checks; by component, and they win over the workload's own. *notes* are said
    beside progress and stop nothing.
    """

    children: tuple[Manifest, ...]
    credentials: Verdict
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    primary: str = ""
    notes: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()


def announced(raw: Manifest, *, now: str) -> Manifest:
    """The status before any child of a new generation is touched."""
    waits = Verdict(ok=None, reason=names.REASON_PENDING, message="has not been looked at yet")
    verdicts = {
        names.READY: Verdict(False, names.REASON_PROGRESSING, "this generation is being applied"),
        names.PROGRESSING: Verdict(True, names.REASON_ROLLING_OUT, "this generation is applied"),
    }
    status = _unless_new(raw, dict.fromkeys(TYPES, waits), verdicts, now=now)
    known = (raw.get("status") or {}).get("phase")
    return {**status, "phase": names.PHASE_PROGRESSING if known else names.PHASE_PENDING}


def rejected(raw: Manifest, problems: Iterable[str], *, now: str) -> Manifest:
    """The status of an instance whose spec cannot be used; nothing else was looked at."""
    message = "; ".join(problems)
    waits = Verdict(ok=None, reason=names.REASON_PENDING, message="the spec is invalid")
    verdicts = {
        names.SPEC_VALID: Verdict(False, names.REASON_INVALID_SPEC, message),
        names.READY: Verdict(False, names.REASON_INVALID_SPEC, message),
        names.PROGRESSING: Verdict(False, names.REASON_INVALID_SPEC, "nothing is touched"),
    }
    status = _unless_new(raw, dict.fromkeys(TYPES, waits), verdicts, now=now)
    return {**status, "phase": names.PHASE_INVALID}


def deleting(raw: Manifest) -> Manifest:
    """The status of an instance that only waits to vanish."""
    return {**(raw.get("status") or {}), "phase": names.PHASE_DELETING}


def evaluated(raw: Manifest, instance: KatoInstance, observed: Observed, *, now: str) -> Manifest:
    """The status after a whole pass."""
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
        "version": observed.versions.get("service", ""),
        "templateRevision": names.TEMPLATE_REVISION,
        "endpoints": _endpoints(instance),
        "credentialsSecretRef": {"name": names.credentials(instance.metadata.name)},
        "connectionBudget": {item.store: item.described() for item in observed.budgets},
        "stores": [_store(instance, observed, name) for name in ("redis", "mongodb", "qdrant")],
    }


def is_up(instance: KatoInstance, observed: Observed, name: str) -> bool:
    """Whether there is something of a component that could be asked how it is."""
    if _mode(instance, name) != "Managed":
        return _mode(instance, name) == "External"
    workload = _workload(instance, observed, name)
    wanted = workload is not None and workload["spec"].get("replicas", 1)
    return bool(wanted and _component(instance, observed, name).ok)


def transitions(before: Manifest, after: Manifest) -> tuple[Condition, ...]:
    """The conditions whose status is another one than before."""
    known = {item["type"]: item["status"] for item in before.get("conditions", ())}
    return tuple(
        item for item in after["conditions"] if known.get(item["type"], "") != item["status"]
    )


def condition(status: Manifest, kind: str) -> Condition:
    """One condition of a status; empty when it is not there."""
    found = (item for item in status.get("conditions", ()) if item["type"] == kind)
    return next(found, {})


def _verdicts(instance: KatoInstance, observed: Observed) -> dict[str, Verdict]:
    gates = {
        names.SPEC_VALID: Verdict(True, names.REASON_VALID, "the spec can be used"),
        names.CREDENTIALS_READY: observed.credentials,
        **{kind: _component(instance, observed, name) for name, kind in COMPONENTS.items()},
    }
    return {
        names.READY: _asleep(instance) or _ready(gates),
        **gates,
        names.PROGRESSING: _noted(_progressing(instance, gates), observed.notes),
        names.ORCHESTRATION_PAUSED: _paused(instance),
        names.CONNECTION_BUDGET_EXCEEDED: budget.verdict(observed.budgets),
    }


def _asleep(instance: KatoInstance) -> Verdict | None:
    if not instance.spec.hibernate or instance.spec.paused:
        return None
    return Verdict(False, names.REASON_HIBERNATED, "spec.hibernate is set: nothing runs")


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
    return Verdict(True, names.REASON_READY, "everything of this generation is ready")


def _progressing(instance: KatoInstance, gates: Mapping[str, Verdict]) -> Verdict:
    waiting = [verdict for verdict in gates.values() if not verdict.ok]
    if not waiting:
        return Verdict(False, names.REASON_STABLE, "nothing is left to do")
    if instance.spec.paused:
        return Verdict(False, names.REASON_PAUSED, "spec.paused is set")
    stuck = next((verdict for verdict in waiting if verdict.blocked), None)
    if stuck is not None:
        return Verdict(False, stuck.reason, stuck.message)
    return Verdict(True, names.REASON_ROLLING_OUT, waiting[0].message)


def _paused(instance: KatoInstance) -> Verdict:
    if instance.spec.paused:
        return Verdict(True, names.REASON_PAUSED, "spec.paused is set: children stay as they are")
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
    primary = observed.primary if name == "mongodb" else ""
    verdict = _component(instance, observed, name)
    message = "" if verdict.ok else verdict.message
    optional = {"version": version, "primary": primary, "message": message}
    return {**store, **{key: value for key, value in optional.items() if value}}


def _mode(instance: KatoInstance, name: str) -> str:
    if name == "service":
        return "Managed"
    return str(getattr(instance.spec, name).mode)


def _workload(instance: KatoInstance, observed: Observed, name: str) -> Manifest | None:
    if name == "service":
        return _child(observed, "Deployment", names.service(instance.metadata.name))
    return _child(observed, "StatefulSet", names.store(instance.metadata.name, name))


def _child(observed: Observed, kind: str, name: str) -> Manifest | None:
    found = (
        item
        for item in observed.children
        if item["kind"] == kind and item["metadata"]["name"] == name
    )
    return next(found, None)


def _unless_new(
    raw: Manifest,
    absent: Mapping[str, Verdict],
    verdicts: Mapping[str, Verdict],
    *,
    now: str,
) -> Manifest:
    """The status as it was, with these verdicts; conditions that were never written are added."""
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
