"""Whether a live object already says what a manifest wants, in any spelling of the server's."""

import base64
from typing import Any

from kato_operator.manifests import Manifest
from kato_operator.quantities import quantity

QUANTITY_FIELDS = frozenset({"requests", "limits", "capacity", "sizeLimit", "divisor"})
ATOMIC_FIELDS = frozenset({"selector", "matchLabels", "nodeSelector"})
"""Maps that a server-side apply replaces as a whole: here, what is added is a difference."""


def covers(live: Any, desired: Any, *, quantities: bool = False) -> bool:
    """Whether everything in *desired* is in *live*; what *live* has besides does not count.

    Lists must have the same length: an element that somebody added is a difference.
    The server drops empty values, so an absent field covers them.
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


def _same_keys(field: str, live: Any, desired: Any) -> bool:
    return field not in ATOMIC_FIELDS or not live or live.keys() == desired.keys()


def canonical(manifest: Manifest) -> Manifest:
    """The manifest as the server stores it: `stringData` is only a way to write `data`."""
    text = manifest.get("stringData")
    if text is None:
        return manifest
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    rest = {name: value for name, value in manifest.items() if name != "stringData"}
    return {**rest, "data": {**manifest.get("data", {}), **encoded}}
