"""What the spec asks for, and which of it may be applied now: pure functions of the live objects.

Hibernation stops the service before its stores, waking up starts the stores before the service.
Volumes are expanded through their claims. A Deployment starts under an autoscaler with the pods
that it has.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kato_operator import names
from kato_operator.children import stores
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, Name, by_name, component_of, name_of
from kato_operator.quantities import quantity
from kato_operator.reconcile import classes
from kato_operator.status import diagnosis
from kato_operator.status.diagnosis import Verdict
from kato_operator.status.observed import is_running

WORKLOADS = frozenset({"Deployment", "StatefulSet"})


@dataclass(frozen=True, slots=True)
class Expansion:
    """A claim that has to ask for a larger volume."""

    claim: Manifest
    size: str | int


def waits(manifest: Manifest, verdict: Verdict | None) -> bool:
    """Whether a manifest must not be applied because of its component's *verdict*.

    Workloads wait until everything that they need is there.
    """
    return verdict is not None and _is_workload(manifest)


def asked(
    instance: KatoInstance, desired: Iterable[Manifest], live: Iterable[Manifest]
) -> tuple[Manifest, ...]:
    """The manifests that the children must match in the end, workloads last.

    The claim templates of a StatefulSet cannot change: they are those of the live one.
    """
    known = by_name(live)
    found = [_with_live_volumes(item, known.get(name_of(item))) for item in desired]
    if instance.spec.hibernate:
        found = [_asleep(item) for item in found if not _is_autoscaler(item)]
    return tuple(sorted(found, key=_is_workload))


def arranged(
    instance: KatoInstance, wanted: Iterable[Manifest], live: Iterable[Manifest]
) -> tuple[Manifest, ...]:
    """The manifests to apply in this pass: what is asked for, with as many pods as may run now."""
    present, manifests = tuple(live), tuple(wanted)
    known = by_name(present)
    if instance.spec.hibernate:
        return tuple(_hibernating(item, known, present) for item in manifests)
    are_up = all(_is_up(known.get(name_of(item))) for item in manifests if _is_set(item))
    return tuple(_waking(item, instance, known, stores_are_up=are_up) for item in manifests)


def to_stop(wanted: Manifest, live: Iterable[Manifest]) -> Manifest | None:
    """The live workload whose last pods have to go, whatever else keeps it from being applied."""
    if not _is_workload(wanted) or wanted["spec"].get("replicas", 1):
        return None
    found = by_name(live).get(name_of(wanted))
    return found if found is not None and found["spec"].get("replicas", 1) else None


def expansions(desired: Iterable[Manifest], live: Iterable[Manifest]) -> Iterator[Expansion]:
    """The claims of StatefulSets that ask for less than the spec does.

    The API server lets only a claim with a volume grow.
    """
    claims = [item for item in live if item["kind"] == "PersistentVolumeClaim"]
    for workload in filter(_is_set, desired):
        for template in _templates(workload):
            prefix = f"{template['metadata']['name']}-{workload['metadata']['name']}-"
            size = _size(template)
            for claim in claims:
                grows = _is_bound(claim) and _is_smaller(_size(claim), size)
                if _belongs(claim, prefix) and grows:
                    yield Expansion(claim, size)


def claims_of(
    instance: KatoInstance, component: str, live: Iterable[Manifest]
) -> Iterator[Manifest]:
    """The claims that the StatefulSet of a store has made, those of former pods included."""
    prefix = f"{stores.DATA}-{names.store(instance.metadata.name, component)}-"
    for item in live:
        if item["kind"] == "PersistentVolumeClaim" and _belongs(item, prefix):
            yield item


def pods_of(workload: Manifest, live: Iterable[Manifest]) -> list[Manifest]:
    """The pods that a StatefulSet owns; those of a Deployment are owned by its ReplicaSets."""
    return [
        item
        for item in live
        if item["kind"] == "Pod"
        and any(
            owner["uid"] == workload["metadata"]["uid"]
            for owner in item["metadata"].get("ownerReferences", ())
        )
    ]


def versions(live: Iterable[Manifest]) -> dict[str, str]:
    """The version of the image of each component, as its workload is labelled."""
    found = ((component_of(item), item["metadata"]) for item in live if _is_workload(item))
    return {name: meta["labels"].get(names.VERSION_LABEL, "") for name, meta in found}


def _with_live_volumes(wanted: Manifest, live: Manifest | None) -> Manifest:
    """The manifest with the claim templates of the live object, which are immutable."""
    if wanted["kind"] == "PersistentVolumeClaim":
        return classes.with_live_class(wanted, live)
    if live is None or not _is_set(wanted):
        return wanted
    known = {item["metadata"]["name"]: item for item in _templates(live)}
    templates = [
        _like(item, known[item["metadata"]["name"]]) if item["metadata"]["name"] in known else item
        for item in _templates(wanted)
    ]
    return {**wanted, "spec": {**wanted["spec"], "volumeClaimTemplates": templates}}


def _asleep(wanted: Manifest) -> Manifest:
    return _scaled(wanted, 0) if _is_workload(wanted) else wanted


def _hibernating(
    wanted: Manifest, known: Mapping[Name, Manifest], live: Iterable[Manifest]
) -> Manifest:
    """The manifest scaled to 0; stores keep their pods until the service has none."""
    found = known.get(name_of(wanted))
    if not _is_set(wanted) or found is None or _is_gone(_service(known), live):
        return wanted
    return _scaled(wanted, found["spec"].get("replicas", 1))


def _waking(
    wanted: Manifest,
    instance: KatoInstance,
    known: Mapping[Name, Manifest],
    *,
    stores_are_up: bool,
) -> Manifest:
    """The manifest, but a service without pods stays at 0 until its stores are up.

    An autoscaler does nothing while there are 0 pods, so it is given its minimum.
    """
    if wanted["kind"] != "Deployment":
        return wanted
    live, scaling = known.get(name_of(wanted)), instance.spec.service.autoscaling
    if live is not None and live["spec"].get("replicas", 1):
        return wanted
    if live is not None and not stores_are_up:
        return _scaled(wanted, 0)
    return wanted if scaling is None else _scaled(wanted, scaling.min_replicas)


def _is_up(store: Manifest | None) -> bool:
    return store is not None and bool(store["spec"].get("replicas", 1)) and _is_rolled_out(store)


def _is_rolled_out(workload: Manifest) -> bool:
    return bool(diagnosis.rollout(workload, (), ()).ok)


def _is_gone(deployment: Manifest | None, live: Iterable[Manifest]) -> bool:
    """Whether no pod of the service needs a store any more; one that is ending still does."""
    if any(is_running(item) and component_of(item) == names.SERVICE for item in live):
        return False
    if deployment is None:
        return True
    return not deployment["spec"].get("replicas", 1) and _is_rolled_out(deployment)


def _service(known: Mapping[Name, Manifest]) -> Manifest | None:
    return next((item for item in known.values() if item["kind"] == "Deployment"), None)


def _scaled(workload: Manifest, replicas: int) -> Manifest:
    if workload["spec"].get("replicas") == replicas:
        return workload  # the same object: what was applied need not be compared again
    return {**workload, "spec": {**workload["spec"], "replicas": replicas}}


def _like(template: Manifest, live: Manifest) -> Manifest:
    """The template in the state of the live one, whose labels and annotations stay as well."""
    known = live["metadata"]
    kept = {name: known[name] for name in ("name", "labels", "annotations") if name in known}
    found = classes.with_live_class(_with_size(template, _size(live)), live)
    return {**found, "metadata": kept}


def _is_bound(claim: Manifest) -> bool:
    return bool(claim["spec"].get("volumeName"))


def _with_size(template: Manifest, size: str | int) -> Manifest:
    spec = template["spec"]
    requests = {**spec["resources"]["requests"], "storage": size}
    return {**template, "spec": {**spec, "resources": {**spec["resources"], "requests": requests}}}


def _templates(workload: Manifest) -> list[Manifest]:
    found: list[Manifest] = workload["spec"].get("volumeClaimTemplates", [])
    return found


def _size(claim: Manifest) -> str | int:
    size: str | int = claim["spec"]["resources"]["requests"]["storage"]
    return size


def _is_smaller(one: str | int, other: str | int) -> bool:
    left, right = quantity(one), quantity(other)
    return left is not None and right is not None and left < right


def _belongs(claim: Manifest, prefix: str) -> bool:
    name: str = claim["metadata"]["name"]
    return name.startswith(prefix) and name.removeprefix(prefix).isdecimal()


def _is_set(manifest: Manifest) -> bool:
    return bool(manifest["kind"] == "StatefulSet")


def _is_workload(manifest: Manifest) -> bool:
    return manifest["kind"] in WORKLOADS


def _is_autoscaler(manifest: Manifest) -> bool:
    return bool(manifest["kind"] == "HorizontalPodAutoscaler")
