"""What the children of an instance should be, and where they are not.

It is planned in every pass, also where nothing may be applied: because the instance is paused, or
because values from Secrets are not known.
"""

from collections.abc import Iterator
from dataclasses import replace

from kato_operator import children, names
from kato_operator.children.secrets import CREDENTIALS
from kato_operator.cluster.cluster import Cluster
from kato_operator.cluster.compare import common
from kato_operator.cluster.ownership import is_prunable
from kato_operator.cluster.review import Difference
from kato_operator.manifests import Manifest, by_name, component_of, name_of, version
from kato_operator.reconcile import classes, rollout, volumes
from kato_operator.reconcile.one_pass import Pass
from kato_operator.status.diagnosis import Verdict
from kato_operator.status.observed import SURPLUS, Drift

GUESSES = ("one", "other")
"""Two stand-ins for a value that is not known: what differs between them depends on the value."""
TEMPLATES, CLASS = ".spec.volumeClaimTemplates", ".spec.storageClassName"
REQUEST = ".spec.resources.requests.storage"


def planned(cluster: Cluster, this: Pass, facts: children.Facts) -> Pass:
    """This pass with the manifests that the spec asks for."""
    blocker = _blocker(this)
    desired = (
        children.desired(this.instance, facts) if blocker is None else _without_values(this, facts)
    )
    asked = rollout.asked(this.instance, desired, cluster.children(this.instance.key))
    return replace(this, blocker=blocker, desired=desired, asked=asked)


def drift(cluster: Cluster, this: Pass) -> tuple[Drift, ...]:
    """Where the children differ, now, from what the spec asks for, and what of it is allowed."""
    found = (
        *_of_claims(cluster, this),
        *_of_descriptions(cluster, this),
        *_of_classes(cluster, this),
        *_surplus(cluster, this),
    )
    if _is_held_back(this):
        found = tuple(replace(item, state=names.DRIFT_PENDING) for item in found)
    return (*_of_children(cluster, this), *found)


def _of_children(cluster: Cluster, this: Pass) -> Iterator[Drift]:
    for manifest in this.asked:
        known, applied = this.applied.get(name_of(manifest), (None, None))
        is_compared = known is manifest and _is_same(applied, cluster.child(manifest))
        if is_compared and not cluster.is_shared(manifest):
            continue  # compared in this pass, and unchanged since
        in_part = this.blocker is not None
        for found in cluster.drift(this.instance, manifest, in_part=in_part):
            state = _state(this, found)
            yield replace(_drift(manifest, found.path), manager=found.manager, state=state)


def _is_same(one: Manifest | None, other: Manifest | None) -> bool:
    """Whether both are the same object in the same version."""
    return one is other or (
        one is not None and other is not None and version(one) == version(other)
    )


def _of_claims(cluster: Cluster, this: Pass) -> Iterator[Drift]:
    for expansion in rollout.expansions(this.desired, cluster.children(this.instance.key)):
        yield _drift(expansion.claim, REQUEST)


def _of_descriptions(cluster: Cluster, this: Pass) -> Iterator[Drift]:
    for item in volumes.changes(this.instance, cluster.children(this.instance.key)):
        yield _drift(item.claim, item.path)


def _of_classes(cluster: Cluster, this: Pass) -> Iterator[Drift]:
    """Where the storage class differs, can it change or not: manifests keep the live one."""
    changes = classes.plan(this.desired, cluster.children(this.instance.key))
    for workload, _ in changes.outdated:
        yield _drift(workload, TEMPLATES)
    for claim in changes.claims:
        yield _drift(claim, CLASS)
    for manifest in this.asked:
        if manifest["kind"] == "StatefulSet" and component_of(manifest) in changes.refused:
            yield _drift(manifest, TEMPLATES)


def _surplus(cluster: Cluster, this: Pass) -> Iterator[Drift]:
    """Children that will be deleted once the instance is no longer paused."""
    if not this.instance.spec.paused:
        return
    wanted = by_name(this.asked)
    for name, child in by_name(cluster.children(this.instance.key)).items():
        if name not in wanted and is_prunable(child, this.instance):
            yield _drift(child, SURPLUS)


def _is_held_back(this: Pass) -> bool:
    return this.instance.spec.paused or this.blocker is not None


def _state(this: Pass, found: Difference) -> str:
    """What becomes of a difference."""
    if found.allowed:
        return names.DRIFT_ALLOWED
    if _is_held_back(this):
        return names.DRIFT_PENDING
    return names.DRIFT_CONTESTED if found.contested else names.DRIFT_REPAIRING


def _drift(manifest: Manifest, path: str) -> Drift:
    kind, name = name_of(manifest)
    return Drift(kind, name, component_of(manifest), path)


def _blocker(this: Pass) -> Verdict | None:
    """Why not all values are known that manifests are built from; None if they are."""
    return next(iter(this.verdicts.values()), None) if this.credentials.ok else this.credentials


def _without_values(this: Pass, facts: children.Facts) -> tuple[Manifest, ...]:
    """The manifests without everything that depends on a value that is not known."""
    one, other = (children.desired(this.instance, _guessed(facts, guess)) for guess in GUESSES)
    return tuple(common(*pair) for pair in zip(one, other, strict=True))


def _guessed(facts: children.Facts, guess: str) -> children.Facts:
    external = {name: value or guess for name, value in facts.external.items()}
    return replace(
        facts,
        credentials={**dict.fromkeys(CREDENTIALS, guess), **facts.credentials},
        external=external,
        recorded_set=facts.recorded_set or guess,
    )
