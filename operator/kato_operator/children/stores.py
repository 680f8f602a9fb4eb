"""The shape that all managed stores have: StatefulSet, two Services, ConfigMap, network policy."""

from collections.abc import Mapping
from dataclasses import dataclass

from kato_operator import names
from kato_operator.children.part import Part, annotated
from kato_operator.crd.parts import Storage
from kato_operator.manifests import Manifest

GRACE_S = 60
"""Seconds that a store may take to write down what it has and end."""
DATA = "data"
OPERATOR_SELECTOR = {names.NAME_LABEL: names.MANAGED_BY}


@dataclass(frozen=True, slots=True)
class Workload:
    """What a store's StatefulSet is made of.

    *digest* names what pods read only at their start: another one rolls them. *on_delete* leaves
    it to the operator which pod is replaced when.
    """

    replicas: int
    pod: Manifest
    storage: Storage
    digest: str = ""
    on_delete: bool = False


@dataclass(frozen=True, slots=True)
class Doors:
    """Ports by name: which clients use, which only peers, which only the operator."""

    clients: Mapping[str, int]
    peers: Mapping[str, int]
    operator: Mapping[str, int]

    @property
    def all(self) -> dict[str, int]:
        return {**self.clients, **self.peers, **self.operator}


def stateful_set(part: Part, workload: Workload) -> Manifest:
    template = {"metadata": {"labels": part.labels}, "spec": workload.pod}
    if workload.digest:
        template = annotated(template, {names.CONFIG_HASH_ANNOTATION: workload.digest})
    policy = part.instance.spec.deletion_policy
    return part.manifest(
        "StatefulSet",
        spec={
            "replicas": workload.replicas,
            "serviceName": part.peers,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete" if workload.on_delete else "RollingUpdate"},
            "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain", "whenDeleted": policy},
            "selector": {"matchLabels": part.selector},
            "template": template,
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": DATA, "labels": part.labels},
                    "spec": claim_spec(workload.storage),
                }
            ],
        },
    )


def claim_spec(storage: Storage) -> Manifest:
    """What is asked of a volume; without a class, the cluster's default."""
    chosen = {} if storage.class_name is None else {"storageClassName": storage.class_name}
    return {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
        **chosen,
    }


def services(part: Part, doors: Doors) -> tuple[Manifest, Manifest]:
    """The Service of ready pods for clients, and the one that gives every pod its name."""
    return (
        part.manifest(
            "Service",
            spec={
                "type": "ClusterIP",
                "selector": part.selector,
                "ports": _service_ports(doors.clients),
            },
        ),
        part.manifest(
            "Service",
            part.peers,
            spec={
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": part.selector,
                "ports": _service_ports(doors.all),
            },
        ),
    )


def network_policies(part: Part, doors: Doors) -> tuple[Manifest, ...]:
    """Who may connect: the instance's service, peers and the operator, if the spec wants so.

    The operator may be in any namespace; what it must show besides its label is the credentials.
    """
    if part.instance.spec.security.network_policy == "Disabled":
        return ()
    service = Part(part.instance, names.SERVICE)
    rules = [
        _rule(doors.clients, {"podSelector": {"matchLabels": service.selector}}),
        _rule(doors.all, {"podSelector": {"matchLabels": part.selector}}),
        _rule(
            {**doors.clients, **doors.operator},
            {"namespaceSelector": {}, "podSelector": {"matchLabels": OPERATOR_SELECTOR}},
        ),
    ]
    spec = {
        "podSelector": {"matchLabels": part.selector},
        "policyTypes": ["Ingress"],
        "ingress": rules,
    }
    return (part.manifest("NetworkPolicy", spec=spec),)


def _rule(numbers: Mapping[str, int], source: Manifest) -> Manifest:
    allowed = [{"protocol": "TCP", "port": number} for number in numbers.values()]
    return {"from": [source], "ports": allowed}


def _service_ports(numbers: Mapping[str, int]) -> list[Manifest]:
    return [
        {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}
        for name, number in numbers.items()
    ]


def data_volume(path: str) -> Manifest:
    """Where a container has the claim."""
    return {"name": DATA, "mountPath": path}
