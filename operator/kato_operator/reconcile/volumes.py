"""Labels and annotations of the claims that StatefulSets make: merged into the claims themselves.

The claim templates of a StatefulSet cannot change, and its controller never updates a claim. An
annotation of each claim lists the keys that the spec gave it, so that those that the spec no longer
has are removed, and those of others stay.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from kato_operator import names
from kato_operator.children.component import Component
from kato_operator.cluster.cluster import Cluster
from kato_operator.crd import labels
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.parts import Storage
from kato_operator.errors import RefusedError
from kato_operator.manifests import Manifest, by_name, component_of, is_deleted, name_of
from kato_operator.reconcile import rollout
from kato_operator.reconcile.one_pass import Pass
from kato_operator.status.diagnosis import Verdict

log = structlog.get_logger()

MAPS = ("labels", "annotations")
UNTOUCHED = (*labels.OWN, *labels.OF_VOLUMES)
"""What is never removed, whatever a record says: no spec can have given it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A claim, and what has to be merged into its metadata: null for a key that goes."""

    claim: Manifest
    metadata: Manifest

    @property
    def path(self) -> str:
        """The path of what differs."""
        return f".metadata.{next(iter(self.metadata))}"


def changes(instance: KatoInstance, live: Iterable[Manifest]) -> Iterator[Change]:
    """The claims of managed stores whose labels and annotations are not those of the spec."""
    present = tuple(live)
    known = by_name(present)
    for component, storage in _storages(instance):
        workload = known.get(("StatefulSet", component.object_name))
        for claim in rollout.claims_of(instance, component.name, present):
            metadata = _merge(claim, _wanted(storage), _templated(component, workload))
            if metadata and not is_deleted(claim):
                yield Change(claim, metadata)


async def describe(cluster: Cluster, this: Pass) -> Pass:
    """Give every claim its labels and annotations; a refusal is a verdict on its store."""
    for change in tuple(changes(this.instance, cluster.children(this.instance.key))):
        name = name_of(change.claim)[1]
        try:
            await cluster.merge_metadata(change.claim, change.metadata)
        except RefusedError as error:
            message = f"the API server refuses the labels or annotations of claim {name!r}: {error}"
            verdict = Verdict.blocked_by(names.REASON_REFUSED, message)
            this = this.with_verdict(component_of(change.claim), verdict)
        else:
            log.info("claim labelled", claim=name)
    return this


def _storages(instance: KatoInstance) -> Iterator[tuple[Component, Storage]]:
    spec = instance.spec
    for name, store in (
        (names.REDIS, spec.redis),
        (names.MONGODB, spec.mongodb),
        (names.QDRANT, spec.qdrant),
    ):
        if store.mode == "Managed":
            yield Component(instance, name), store.managed.storage


def _wanted(storage: Storage) -> dict[str, dict[str, str]]:
    """Labels and annotations of the spec, and the record of their keys if there are any."""
    found = {"labels": dict(storage.labels), "annotations": dict(storage.annotations)}
    if any(found.values()):
        keys = {name: sorted(found[name]) for name in MAPS if found[name]}
        found["annotations"][names.GIVEN_ANNOTATION] = json.dumps(
            keys, sort_keys=True, separators=(",", ":")
        )
    return found


def _templated(component: Component, workload: Manifest | None) -> dict[str, set[str]]:
    """The keys, beyond our own, that new claims get from the live StatefulSet."""
    templates = (workload or {}).get("spec", {}).get("volumeClaimTemplates", ())
    found: dict[str, set[str]] = {name: set() for name in MAPS}
    for template in templates:
        for name in MAPS:
            found[name] |= set(template["metadata"].get(name) or ()) - component.labels.keys()
    return found


def _merge(
    claim: Manifest, wanted: Mapping[str, Mapping[str, str]], templated: Mapping[str, set[str]]
) -> Manifest:
    """What to merge into the claim's metadata; empty where nothing differs."""
    live = {name: claim["metadata"].get(name) or {} for name in MAPS}
    given = _given(live["annotations"])
    found: Manifest = {}
    for name in MAPS:
        former = {*given.get(name, ()), *templated[name]}
        if name == "annotations":
            former.add(names.GIVEN_ANNOTATION)
        gone = dict.fromkeys(sorted((former & live[name].keys()) - wanted[name].keys()))
        changed = {key: text for key, text in wanted[name].items() if live[name].get(key) != text}
        if gone or changed:
            found[name] = {**gone, **changed}
    return found


def _given(annotations: Mapping[str, str]) -> dict[str, list[str]]:
    """The keys by map that an earlier spec gave; nothing if somebody has damaged the record."""
    try:
        found = json.loads(annotations.get(names.GIVEN_ANNOTATION, "{}"))
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        name: [key for key in keys if isinstance(key, str) and not key.startswith(UNTOUCHED)]
        for name, keys in found.items()
        if isinstance(keys, list)
    }
