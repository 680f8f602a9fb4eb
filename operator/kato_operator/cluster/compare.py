"""Comparison of live objects with manifests, in whatever spelling the API server stores them."""

import base64
from typing import Any

from kato_operator.manifests import Manifest
from kato_operator.quantities import quantity

QUANTITY_FIELDS = frozenset({"requests", "limits", "capacity", "sizeLimit", "divisor"})
ATOMIC_FIELDS = frozenset({"selector", "matchLabels", "nodeSelector"})
"""Maps that a server-side apply replaces as a whole: an additional key in them is a difference."""


def covers(live: Any, desired: Any, *, quantities: bool = False) -> bool:
    """Whether everything in *desired* is in *live*; additional fields of *live* do not count.

    Lists must have the same length: an element that somebody added is a difference.
    The server drops empty values, so an absent field covers them.

    Args:
        quantities: Whether scalars are compared as Kubernetes quantities as well (250m is 0.25).
    """
    if live is None:
        return not desired
    if isinstance(desired, dict):
        return isinstance(live, dict) and all(
            _same_keys(name, live.get(name), value)
            and covers(live.get(name), value, quantities=quantities or name in QUANTITY_FIELDS)
            for name, value in desired.items()
        )
    if isinstance(desired, list | tuple):
        return (
            isinstance(live, list) and len(live) == len(desired) and all(map(covers, live, desired))
        )
    return bool(live == desired) or (quantities and quantity(live) == quantity(desired))


def canonical(manifest: Manifest) -> Manifest:
    """The manifest as the server stores it: `stringData` is a write-only spelling of `data`."""
    text = manifest.get("stringData")
    if text is None:
        return manifest
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    rest = {name: value for name, value in manifest.items() if name != "stringData"}
    return {**rest, "data": {**manifest.get("data", {}), **encoded}}


def merge_patch(before: Manifest | None, after: Manifest) -> Manifest:
    """The JSON merge patch that turns *before* into *after*: fields to remove are null."""
    known = before or {}
    patch: Manifest = {name: None for name in known if name not in after}
    for name, value in after.items():
        was = known.get(name)
        nested = isinstance(value, dict) and isinstance(was, dict)
        patch[name] = merge_patch(was, value) if nested else value
    return patch


def _same_keys(field: str, live: Any, desired: Any) -> bool:
    return field not in ATOMIC_FIELDS or not live or live.keys() == desired.keys()
