"""The conditions of an instance, from what a pass has observed: pure functions."""

from collections.abc import Mapping
from dataclasses import replace

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest
from kato_operator.status import budget, causes, diagnosis
from kato_operator.status.diagnosis import Verdict
from kato_operator.status.observed import Observed, mode

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


def verdicts(instance: KatoInstance, observed: Observed) -> dict[str, Verdict]:
    """The verdict of every condition, by its type."""
    gates = {
        names.SPEC_VALID: Verdict(True, names.REASON_VALID, "the spec is valid"),
        names.CREDENTIALS_READY: observed.credentials,
        **{kind: component(instance, observed, name) for name, kind in COMPONENTS.items()},
    }
    return {
        names.READY: _hibernated(instance) or _ready(gates),
        **gates,
        names.PROGRESSING: _noted(_progressing(instance, gates), observed.notes),
        names.ORCHESTRATION_PAUSED: _paused(instance),
        names.CONNECTION_BUDGET_EXCEEDED: budget.verdict(observed.budgets),
    }


def component(instance: KatoInstance, observed: Observed, name: str) -> Verdict:
    """The verdict on one component.

    What blocks it wins over its rollout, and its rollout over a failed deep check: a component
    that is still starting is not unhealthy. A volume that grows is the last thing to wait for.
    """
    chosen = mode(instance, name)
    given = observed.verdicts.get(name)
    if chosen != "Managed":
        return given or Verdict(True, chosen, f"{name} is {chosen.lower()}")
    if given is not None and given.blocked:
        return given
    workload = observed.workload(instance, name)
    claims = observed.claims(name)
    rollout = diagnosis.rollout(workload, observed.pods(name), claims, observed.warnings)
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


def _hibernated(instance: KatoInstance) -> Verdict | None:
    if not instance.spec.hibernate or instance.spec.paused:
        return None
    return Verdict(
        False,
        names.REASON_HIBERNATED,
        "spec.hibernate is set: everything is scaled to 0 until it is unset",
    )


def _noted(verdict: Verdict, notes: tuple[str, ...]) -> Verdict:
    return replace(verdict, message="; ".join((verdict.message, *notes)))


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
