"""Which of the desired manifests may be applied now, next to the live objects: pure functions.

Hibernation stops the service before its stores, waking up starts the stores before the service.
Volumes are expanded through their claims. A Deployment starts under an autoscaler with the pods
that it has.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, Name, by_name, component_of, name_of
from kato_operator.quantities import quantity
from kato_operator.reconcile import classes
from kato_operator.status import diagnosis
from kato_operator.status.diagnosis import Verdict

WORKLOADS = frozenset({"Deployment", "StatefulSet"})
FIT_PODS = frozenset({"ConfigMap", "Service", "Ingress", "ServiceMonitor"})
"""Kinds whose objects name ports and files that the running pods must have."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """A claim that has to ask for a larger volume."""

    claim: Manifest
    size: str | int


def waits(manifest: Manifest, verdict: Verdict | None, live: Iterable[Manifest]) -> bool:
    """Whether a manifest must not be applied because of its component's *verdict*.

    Workloads wait until everything that they need is there. As long as that is a Secret, the
    objects that must fit their pods stay as they are too.
    """
    if verdict is None:
        return False
    if manifest["kind"] in WORKLOADS:
        return True
    waits_too = manifest["kind"] in FIT_PODS and verdict.reason == names.REASON_MISSING_SECRET
    return waits_too and name_of(manifest) in by_name(live)


def arranged(
    instance: KatoInstance, desired: Iterable[Manifest], live: Iterable[Manifest]
) -> tuple[Manifest, ...]:
    """The manifests to apply in this pass, workloads last."""
    known = by_name(live)
    found = [_with_live_volumes(item, known.get(name_of(item))) for item in desired]
    if instance.spec.hibernate:
        found = [_hibernating(item, known) for item in found if not _is_autoscaler(item)]
    else:
        found = [_waking(item, instance, known) for item in found]
    return tuple(sorted(found, key=_is_workload))


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
    """The manifest with the claim sizes and classes of the live object, which are immutable."""
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


def _hibernating(wanted: Manifest, known: Mapping[Name, Manifest]) -> Manifest:
    """The manifest scaled to 0; stores keep their pods until the service has none."""
    if wanted["kind"] == "Deployment":
        return _scaled(wanted, 0)
    live = known.get(name_of(wanted))
    if not _is_set(wanted) or live is None or _is_gone(_service(known)):
        return _scaled(wanted, 0) if _is_set(wanted) else wanted
    return _scaled(wanted, live["spec"].get("replicas", 1))


def _waking(wanted: Manifest, instance: KatoInstance, known: Mapping[Name, Manifest]) -> Manifest:
    """The manifest, but a service without pods stays at 0 until its stores are up.

    An autoscaler does nothing while there are 0 pods, so it is given its minimum.
    """
    live = known.get(name_of(wanted))
    if wanted["kind"] != "Deployment" or live is None or live["spec"].get("replicas", 1):
        return wanted
    if not _stores_are_up(known):
        return _scaled(wanted, 0)
    scaling = instance.spec.service.autoscaling
    return wanted if scaling is None else _scaled(wanted, scaling.min_replicas)


def _stores_are_up(known: Mapping[Name, Manifest]) -> bool:
    stores = [item for item in known.values() if _is_set(item)]
    return all(item["spec"].get("replicas", 1) and _is_rolled_out(item) for item in stores)


def _is_rolled_out(workload: Manifest) -> bool:
    return bool(diagnosis.rollout(workload, (), ()).ok)


def _is_gone(deployment: Manifest | None) -> bool:
    if deployment is None:
        return True
    return not deployment["spec"].get("replicas", 1) and _is_rolled_out(deployment)


def _service(known: Mapping[Name, Manifest]) -> Manifest | None:
    return next((item for item in known.values() if item["kind"] == "Deployment"), None)


def _scaled(workload: Manifest, replicas: int) -> Manifest:
    return {**workload, "spec": {**workload["spec"], "replicas": replicas}}


def _like(template: Manifest, live: Manifest) -> Manifest:
    return classes.with_live_class(_with_size(template, _size(live)), live)


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
