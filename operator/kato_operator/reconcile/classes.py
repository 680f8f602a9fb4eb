"""A changed storage class: possible as long as no volume is bound, because then there is no data.

Neither the class of a claim nor the claim template of a StatefulSet can change, so both are deleted
and made again. A StatefulSet goes first, or its controller would make claims of the old class in
between; its claims are marked before, so that they are found after an interruption.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from kato_operator import names
from kato_operator.cluster.cluster import Cluster
from kato_operator.errors import RefusedError
from kato_operator.manifests import Manifest, Name, by_name, component_of, is_deleted, name_of
from kato_operator.status.diagnosis import Verdict

log = structlog.get_logger()

MARK = {"annotations": {names.CLASS_CHANGES_ANNOTATION: "true"}}


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to happen in this pass.

    *outdated* are StatefulSets to delete, each with its claims; *claims* are claims to delete.
    *held* names the manifests that must not be applied yet; *refused* holds, by component, why a
    class cannot change.
    """

    outdated: tuple[tuple[Manifest, tuple[Manifest, ...]], ...] = ()
    claims: tuple[Manifest, ...] = ()
    held: frozenset[Name] = frozenset()
    refused: dict[str, Verdict] = field(default_factory=dict)


def plan(desired: Iterable[Manifest], live: Iterable[Manifest]) -> Plan:
    """What the classes in the desired manifests require, next to the live objects."""
    present = tuple(live)
    known = by_name(present)
    steps = [
        _of_set(item, known.get(name_of(item)), tuple(_claims_of(item, present)))
        if item["kind"] == "StatefulSet"
        else _of_claim(item, known.get(name_of(item)))
        for item in desired
        if item["kind"] in ("StatefulSet", "PersistentVolumeClaim")
    ]
    return Plan(
        outdated=tuple(item for step in steps for item in step.outdated),
        claims=tuple(item for step in steps for item in step.claims),
        held=frozenset(name for step in steps for name in step.held),
        refused={name: verdict for step in steps for name, verdict in step.refused.items()},
    )


async def carry_out(cluster: Cluster, planned: Plan) -> dict[str, Verdict]:
    """Delete what has to be made again, unless a volume has been bound in the meantime.

    Returns:
        By component, why a class does not change.
    """
    refused = dict(planned.refused)
    for workload, claims in planned.outdated:
        try:
            await _replace(cluster, workload, claims)
        except RefusedError as error:
            refused[component_of(workload)] = _forbidden(workload, error)
    for claim in planned.claims:
        try:
            await cluster.delete(claim, unchanged=True)
        except RefusedError as error:
            refused[component_of(claim)] = _forbidden(claim, error)
        else:
            log.info("unbound claim deleted for another storage class", claim=name_of(claim)[1])
    return refused


async def _replace(cluster: Cluster, workload: Manifest, claims: tuple[Manifest, ...]) -> None:
    marked = [await cluster.merge_metadata(claim, MARK) for claim in claims]
    if not any(map(_holds_data, marked)):
        await cluster.delete(workload)
        log.info("workload deleted for another storage class", child=name_of(workload)[1])


def _forbidden(live: Manifest, error: RefusedError) -> Verdict:
    kind, name = name_of(live)
    what = f"storage.className cannot change: {kind} {name!r} has to be made again, but: {error}"
    return Verdict.blocked_by(names.REASON_REFUSED, what)


def with_live_class(wanted: Manifest, live: Manifest | None) -> Manifest:
    """The claim, or claim template, with the class that the live one has."""
    if live is None:
        return wanted
    spec = {name: value for name, value in wanted["spec"].items() if name != "storageClassName"}
    given = _class(live)
    return {**wanted, "spec": {**spec, **({} if given is None else {"storageClassName": given})}}


def _of_set(wanted: Manifest, live: Manifest | None, claims: tuple[Manifest, ...]) -> Plan:
    held = frozenset({name_of(wanted)})
    if live is None:
        left = tuple(claim for claim in claims if _is_marked(claim) and not _holds_data(claim))
        doomed = tuple(claim for claim in left if not is_deleted(claim))
        return Plan(claims=doomed, held=held) if left else Plan()
    chosen = _class_of_set(wanted)
    if is_deleted(live) or chosen == _class_of_set(live):
        return Plan()
    bound = [claim for claim in claims if _holds_data(claim)]
    if bound:
        return Plan(refused={component_of(wanted): _refusal(bound[0], chosen)})
    stale = tuple(claim for claim in claims if not is_deleted(claim))
    return Plan(outdated=((live, stale),), held=held)


def _of_claim(wanted: Manifest, live: Manifest | None) -> Plan:
    """The plan for a claim that is a child itself.

    Where the spec names no class, only the digest of what was applied tells whether it named one.
    """
    if live is None or is_deleted(live):
        return Plan()
    chosen = _class(wanted)
    if chosen == _class(live):
        return Plan()
    if _holds_data(live):
        refused = {} if chosen is None else {component_of(wanted): _refusal(live, chosen)}
        return Plan(refused=refused)
    if chosen is None and not _named_a_class(live):
        return Plan()
    return Plan(claims=(live,), held=frozenset({name_of(wanted)}))


def _refusal(claim: Manifest, chosen: str | None) -> Verdict:
    name, present = claim["metadata"]["name"], _class(claim)
    wanted = "the default class" if chosen is None else repr(chosen)
    what = f"storage.className cannot become {wanted}: volume {name} has the class {present!r}"
    fix = "set it back, or move the data to an instance with the other class"
    return Verdict.blocked_by(names.REASON_REFUSED, f"{what} and may hold data; {fix}")


def _claims_of(workload: Manifest, live: Iterable[Manifest]) -> Iterator[Manifest]:
    for template in workload["spec"].get("volumeClaimTemplates", ()):
        prefix = f"{template['metadata']['name']}-{workload['metadata']['name']}-"
        for item in live:
            kind, name = name_of(item)
            ordinal = name.removeprefix(prefix)
            if kind == "PersistentVolumeClaim" and ordinal != name and ordinal.isdecimal():
                yield item


def _holds_data(claim: Manifest) -> bool:
    """Whether a claim has a volume, or will get one with content."""
    spec = claim["spec"]
    source = spec.get("dataSource") or spec.get("dataSourceRef")
    bound = claim.get("status", {}).get("phase") in ("Bound", "Lost")
    return bool(spec.get("volumeName") or source or bound)


def _is_marked(claim: Manifest) -> bool:
    return names.CLASS_CHANGES_ANNOTATION in (claim["metadata"].get("annotations") or {})


def _named_a_class(claim: Manifest) -> bool:
    annotations = claim["metadata"].get("annotations") or {}
    return names.CLASS_NAMED_ANNOTATION in annotations


def _class_of_set(workload: Manifest) -> str | None:
    templates = workload["spec"].get("volumeClaimTemplates") or ()
    return next((_class(template) for template in templates), None)


def _class(claim: Manifest) -> str | None:
    found: str | None = claim["spec"].get("storageClassName")
    return found
