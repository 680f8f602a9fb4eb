"""What the pods of all components share: the restricted Pod Security Standard, probes, volumes."""

from collections.abc import Mapping
from typing import Any

from kato_operator.children.images import ChosenImage
from kato_operator.children.part import Part
from kato_operator.crd.parts import Resources
from kato_operator.manifests import Manifest

SECRET_MODE = 0o440
"""Of files from Secrets: the pod's own user reads them through its group."""
LOCKED: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
LONG_START: Manifest = {"periodSeconds": 2, "failureThreshold": 1800}
"""A store may read its whole volume before it answers: an hour."""


def pod(uid: int, image: ChosenImage, **fields: Any) -> Manifest:
    """The spec of a pod that runs as user and group *uid*; *image* says how it may be pulled."""
    secrets = [{"name": name} for name in image.pull_secrets]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service named redis would set REDIS_PORT
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": uid,
            "runAsGroup": uid,
            "fsGroup": uid,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"imagePullSecrets": secrets} if secrets else {}),
        **fields,
    }


def container(name: str, image: ChosenImage, **fields: Any) -> Manifest:
    """A container with no way to more rights than its user has."""
    return {
        "name": name,
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        "securityContext": LOCKED,
        **fields,
    }


def asked_for(resources: Resources) -> Manifest:
    """The resources of a spec as a container names them."""
    found = {"requests": dict(resources.requests), "limits": dict(resources.limits)}
    return {name: quantities for name, quantities in found.items() if quantities}


def sized(cpu: str, memory: str, limit: str) -> Manifest:
    """The resources of a container that no spec speaks of."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def ports(numbers: Mapping[str, int]) -> list[Manifest]:
    """A container's ports by their names."""
    return [
        {"name": name, "containerPort": number, "protocol": "TCP"}
        for name, number in numbers.items()
    ]


def listens(port: str, **fields: int) -> Manifest:
    """A probe of whether something listens."""
    return {"tcpSocket": {"port": port}, **fields}


def answers(port: str, path: str, **fields: int) -> Manifest:
    """A probe of whether a GET is answered well."""
    return {"httpGet": {"port": port, "path": path}, **fields}


def scratch(name: str, size: str, **fields: str) -> Manifest:
    """A volume that ends with its pod."""
    return {"name": name, "emptyDir": {"sizeLimit": size, **fields}}


def secret_files(name: str, secret: str, files: Mapping[str, str]) -> Manifest:
    """A volume with some keys of a Secret, by the names of their files."""
    items = [{"key": key, "path": path} for path, key in files.items()]
    source = {"secretName": secret, "items": items, "defaultMode": SECRET_MODE}
    return {"name": name, "secret": source}


def from_secret(variable: str, secret: str, key: str) -> Manifest:
    """A variable whose value must be in a Secret, or the container does not start."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def own_name(variable: str) -> Manifest:
    """A variable with the name of the pod."""
    source = {"apiVersion": "v1", "fieldPath": "metadata.name"}
    return {"name": variable, "valueFrom": {"fieldRef": source}}


def spread(part: Part, wish: str, **fields: Any) -> Manifest:
    """How a component's pods are kept apart, as fields of the pod's spec."""
    if wish == "None":
        return {}
    unsatisfiable = "DoNotSchedule" if wish == "Required" else "ScheduleAnyway"
    constraints = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": unsatisfiable,
            "labelSelector": {"matchLabels": part.selector},
            **fields,
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
    return {"topologySpreadConstraints": constraints}
