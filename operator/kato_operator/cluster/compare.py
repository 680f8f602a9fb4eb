"""Comparison of live objects with manifests, in whatever spelling the API server stores them."""

import base64
import re
from collections.abc import Iterator
from typing import Any

from kato_operator.manifests import Manifest
from kato_operator.quantities import quantity

QUANTITY_FIELDS = frozenset({"requests", "limits", "capacity", "sizeLimit", "divisor"})
ATOMIC_FIELDS = frozenset({"selector", "matchLabels", "nodeSelector"})
"""Maps that a server-side apply replaces as a whole: an additional key in them is a difference."""
PLAIN_FIELD = re.compile(r"[A-Za-z0-9_-]+")
"""Names of fields that need no quotes in a path."""


def covers(live: Any, desired: Any, *, quantities: bool = False) -> bool:
    """Whether everything in *desired* is in *live*; additional fields of *live* do not count.

    Lists must have the same length: an element that somebody added is a difference.
    The server drops empty values, so an absent field covers them; false and 0 are values.

    Args:
        quantities: Whether scalars are compared as Kubernetes quantities as well (250m is 0.25).
    """
    if live is None:
        return not desired and not isinstance(desired, int | float)
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


def differences(live: Any, desired: Any, *, quantities: bool = False) -> Iterator[str]:
    """The paths at which *live* does not cover *desired*, as in `.spec.containers[0].image`.

    The path of the whole is empty.
    """
    if covers(live, desired, quantities=quantities):
        return
    if isinstance(desired, dict) and isinstance(live, dict):
        for name, value in desired.items():
            if not _same_keys(name, live.get(name), value):
                yield _step(name)
                continue
            is_quantity = quantities or name in QUANTITY_FIELDS
            for path in differences(live.get(name), value, quantities=is_quantity):
                yield _step(name) + path
    elif isinstance(desired, list) and isinstance(live, list) and len(live) == len(desired):
        for position, (one, other) in enumerate(zip(live, desired, strict=True)):
            for path in differences(one, other):
                yield f"[{position}]{path}"
    else:
        yield ""


def common(one: Any, other: Any) -> Any:
    """What two manifests have in common: maps are intersected, anything else is kept if equal."""
    return {
        name: common(value, other[name]) if isinstance(value, dict) else value
        for name, value in one.items()
        if name in other
        and (value == other[name] or (isinstance(value, dict) and isinstance(other[name], dict)))
    }


def canonical(manifest: Manifest) -> Manifest:
    """The manifest as the server stores it: `stringData` is a write-only spelling of `data`."""
    text = manifest.get("stringData")
    if text is None:
        return manifest
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    rest = {name: value for name, value in manifest.items() if name != "stringData"}
    return {**rest, "data": {**manifest.get("data", {}), **encoded}}


def merge_patch(before: Manifest | None, after: Manifest) -> Manifest:
    """The JSON merge patch that turns *before* into *after*: fields to remove are null.

    What is equal is left out: others may have changed it since *before* was read.
    """
    known = before or {}
    patch: Manifest = {name: None for name in known if name not in after}
    for name, value in after.items():
        was = known.get(name)
        nested = isinstance(value, dict) and isinstance(was, dict)
        if name not in known or was != value:
            patch[name] = merge_patch(was, value) if nested else value
    return patch


def _step(name: str) -> str:
    return f".{name}" if PLAIN_FIELD.fullmatch(name) else f"['{name}']"


def _same_keys(field: str, live: Any, desired: Any) -> bool:
    return field not in ATOMIC_FIELDS or not live or live.keys() == desired.keys()
