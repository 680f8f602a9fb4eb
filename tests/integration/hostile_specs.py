"""Specs with every field set, and values that no field or only some of them can have."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
Path = tuple[str | int, ...]

TERM = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
POD_TERM = {
    "topologyKey": "kubernetes.io/hostname",
    "labelSelector": {
        "matchLabels": {"app": "noisy"},
        "matchExpressions": [{"key": "tier", "operator": "Exists"}],
    },
    "namespaces": ["other"],
    "namespaceSelector": {"matchLabels": {"team": "a"}},
}
PODS = {
    "requiredDuringSchedulingIgnoredDuringExecution": [POD_TERM],
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "podAffinityTerm": POD_TERM}
    ],
}
POD_TEMPLATE = {
    "labels": {"team": "a", "example.com/cost": "42"},
    "annotations": {"example.com/note": "anything: you like"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [
        {"key": "dedicated", "operator": "Equal", "value": "kato", "effect": "NoExecute"},
        {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
    ],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    TERM,
                    {"matchExpressions": [{"key": "cpus", "operator": "Gt", "values": ["8"]}]},
                ]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": TERM}],
        },
        "podAffinity": PODS,
        "podAntiAffinity": PODS,
    },
    "topologySpread": [
        {"topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2},
        {"topologyKey": "rack", "maxSkew": 3},
    ],
    "priorityClassName": "high.priority",
}
STORAGE = {
    "size": "11Gi",
    "className": "fast.example",
    "labels": {"backup": "daily"},
    "annotations": {"example.com/note": "b"},
}
IMAGE = {
    "repository": "registry.example:5000/a/b",
    "tag": "1.0",
    "digest": "sha256:" + "0" * 64,
    "pullPolicy": "Always",
    "pullSecrets": [{"name": "registry"}],
}
RESOURCES = {
    "requests": {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "1Gi"},
    "limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "2Gi"},
}
SECRET = {"name": "mine", "key": "value"}
STORE = {
    "image": IMAGE,
    "storage": STORAGE,
    "resources": RESOURCES,
    "podTemplate": POD_TEMPLATE,
}
FULL: Spec = {
    "processorId": "a.b-c_d",
    "deletionPolicy": "Delete",
    "service": {
        "image": IMAGE,
        "replicas": 2,
        "autoscaling": {"minReplicas": 2, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50},
        "port": 8001,
        "expose": {
            "type": "LoadBalancer",
            "ipFamilyPolicy": "SingleStack",
            "annotations": {"example.com/note": "c"},
            "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
            "ingress": {"host": "a.example", "className": "nginx", "tlsSecretName": "tls"},
        },
        "tls": {"secretName": "mine-tls"},
        "auth": {
            "mode": "Token",
            "apiKeysSecretRef": SECRET,
            "token": {
                "issuer": "https://issuer.example:8443/a",
                "audiences": ["kato"],
                "jwksURL": "https://[fd00::1]/keys",
                "scopeClaim": "scope",
                "adminSubjects": ["admin"],
                "caSecretRef": SECRET,
            },
        },
        "rateLimit": {"requestsPerSecond": 10, "burst": 20, "by": "Address"},
        "resources": RESOURCES,
        "env": [
            {"name": "A", "value": "b"},
            {"name": "B", "valueFrom": {"secretKeyRef": SECRET}},
            {"name": "C", "valueFrom": {"configMapKeyRef": SECRET}},
        ],
        "podTemplate": POD_TEMPLATE,
    },
    "redis": {"managed": {**STORE, "config": {"save": "60 1", "maxclients": "100"}}},
    "mongodb": {"managed": {**STORE, "members": 3, "disruption": {"maxUnavailable": 1}}},
    "qdrant": {"managed": {**STORE, "replicas": 2}},
    "monitoring": {"labels": {"release": "a"}},
}
VARIED: Spec = {
    **FULL,
    "redis": {"managed": {"storage": STORAGE, "config": {"save": "60 1", "maxclients": "100"}}},
    "mongodb": {"managed": {"resources": RESOURCES, "members": 3}},
    "qdrant": {"managed": {"replicas": 2}},
}
"""The same with each of the parts that components share only once."""
EMBEDDED: Spec = {
    "service": {"embeddedStorage": STORAGE},
    "redis": {"mode": "Embedded"},
    "mongodb": {"mode": "Embedded"},
    "qdrant": {
        "mode": "External",
        "external": {"url": "http://[fd00::1]:6333/a", "apiKeySecretRef": SECRET},
    },
}

TEXTS = (
    *("", " ", "a b", "-a", "A", "a..b", ".", "..", "../a", "a/b", "a:b", "a@b", "ä", "a\0b"),
    *("a\nb", "x" * 64, "x" * 254, "9" * 30, "1e999999999", "-1", "0", "1n", "512m", "1.2.3.4"),
    *("999.1.1.1/8", "10.0.0.5/8", ":::/1", "fd00::1/8", "https://:0/", "https://a:99999/"),
    *("a.example:1", "UPPER/case:1", "[::1]", "$(HOME)", "None", "pod-template-hash"),
    *("kato.dev/instance", "app.kubernetes.io/name", "volume.kubernetes.io/selected-node"),
    *("container.apparmor.security.beta.kubernetes.io/service", "example.com/a", "pool/"),
)
NUMBERS = (-1, 0, 1, 7, 101, 65536, 2**31, 2**63 - 1, 10**30)


@dataclass(frozen=True)
class Mutation:
    """A leaf of a spec, or with *is_key* the key of one, and what to put there."""

    spec: Spec
    path: Path
    value: Any
    is_key: bool = False

    def made(self) -> Spec:
        changed = copy.deepcopy(self.spec)
        node: Any = changed
        for step in self.path[:-1]:
            node = node[step]
        if self.is_key:
            node[self.value] = node.pop(self.path[-1])
        else:
            node[self.path[-1]] = self.value
        return changed

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}{' as key' * self.is_key} = {self.value!r}"


def mutations(spec: Spec) -> Iterator[Mutation]:
    """Every leaf, and every key of a map that is up to users, with each of the values above."""
    for path, leaf in _leaves(spec, ()):
        for value in (*TEXTS, *NUMBERS) if _is_quantity(path) else _values(leaf):
            if value != leaf:
                yield Mutation(spec, path, value)
        if _parent(path) in MAPS:
            for key in TEXTS:
                yield Mutation(spec, path, key, is_key=True)


MAPS = ("labels", "annotations", "nodeSelector", "matchLabels", "requests", "limits", "config")


def _is_quantity(path: Path) -> bool:
    return path[-1] == "size" or _parent(path) in ("requests", "limits")


def _parent(path: Path) -> str | int:
    return path[-2] if len(path) > 1 else ""


def _values(leaf: object) -> tuple[object, ...]:
    return NUMBERS if isinstance(leaf, int) else TEXTS


def _leaves(node: Any, path: Path) -> Iterator[tuple[Path, object]]:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for step, value in items:
        if isinstance(value, dict | list):
            yield from _leaves(value, (*path, step))
        else:
            yield (*path, step), value
