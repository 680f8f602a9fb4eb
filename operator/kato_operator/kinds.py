"""The kinds of the Kubernetes API that the operator reads and writes."""

from dataclasses import dataclass, replace

from kato_operator import names


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind, and where the API server serves it; an optional one may have no CRD in a cluster."""

    api_version: str
    name: str
    plural: str
    is_optional: bool = False
    metadata_only: bool = False
    """Whether only the metadata of its objects is read."""

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of an object, or of all objects where *name* is empty."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        steps = [root + self.api_version]
        steps += [f"namespaces/{namespace}"] if namespace else []
        steps += [step for step in (self.plural, name, subresource) if step]
        return "/".join(steps)


INSTANCE = Kind(f"{names.GROUP}/{names.VERSION}", names.KIND, names.PLURAL)
EVENT = Kind("v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
POD = Kind("v1", "Pod", "pods")
CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")

_CHILDREN = (
    Kind("v1", "Secret", "secrets"),
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "Service", "services"),
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    CLAIM,
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", is_optional=True),
)
CHILDREN = {kind.name: kind for kind in _CHILDREN}
"""Every kind that children of an instance have, by name."""
SECRET_METADATA = replace(CHILDREN["Secret"], metadata_only=True)
"""Every Secret, without its values."""
WATCHED = {**CHILDREN, POD.name: POD}
"""Every kind that has an informer, by name: children, and the pods that their controllers make."""
