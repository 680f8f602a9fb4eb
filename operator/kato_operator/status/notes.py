"""Problems that block nothing, for the message of Progressing: pure functions."""

from collections.abc import Iterable, Iterator

from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, is_deleted
from kato_operator.status import containers


def of(instance: KatoInstance, live: Iterable[Manifest]) -> tuple[str, ...]:
    """What a person should hear of although everything may be ready."""
    present = tuple(live)
    return (*_scaling(instance), *_autoscalers(present), *_kills(present))


def _scaling(instance: KatoInstance) -> Iterator[str]:
    """The answer to `kubectl scale`, which changes a field that an autoscaler overrules."""
    service = instance.spec.service
    scaling = service.autoscaling
    if scaling is None or service.replicas == type(service)().replicas:
        return
    what = f"service.replicas is {service.replicas}, but service.autoscaling decides"
    between = f"between {scaling.min_replicas} and {scaling.max_replicas} pods"
    yield f"{what}: {between}; change its bounds, or remove it to scale by hand"


def _autoscalers(live: Iterable[Manifest]) -> Iterator[str]:
    for item in live:
        if item["kind"] != "HorizontalPodAutoscaler":
            continue
        for condition in item.get("status", {}).get("conditions", ()):
            if condition["type"] == "ScalingActive" and condition["status"] == "False":
                detail = condition.get("message", condition["reason"])
                yield f"autoscaling is not active: {detail}"


def _kills(live: Iterable[Manifest]) -> Iterator[str]:
    for item in live:
        if item["kind"] == "Pod" and not is_deleted(item):
            yield from containers.notes(item)
