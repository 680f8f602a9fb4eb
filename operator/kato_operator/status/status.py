"""The status of an instance, from what a pass has observed: pure functions of the time."""

from collections.abc import Iterable, Mapping
from typing import Any

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest
from kato_operator.status import diagnosis, stalled
from kato_operator.status.conditions import TYPES, component, verdicts
from kato_operator.status.diagnosis import Verdict
from kato_operator.status.observed import Observed, mode, wanted_pods

Condition = dict[str, Any]
DELETING = "the instance is being deleted, and its children with it"
CLAIM = ("orchestratedBy",)
"""What no pass evaluates: the claim on the instance."""
MOST_DRIFT = 50
"""Differences that a status lists: a new instance that is paused has no child yet."""


def announced(raw: Manifest, *, now: str) -> Manifest:
    """The status of a new generation before any of its children changes."""
    changed = {
        names.READY: Verdict(False, names.REASON_PROGRESSING, "applying this generation"),
        names.PROGRESSING: Verdict(True, names.REASON_ROLLING_OUT, "applying this generation"),
        names.STALLED: stalled.UNBLOCKED,
    }
    status = _with_conditions(raw, changed, pending="not evaluated yet", now=now)
    known = (raw.get("status") or {}).get("phase")
    return {**status, "phase": names.PHASE_PROGRESSING if known else names.PHASE_PENDING}


def rejected(raw: Manifest, problems: Iterable[str], *, now: str) -> Manifest:
    """The status of an instance whose spec is invalid; nothing else was evaluated."""
    message = "; ".join(problems)
    changed = {
        names.SPEC_VALID: Verdict(False, names.REASON_INVALID_SPEC, message),
        names.READY: Verdict(False, names.REASON_INVALID_SPEC, message),
        names.PROGRESSING: Verdict(
            False, names.REASON_INVALID_SPEC, "nothing changes until the spec is valid"
        ),
        names.STALLED: Verdict(True, names.REASON_INVALID_SPEC, message),
    }
    pending = "not evaluated: the spec is invalid"
    status = _with_conditions(raw, changed, pending=pending, now=now)
    return {**status, "phase": names.PHASE_INVALID}


def deleting(raw: Manifest, *, now: str) -> Manifest:
    """The status of an instance that is being deleted: its children go, ready or not."""
    changed = {
        names.READY: Verdict(False, names.REASON_DELETING, DELETING),
        names.PROGRESSING: Verdict(True, names.REASON_DELETING, DELETING),
        names.STALLED: stalled.UNBLOCKED,
    }
    pending = "not evaluated: the instance is being deleted"
    return {
        **_with_conditions(raw, changed, pending=pending, now=now),
        "phase": names.PHASE_DELETING,
    }


def evaluated(raw: Manifest, instance: KatoInstance, observed: Observed, *, now: str) -> Manifest:
    """The status at the end of a pass."""
    before = raw.get("status") or {}
    found = verdicts(instance, observed)
    phase = _phase(before, instance, found[names.READY], found[names.PROGRESSING])
    differing = (*observed.drift, *observed.tolerated)
    drift = [item.described() for item in differing[:MOST_DRIFT]]
    return {
        "observedGeneration": instance.metadata.generation,
        "phase": phase,
        "conditions": [
            _condition(before, kind, found[kind], instance.metadata.generation, now=now)
            for kind in TYPES
        ],
        **_scale(observed.workload(instance, names.SERVICE)),
        "version": observed.versions.get(names.SERVICE, ""),
        "templateRevision": names.TEMPLATE_REVISION,
        "endpoints": _endpoints(instance, observed.service(instance)),
        "credentialsSecretRef": {"name": names.credentials(instance.metadata.name)},
        "connectionBudget": {item.store: item.described() for item in observed.budgets},
        "stores": [_store(instance, observed, name) for name in names.STORES],
        **({"drift": drift} if drift else {}),
        **{name: before[name] for name in CLAIM if name in before},
    }


def transitions(before: Manifest, after: Manifest) -> tuple[Condition, ...]:
    """The conditions whose status has changed, or that are contested now."""
    known = {item["type"]: item for item in before.get("conditions", ())}
    return tuple(item for item in after["conditions"] if _is_new(known.get(item["type"], {}), item))


def condition(status: Manifest, kind: str) -> Condition:
    """One condition of a status; empty if the status does not have it."""
    found = (item for item in status.get("conditions", ()) if item["type"] == kind)
    return next(found, {})


def _is_new(before: Condition, after: Condition) -> bool:
    is_contested = after["reason"] == names.REASON_CONTESTED != before.get("reason")
    return bool(is_contested or before.get("status", "") != after["status"])


def _phase(before: Manifest, instance: KatoInstance, ready: Verdict, progressing: Verdict) -> str:
    if instance.spec.paused:
        return names.PHASE_PAUSED
    if instance.spec.hibernate:
        is_over = ready.reason == names.REASON_HIBERNATED
        return names.PHASE_HIBERNATED if is_over else names.PHASE_HIBERNATING
    if ready.ok:
        return names.PHASE_READY
    # an edit of a ready instance is progress; the same spec no longer ready is not
    was_up = before.get("phase") in (names.PHASE_READY, names.PHASE_DEGRADED)
    if ready.reason == names.REASON_CREDENTIALS_ROTATING:
        return names.PHASE_PROGRESSING
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


def _endpoints(instance: KatoInstance, service: Manifest | None) -> Manifest:
    """The URLs that the Service has now; those of the spec before there is a Service."""
    meta, spec = instance.metadata, instance.spec.service
    host = names.host(names.service(meta.name), meta.namespace)
    known = {"port": spec.port, "name": "http" if spec.tls is None else "https"}
    port = next(iter((service or {}).get("spec", {}).get("ports", ())), known)
    address = f"{host}:{port['port']}"
    secure = "s" if port.get("name") == "https" else ""
    return {"http": f"http{secure}://{address}", "ws": f"ws{secure}://{address}"}


def _store(instance: KatoInstance, observed: Observed, name: str) -> Manifest:
    store = {"name": name, "mode": mode(instance, name)}
    if store["mode"] != "Managed":
        return store
    wanted = wanted_pods(instance, name)
    store["ready"] = f"{diagnosis.ready_pods(observed.workload(instance, name))}/{wanted}"
    version = observed.versions.get(name, "")
    verdict = component(instance, observed, name)
    primary = observed.primary if name == names.MONGODB and verdict.ok else ""
    message = "" if verdict.ok else verdict.message
    optional = {"version": version, "primary": primary, "message": message}
    return {**store, **{key: value for key, value in optional.items() if value}}


def _with_conditions(
    raw: Manifest, changed: Mapping[str, Verdict], *, pending: str, now: str
) -> Manifest:
    """The status as it was, with these conditions changed and all others present.

    Args:
        pending: The message of conditions that have never been evaluated.
    """
    unknown = Verdict(None, names.REASON_PENDING, pending)
    before, generation = raw.get("status") or {}, raw["metadata"]["generation"]
    kept = {item["type"]: item for item in before.get("conditions", ())}
    conditions = [
        _condition(before, kind, changed[kind], generation, now=now)
        if kind in changed
        else kept.get(kind) or _condition(before, kind, unknown, 0, now=now)
        for kind in TYPES
    ]
    return {**before, "observedGeneration": generation, "conditions": conditions}


def _condition(
    before: Manifest, kind: str, verdict: Verdict, generation: int, *, now: str
) -> Condition:
    status = {True: "True", False: "False", None: "Unknown"}[verdict.ok]
    known = condition(before, kind)
    since = known["lastTransitionTime"] if known.get("status") == status else now
    # without a generation, a condition was never evaluated: it must not seem current
    evaluated_for = {"observedGeneration": generation} if generation else {}
    return {
        "type": kind,
        "status": status,
        **evaluated_for,
        "lastTransitionTime": since,
        "reason": verdict.reason,
        "message": verdict.message[:1000],
    }
