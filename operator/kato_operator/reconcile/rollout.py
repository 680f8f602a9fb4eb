"""What of the desired manifests may be applied now, beside what is there: pure.

Hibernation goes service first, waking goes stores first; volumes are grown through their claims;
a Deployment under an autoscaler starts from the pods it has.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, by_name, component_of
from kato_operator.quantities import quantity
from kato_operator.status import diagnosis

WORKLOADS = frozenset({"Deployment", "StatefulSet"})


@dataclass(frozen=True, slots=True)
class Growth:
    """A claim that has to become larger."""

    claim: Manifest
    size: str | int


def arranged(
    instance: KatoInstance, desired: Iterable[Manifest], live: Iterable[Manifest]
) -> tuple[Manifest, ...]:
    """The manifests to apply in this pass, workloads last."""
    known = by_name(live)
    found = [_beside_live(item, known.get(_name(item))) for item in desired]
    if instance.spec.hibernate:
        found = [_asleep(item, known) for item in found if not _is_autoscaler(item)]
    else:
        found = [_awake(item, instance, known) for item in found]
    return tuple(sorted(found, key=_is_workload))


def growths(desired: Iterable[Manifest], live: Iterable[Manifest]) -> Iterator[Growth]:
    """The claims of StatefulSets that are smaller than they should be."""
    claims = [item for item in live if item["kind"] == "PersistentVolumeClaim"]
    for workload in filter(_is_set, desired):
        for template in _templates(workload):
            prefix = f"{template['metadata']['name']}-{workload['metadata']['name']}-"
            size = _size(template)
            for claim in claims:
                if _belongs(claim, prefix) and _is_smaller(_size(claim), size):
                    yield Growth(claim, size)


def pods_of(workload: Manifest, live: Iterable[Manifest]) -> list[Manifest]:
    """The pods that a workload controls itself."""
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
    """The version that each component's workload was made for."""
    found = ((component_of(item), item["metadata"]) for item in live if _is_workload(item))
    return {name: meta["labels"].get(names.VERSION_LABEL, "") for name, meta in found}


def notes(live: Iterable[Manifest]) -> tuple[str, ...]:
    """What children say of themselves that stops nothing: an autoscaler without metrics."""
    return tuple(
        f"autoscaling does not work: {condition.get('message', condition['reason'])}"
        for item in live
        if _is_autoscaler(item)
        for condition in item.get("status", {}).get("conditions", ())
        if condition["type"] == "ScalingActive" and condition["status"] == "False"
    )


def _beside_live(wanted: Manifest, live: Manifest | None) -> Manifest:
    """The manifest with the claim sizes that the live StatefulSet has: they cannot be changed."""
    if live is None or not _is_set(wanted):
        return wanted
    sizes = {item["metadata"]["name"]: _size(item) for item in _templates(live)}
    templates = [
        _with_size(item, sizes[item["metadata"]["name"]])
        if item["metadata"]["name"] in sizes
        else item
        for item in _templates(wanted)
    ]
    return {**wanted, "spec": {**wanted["spec"], "volumeClaimTemplates": templates}}


def _asleep(wanted: Manifest, known: dict[tuple[str, str], Manifest]) -> Manifest:
    """Stores keep their pods until the service has none."""
    if wanted["kind"] == "Deployment":
        return _scaled(wanted, 0)
    live = known.get(_name(wanted))
    if not _is_set(wanted) or live is None or _is_gone(_service(known)):
        return _scaled(wanted, 0) if _is_set(wanted) else wanted
    return _scaled(wanted, live["spec"].get("replicas", 1))


def _awake(
    wanted: Manifest, instance: KatoInstance, known: dict[tuple[str, str], Manifest]
) -> Manifest:
    """A service without pods waits for its stores; an autoscaler starts from at least one pod."""
    live = known.get(_name(wanted))
    if wanted["kind"] != "Deployment" or live is None or live["spec"].get("replicas", 1):
        return wanted
    if not _stores_are_up(known):
        return _scaled(wanted, 0)
    scaling = instance.spec.service.autoscaling
    return wanted if scaling is None else _scaled(wanted, scaling.min_replicas)


def _stores_are_up(known: dict[tuple[str, str], Manifest]) -> bool:
    stores = [item for item in known.values() if _is_set(item)]
    return all(item["spec"].get("replicas", 1) and _is_rolled_out(item) for item in stores)


def _is_rolled_out(workload: Manifest) -> bool:
    return bool(diagnosis.rollout(workload, (), ()).ok)


def _is_gone(deployment: Manifest | None) -> bool:
    if deployment is None:
        return True
    return not deployment["spec"].get("replicas", 1) and _is_rolled_out(deployment)


def _service(known: dict[tuple[str, str], Manifest]) -> Manifest | None:
    return next((item for item in known.values() if item["kind"] == "Deployment"), None)


def _scaled(workload: Manifest, replicas: int) -> Manifest:
    return {**workload, "spec": {**workload["spec"], "replicas": replicas}}


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


def _name(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]
