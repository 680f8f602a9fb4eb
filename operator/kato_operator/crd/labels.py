"""Labels and annotations in a spec: those of the operator and of Kubernetes cannot be set."""

from collections.abc import Mapping
from typing import Any

from kato_operator.crd.rules import Rule, has_no_key_below

OWN = ("app.kubernetes.io/", "kato.dev/")
"""Labels by which workloads, Services and network policies select pods."""
OF_CONTROLLERS = (
    *("pod-template-hash", "controller-revision-hash"),
    *("statefulset.kubernetes.io/", "apps.kubernetes.io/"),
)
"""Labels that the controllers of workloads set on pods."""
PROFILES = (
    "container.apparmor.security.beta.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)
"""Annotations of pods that would replace their security profile."""
OF_VOLUMES = ("pv.kubernetes.io/", "volume.kubernetes.io/", "volume.beta.kubernetes.io/")
"""Annotations by which controllers bind, provision and resize volumes."""
MOST_BYTES = 200_000
"""The API server accepts 256 KiB of annotations, those of the operator included."""


def reserved(field: str, prefixes: tuple[str, ...], words: str, *, was_accepted: bool) -> Rule:
    """A rule that no key of *field* begins with one of the prefixes.

    Args:
        words: What is reserved, and for whom.
        was_accepted: Whether stored specs may have such keys, which stop no instance.
    """
    none = " && ".join(f"!k.startsWith('{prefix}')" for prefix in prefixes)
    holds = None if was_accepted else _without(field, prefixes)
    return Rule(f"!has(self.{field}) || self.{field}.all(k, {none})", words, field, holds)


def own_labels() -> Rule:
    return reserved(
        "labels",
        OWN,
        "labels under app.kubernetes.io/ and kato.dev/ are reserved for the operator",
        was_accepted=False,
    )


def own_annotations() -> Rule:
    return reserved(
        "annotations",
        ("kato.dev/",),
        "annotations under kato.dev/ are reserved for the operator",
        was_accepted=False,
    )


def few_bytes() -> Rule:
    """A rule about all annotations together, whose size the API server limits."""
    size = "self.annotations.map(k, k.size() + bytes(self.annotations[k]).size()).sum()"
    return Rule(
        f"!has(self.annotations) || {size} <= {MOST_BYTES}",
        f"annotations must not have more than {MOST_BYTES} bytes together",
        "annotations",
        lambda it: _bytes(it.annotations) <= MOST_BYTES,
    )


def _without(field: str, prefixes: tuple[str, ...]) -> Any:
    return lambda model: has_no_key_below(getattr(model, field), *prefixes)


def _bytes(annotations: Mapping[str, str]) -> int:
    return sum(len(key) + len(text.encode()) for key, text in annotations.items())
