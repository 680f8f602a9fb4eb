"""How many pods there are, and how many may be taken away at once."""

from kato_operator import names
from kato_operator.children.part import Part
from kato_operator.crd.parts import Disruption
from kato_operator.crd.service import Service
from kato_operator.kinds import CHILDREN
from kato_operator.manifests import Manifest


def least_pods(service: Service) -> int:
    """The service's pods that are always there."""
    scaling = service.autoscaling
    return service.replicas if scaling is None else scaling.min_replicas


def budget(part: Part, pods: int, disruption: Disruption) -> tuple[Manifest, ...]:
    """Limits voluntary disruptions, where another pod goes on; pods that are broken may go."""
    if pods <= 1:
        return ()
    spec = {
        "maxUnavailable": disruption.max_unavailable,
        "selector": {"matchLabels": part.selector},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return (part.manifest("PodDisruptionBudget", spec=spec),)


def autoscaler(part: Part) -> tuple[Manifest, ...]:
    """Scales the service by its use of the CPU that it asked for."""
    scaling = part.instance.spec.service.autoscaling
    if scaling is None:
        return ()
    target = {
        "type": "Utilization",
        "averageUtilization": scaling.target_cpu_utilization_percentage,
    }
    workload = {
        "apiVersion": CHILDREN["Deployment"].api_version,
        "kind": "Deployment",
        "name": names.service(part.instance.metadata.name),
    }
    spec = {
        "scaleTargetRef": workload,
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return (part.manifest("HorizontalPodAutoscaler", spec=spec),)
