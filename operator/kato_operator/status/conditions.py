"""The conditions of an instance: what its children are, judged against what its spec asks for.

Nothing here knows what the pass has decided to apply: a component is ready when the live objects
match the spec, and not when they match a manifest that waits for something. Pure functions.
"""

from collections.abc import Mapping
from dataclasses import replace

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest
from kato_operator.status import budget, causes, diagnosis, stalled
from kato_operator.status.diagnosis import Verdict
from kato_operator.status.observed import Drift, Observed, mode

PAUSED = "spec.paused is set: children do not change until it is unset"
CONTEST_FIX = "stop what changes it, or allow what it adds in foreignFields"
COMPONENTS = {
    names.REDIS: names.REDIS_READY,
    names.MONGODB: names.MONGODB_READY,
    names.QDRANT: names.QDRANT_READY,
    names.SERVICE: names.SERVICE_READY,
}
"""The condition of each component."""
GATES = (names.SPEC_VALID, names.CREDENTIALS_READY, *COMPONENTS.values())
"""Conditions that must all be True for Ready, which repeats the first that is not."""
ROTATION = frozenset({names.REASON_CREDENTIALS_ROTATING, names.REASON_ROLLING_OUT})
"""The reasons of what is not ready while credentials change as they should."""
TYPES = (
    *(names.READY, *GATES, names.PROGRESSING, names.STALLED),
    *(names.ORCHESTRATION_PAUSED, names.CONNECTION_BUDGET_EXCEEDED),
)


def verdicts(instance: KatoInstance, observed: Observed) -> dict[str, Verdict]:
    """The verdict of every condition, by its type."""
    gates = {
        names.SPEC_VALID: Verdict(True, names.REASON_VALID, "the spec is valid"),
        names.CREDENTIALS_READY: observed.credentials,
        **{kind: component(instance, observed, name) for name, kind in COMPONENTS.items()},
    }
    ready = _differing(instance, observed) or _hibernated(instance, observed) or _ready(gates)
    progressing = _progressing(instance, observed, gates)
    return {
        names.READY: ready,
        **gates,
        names.PROGRESSING: _noted(progressing, observed.notes),
        names.STALLED: stalled.verdict(ready, progressing),
        names.ORCHESTRATION_PAUSED: _paused(instance),
        names.CONNECTION_BUDGET_EXCEEDED: budget.verdict(observed.budgets),
    }


def component(instance: KatoInstance, observed: Observed, name: str) -> Verdict:
    """The verdict on one component.

    What blocks it wins over its rollout, and its rollout over a failed deep check: a component
    that is still starting is not unhealthy. A rollout that is complete says nothing while the
    workload, or anything else of the component, differs from the spec. A volume that grows is the
    last thing to wait for.
    """
    chosen = mode(instance, name)
    given = observed.verdicts.get(name)
    if chosen != "Managed":
        return given or Verdict(True, chosen, f"{name} is {chosen.lower()}")
    if given is not None and given.blocked:
        return given
    if instance.spec.hibernate and not (instance.spec.paused and observed.drift_of(name)):
        return _asleep(observed, name)
    workload = observed.workload(instance, name)
    claims = observed.claims(name)
    rollout = diagnosis.rollout(workload, observed.pods(name), claims, observed.warnings)
    drift = observed.drift_of(name)
    if drift is not None:
        return _unapplied(instance, observed, drift, rollout)
    if rollout.ok and name == names.SERVICE:
        rollout = _autoscaled(instance, workload) or rollout
    if not rollout.ok:
        return rollout
    return given or diagnosis.growth(claims) or rollout


def suspects(instance: KatoInstance, observed: Observed) -> tuple[Manifest, ...]:
    """The objects of components that are not up, of which only Events tell why."""
    found: list[Manifest] = []
    for name in COMPONENTS:
        workload = observed.workload(instance, name)
        if mode(instance, name) != "Managed" or workload is None:
            continue
        if not diagnosis.rollout(workload, (), ()).ok:
            found += causes.suspects(workload, observed.pods(name), observed.claims(name))
    return tuple(found)


def is_up(instance: KatoInstance, observed: Observed, name: str) -> bool:
    """Whether a component runs somewhere, so that a deep check can ask it."""
    if mode(instance, name) != "Managed":
        return mode(instance, name) == "External"
    workload = observed.workload(instance, name)
    wanted = workload is not None and workload["spec"].get("replicas", 1)
    found = component(instance, observed, name)
    return bool(wanted and (found.ok or found.reason == names.REASON_EXPANDING))


def _hibernated(instance: KatoInstance, observed: Observed) -> Verdict | None:
    if not instance.spec.hibernate:
        return None
    return _asleep(observed, *COMPONENTS)


def _asleep(observed: Observed, *components: str) -> Verdict:
    """Whether nothing of some components runs or will start: no pod, every workload at 0."""
    left = sum(observed.left(name) for name in components)
    waiting = [item for name in components if (item := observed.unfinished(name)) is not None]
    if left:
        message = f"Hibernating, {left} pod{'' if left == 1 else 's'} left"
        return Verdict(False, names.REASON_HIBERNATING, message)
    if waiting:
        name = f"{waiting[0]['kind']} {waiting[0]['metadata']['name']}"
        message = f"Hibernating, waiting for {name} to be scaled to 0"
        return Verdict(False, names.REASON_HIBERNATING, message)
    message = "spec.hibernate is set: nothing runs until it is unset"
    return Verdict(False, names.REASON_HIBERNATED, message)


def _differing(instance: KatoInstance, observed: Observed) -> Verdict | None:
    """What a paused instance waits for: to be allowed to change children that differ."""
    if not instance.spec.paused or not observed.drift:
        return None
    more = len(observed.drift) - 1
    rest = f", and there {'is' if more == 1 else 'are'} {more} more" if more else ""
    what = f"spec.paused is set, and children differ: {observed.drift[0]}{rest}"
    return Verdict(False, names.REASON_PAUSED, f"{what}; unset it to apply the spec")


def _unapplied(
    instance: KatoInstance, observed: Observed, drift: Drift, rollout: Verdict
) -> Verdict:
    """The verdict on a component that differs from the spec, whatever its rollout says."""
    if instance.spec.paused:
        return Verdict(False, names.REASON_PAUSED, f"spec.paused is set, and {drift}")
    if observed.blocker is not None:
        what = f"{drift}, which cannot be applied: {observed.blocker.message}"
        return Verdict.blocked_by(observed.blocker.reason, what)
    if drift.state == names.DRIFT_CONTESTED:
        what = f"{drift}, as often as the operator repairs it"
        return Verdict.blocked_by(names.REASON_CONTESTED, f"{what}; {CONTEST_FIX}")
    if not rollout.ok:
        return rollout
    return Verdict(False, names.REASON_ROLLING_OUT, str(drift))


def _autoscaled(instance: KatoInstance, deployment: Manifest | None) -> Verdict | None:
    """Why the number of pods is not one that the autoscaler allows; None if it is."""
    scaling = instance.spec.service.autoscaling
    if scaling is None or deployment is None:
        return None
    pods = deployment["spec"].get("replicas", 1)
    if scaling.min_replicas <= pods <= scaling.max_replicas:
        return None
    limits = f"{scaling.min_replicas} to {scaling.max_replicas}"
    message = f"{pods} pods; waiting for the autoscaler to make it {limits}"
    return Verdict(False, names.REASON_ROLLING_OUT, message)


def _noted(verdict: Verdict, notes: tuple[str, ...]) -> Verdict:
    return replace(verdict, message="; ".join((verdict.message, *notes)))


def _ready(gates: Mapping[str, Verdict]) -> Verdict:
    """The first gate that is not passed; changing credentials hide nothing but their rollout."""
    closed = [(kind, verdict) for kind, verdict in gates.items() if not verdict.ok]
    if gates[names.CREDENTIALS_READY].reason == names.REASON_CREDENTIALS_ROTATING:
        closed = [it for it in closed if it[1].reason not in ROTATION] or closed
    for kind, verdict in closed:
        return Verdict(False, verdict.reason, f"{kind}: {verdict.message}")
    return Verdict(True, names.REASON_READY, "every component is ready for this generation")


def _progressing(
    instance: KatoInstance, observed: Observed, gates: Mapping[str, Verdict]
) -> Verdict:
    waiting = [verdict for verdict in gates.values() if not verdict.ok]
    if not waiting:
        return Verdict(False, names.REASON_STABLE, "everything is applied and ready")
    if instance.spec.paused:
        return Verdict(False, names.REASON_PAUSED, PAUSED)
    asleep = _hibernated(instance, observed)
    if asleep is not None and asleep.reason == names.REASON_HIBERNATED:
        return asleep
    stuck = next((verdict for verdict in waiting if verdict.blocked), None)
    if stuck is not None and (asleep is None or stuck.reason == names.REASON_REFUSED):
        return Verdict(False, stuck.reason, stuck.message)
    if asleep is not None:
        return replace(asleep, ok=True)
    return Verdict(True, names.REASON_ROLLING_OUT, waiting[0].message)


def _paused(instance: KatoInstance) -> Verdict:
    if instance.spec.paused:
        return Verdict(True, names.REASON_PAUSED, PAUSED)
    return Verdict(False, names.REASON_ACTIVE, "changes are applied")
