"""What the pods of all components share: the restricted Pod Security Standard, probes, volumes."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from kato_operator.children.component import Component, annotated, labelled
from kato_operator.children.images import ChosenImage
from kato_operator.crd.parts import Resources
from kato_operator.crd.placement import PodTemplate
from kato_operator.manifests import Manifest

SECRET_MODE = 0o440
"""The mode of files from Secrets: the pod's user reads them through its group."""
NODE, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
RESTRICTED: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
HELPER_CPU = "500m"
"""The most CPU of a container next to the main one."""
LONG_START: Manifest = {"periodSeconds": 2, "failureThreshold": 1800}
"""An hour: a store may have to read its whole volume before it answers."""


def pod(uid: int, *images: ChosenImage, **fields: Any) -> Manifest:
    """The spec of a pod that runs as user and group *uid*, with the pull secrets of its images."""
    named = dict.fromkeys(name for image in images for name in image.pull_secrets)
    secrets = [{"name": name} for name in named]
    return {
        "automountServiceAccountToken": False,
        # with service links, a Service named redis would set the variable REDIS_PORT
        "enableServiceLinks": False,
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
    """A container that can gain no more rights than its user has."""
    return {
        "name": name,
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        "securityContext": RESTRICTED,
        # the status of a container that crashed then has the end of its log
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **fields,
    }


def requirements(resources: Resources) -> Manifest:
    """The resources of a spec, in the spelling of a container."""
    found = {"requests": dict(resources.requests), "limits": dict(resources.limits)}
    return {name: quantities for name, quantities in found.items() if quantities}


def fixed_requirements(cpu: str, memory: str, limit: str) -> Manifest:
    """The resources of a container that the spec does not configure.

    It has limits for both: a quota on limits refuses every pod with a container that lacks one.
    """
    return {
        "requests": {"cpu": cpu, "memory": memory},
        "limits": {"cpu": HELPER_CPU, "memory": limit},
    }


def ports(numbers: Mapping[str, int]) -> list[Manifest]:
    """The ports of a container, from their numbers by name."""
    return [
        {"name": name, "containerPort": number, "protocol": "TCP"}
        for name, number in numbers.items()
    ]


def tcp_probe(port: str, **fields: int) -> Manifest:
    """A probe that succeeds if something listens on the port."""
    return {"tcpSocket": {"port": port}, **fields}


def http_probe(port: str, path: str, **fields: int) -> Manifest:
    """A probe that succeeds if a GET returns a status below 400; by HTTPS if the port is named so.

    The kubelet accepts every certificate.
    """
    scheme = {"scheme": "HTTPS"} if port == "https" else {}
    return {"httpGet": {"port": port, "path": path, **scheme}, **fields}


def scratch(name: str, size: str, **fields: str) -> Manifest:
    """A volume that is deleted with its pod."""
    return {"name": name, "emptyDir": {"sizeLimit": size, **fields}}


def secret_files(name: str, secret: str, files: Mapping[str, str]) -> Manifest:
    """A volume with keys of a Secret as files; *files* maps file names to keys."""
    items = [{"key": key, "path": path} for path, key in files.items()]
    source = {"secretName": secret, "items": items, "defaultMode": SECRET_MODE}
    return {"name": name, "secret": source}


def from_secret(variable: str, secret: str, key: str) -> Manifest:
    """A variable with a value from a Secret; without it the container does not start."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def pod_name(variable: str) -> Manifest:
    """A variable with the name of the pod itself."""
    source = {"apiVersion": "v1", "fieldPath": "metadata.name"}
    return {"name": variable, "valueFrom": {"fieldRef": source}}


def template(
    component: Component, wanted: PodTemplate, spec: Manifest, annotations: Mapping[str, str]
) -> Manifest:
    """The pod template of a workload; our own labels and *annotations* win over those wanted."""
    found = {"metadata": {"labels": component.labels}, "spec": spec}
    every = {**wanted.annotations, **annotations}
    return labelled(annotated(found, every), dict(wanted.labels))


def placement(component: Component, wanted: PodTemplate, *, spread: str, **fields: Any) -> Manifest:
    """What decides on which nodes the pods run, as fields of a pod.

    Args:
        spread: How pods are spread where the template does not say it: None, Preferred, Required.
        fields: More fields of every topology spread constraint.
    """
    affinity = wanted.affinity
    found = {
        "topologySpreadConstraints": [
            {**item, "labelSelector": {"matchLabels": component.selector}, **fields}
            for item in [_plain(item) for item in wanted.topology_spread] or _spread(spread)
        ],
        "nodeSelector": dict(wanted.node_selector),
        "affinity": None if affinity is None else _plain(affinity),
        "tolerations": [_plain(item) for item in wanted.tolerations],
        "priorityClassName": wanted.priority_class_name,
    }
    return {name: value for name, value in found.items() if value}


def _spread(wish: str) -> list[Manifest]:
    """The constraints that spread pods over nodes and zones.

    Zones are always only preferred: where no node has a label for its zone, a requirement would
    keep every pod from being scheduled.
    """
    if wish == "None":
        return []
    nodes = "DoNotSchedule" if wish == "Required" else "ScheduleAnyway"
    return [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": unsatisfiable}
        for key, unsatisfiable in ((NODE, nodes), (ZONE, "ScheduleAnyway"))
    ]


def _plain(part: BaseModel) -> Manifest:
    """A part of the spec in its own spelling, which is that of a pod."""
    return part.model_dump(by_alias=True, exclude_none=True, mode="json")
