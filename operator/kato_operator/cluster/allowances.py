"""Which fields of children others may own: pure functions.

Kubernetes' own bookkeeping is part of every object, and is not worth a word. What a person or a
tool may own is shown in the status, so that nobody wonders why it stays.
"""

from collections.abc import Iterable

from kato_operator import names
from kato_operator.cluster.fields import Path, element, first_unnamed, plain
from kato_operator.crd.parts import ForeignFields
from kato_operator.manifests import Manifest

OWN_MANAGERS = frozenset({names.FIELD_MANAGER, names.REPLICAS_MANAGER})
BOOKKEEPING_KEYS = (
    *("deployment.kubernetes.io/*", "autoscaling.alpha.kubernetes.io/*"),
    *("pv.kubernetes.io/*", "volume.kubernetes.io/*", "volume.beta.kubernetes.io/*"),
    *(
        "cloud.google.com/neg-status",
        "field.cattle.io/*",
        "openshift.io/internal-registry-pull-secret-ref",
    ),
)
"""Annotations in which controllers of clusters keep notes about an object."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"
POD_LISTS = ("containers", "initContainers", "volumes")
ACCOUNT_LISTS = ("secrets", "imagePullSecrets")
ADDRESSES = ("clusterIP", "clusterIPs", "healthCheckNodePort", "ipFamilies")


def is_bookkeeping(wanted: Manifest, path: Path) -> bool:
    """Whether a field is of the cluster itself, for example a finalizer or an allocated address."""
    steps, kind = plain(path), wanted["kind"]
    if steps[:2] == ("metadata", "finalizers"):
        return True  # who has added it needs it to clean up
    if steps[:2] == ("metadata", "annotations"):
        return matches(steps[-1], BOOKKEEPING_KEYS)
    if kind == "PersistentVolumeClaim":
        return steps[0] == "spec"  # immutable but for the size, which the manifest names
    if kind == "Service":
        return steps[0] == "spec" and steps[1] in ADDRESSES
    if kind == "ServiceAccount" and steps[0] in ACCOUNT_LISTS and len(path) > 1:
        prefix = wanted["metadata"]["name"]  # OpenShift adds them for its registry
        return any(
            value.startswith((f"{prefix}-dockercfg-", f"{prefix}-token-"))
            for value in element(path[1])
        )
    return False


def is_allowed(wanted: Manifest, path: Path, manager: str, chosen: ForeignFields) -> bool:
    """Whether a field that the manifest does not name may stay, by our rules or by the spec's."""
    steps, kind = plain(path), wanted["kind"]
    if manager in chosen.managers:
        return True
    if kind == "Deployment" and steps == ("spec", "replicas"):
        return True  # the manifest names it unless an autoscaler decides
    if kind == "Service" and steps[-1] == "nodePort":
        return first_unnamed(wanted, path[:-1]) is None
    if len(steps) > 1 and steps[-2] in ("annotations", "labels") and "metadata" in steps:
        of_template = steps[:2] == ("spec", "template")
        return matches(steps[-1], chosen.keys) or (of_template and steps[-1] == RESTARTED)
    return steps[:3] == ("spec", "template", "spec") and _is_sidecar(path, chosen)


def matches(text: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits; a trailing `*` stands for any end."""
    return any(
        text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
        for pattern in patterns
    )


def _is_sidecar(path: Path, chosen: ForeignFields) -> bool:
    """Whether a field is in a container or volume of a pod template that the spec allows."""
    if len(path) < 5 or plain(path)[3] not in POD_LISTS:
        return False
    allowed = chosen.volumes if path[3] == "f:volumes" else chosen.containers
    return any(matches(name, allowed) for name in element(path[4]))
