"""How many pods run, and how many of them may be evicted at once."""

from kato_operator import names
from kato_operator.children.component import Component
from kato_operator.crd.parts import Disruption
from kato_operator.crd.service import Service
from kato_operator.kinds import CHILDREN
from kato_operator.manifests import Manifest


def min_pods(service: Service) -> int:
    """The number of service pods that always run."""
    scaling = service.autoscaling
    return service.replicas if scaling is None else scaling.min_replicas


def budget(component: Component, pods: int, disruption: Disruption) -> tuple[Manifest, ...]:
    """The limit to voluntary disruptions of several pods; broken pods may always be evicted."""
    if pods <= 1:
        return ()
    spec = {
        "maxUnavailable": disruption.max_unavailable,
        "selector": {"matchLabels": component.selector},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return (component.manifest("PodDisruptionBudget", spec=spec),)


def autoscaler(component: Component) -> tuple[Manifest, ...]:
    """The autoscaler of the service, by the share of its requested CPU that it uses."""
    scaling = component.instance.spec.service.autoscaling
    if scaling is None:
        return ()
    target = {
        "type": "Utilization",
        "averageUtilization": scaling.target_cpu_utilization_percentage,
    }
    workload = {
        "apiVersion": CHILDREN["Deployment"].api_version,
        "kind": "Deployment",
        "name": names.service(component.instance.metadata.name),
    }
    spec = {
        "scaleTargetRef": workload,
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return (component.manifest("HorizontalPodAutoscaler", spec=spec),)
