"""What all managed stores have in common: StatefulSet, two Services, network policy, volume."""

from collections.abc import Mapping
from dataclasses import dataclass

from kato_operator import names
from kato_operator.children import pods
from kato_operator.children.component import Component, annotated, labelled
from kato_operator.crd.parts import Storage
from kato_operator.crd.placement import PodTemplate
from kato_operator.manifests import Manifest

GRACE_S = 60
"""Seconds that a store may take to write its data and exit."""
DATA = "data"
OPERATOR_SELECTOR = {names.NAME_LABEL: names.MANAGED_BY}


@dataclass(frozen=True, slots=True)
class Workload:
    """What the StatefulSet of a store is built from.

    *template* is what the spec adds to the pods. *digest* stands for what pods read only when they
    start, so that a change of it restarts them. *on_delete* leaves it to the operator when to
    replace which pod.
    """

    replicas: int
    pod: Manifest
    template: PodTemplate
    storage: Storage
    digest: str = ""
    on_delete: bool = False


@dataclass(frozen=True, slots=True)
class Ports:
    """Port numbers by name: for clients, for peers only, and for the operator only."""

    clients: Mapping[str, int]
    peers: Mapping[str, int]
    operator: Mapping[str, int]

    @property
    def all(self) -> dict[str, int]:
        return {**self.clients, **self.peers, **self.operator}


def stateful_set(component: Component, workload: Workload) -> Manifest:
    """The StatefulSet; scaling it down keeps the claims, deleting it follows the policy."""
    digest = {names.CONFIG_HASH_ANNOTATION: workload.digest} if workload.digest else {}
    policy = component.instance.spec.deletion_policy
    return component.manifest(
        "StatefulSet",
        spec={
            "replicas": workload.replicas,
            "serviceName": component.peers,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete" if workload.on_delete else "RollingUpdate"},
            "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain", "whenDeleted": policy},
            "selector": {"matchLabels": component.selector},
            "template": pods.template(component, workload.template, workload.pod, digest),
            "volumeClaimTemplates": [_claim_template(component, workload.storage)],
        },
    )


def _claim_template(component: Component, storage: Storage) -> Manifest:
    found = {
        "metadata": {"name": DATA, "labels": component.labels},
        "spec": claim_spec(storage),
    }
    return described(found, storage)


def described(claim: Manifest, storage: Storage) -> Manifest:
    """The claim with the labels and annotations of the spec; its own win."""
    found = annotated(claim, {**storage.annotations, **claim["metadata"].get("annotations", {})})
    return labelled(found, dict(storage.labels))


def claim_spec(storage: Storage) -> Manifest:
    """The spec of a claim; without a class it gets the default class of the cluster."""
    chosen = {} if storage.class_name is None else {"storageClassName": storage.class_name}
    return {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
        **chosen,
    }


def services(component: Component, ports: Ports) -> tuple[Manifest, Manifest]:
    """The Service of ready pods for clients, and the headless one that gives every pod a name."""
    return (
        component.manifest(
            "Service",
            spec={
                "type": "ClusterIP",
                "selector": component.selector,
                "ports": _service_ports(ports.clients),
            },
        ),
        component.manifest(
            "Service",
            component.peers,
            spec={
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": component.selector,
                "ports": _service_ports(ports.all),
            },
        ),
    )


def network_policies(component: Component, ports: Ports) -> tuple[Manifest, ...]:
    """The policy that lets in only the service, the peers and the operator, if it is enabled.

    The operator may run in any namespace: its label lets it connect, its credentials log it in.
    """
    if component.instance.spec.security.network_policy == "Disabled":
        return ()
    service = Component(component.instance, names.SERVICE)
    rules = [
        _rule(ports.clients, {"podSelector": {"matchLabels": service.selector}}),
        _rule(ports.all, {"podSelector": {"matchLabels": component.selector}}),
        _rule(
            {**ports.clients, **ports.operator},
            {"namespaceSelector": {}, "podSelector": {"matchLabels": OPERATOR_SELECTOR}},
        ),
    ]
    spec = {
        "podSelector": {"matchLabels": component.selector},
        "policyTypes": ["Ingress"],
        "ingress": rules,
    }
    return (component.manifest("NetworkPolicy", spec=spec),)


def _rule(numbers: Mapping[str, int], source: Manifest) -> Manifest:
    allowed = [{"protocol": "TCP", "port": number} for number in numbers.values()]
    return {"from": [source], "ports": allowed}


def _service_ports(numbers: Mapping[str, int]) -> list[Manifest]:
    return [
        {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}
        for name, number in numbers.items()
    ]


def data_volume(path: str) -> Manifest:
    """The mount of the claim in a container."""
    return {"name": DATA, "mountPath": path}
