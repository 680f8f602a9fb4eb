"""Whether a live object already says what a manifest wants, in any spelling of the server's."""

import base64
import hashlib
import json
import re
from decimal import Decimal
from typing import Any

Manifest = dict[str, Any]

QUANTITY = re.compile(r"^([+-]?[0-9.]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE]?)$")
QUANTITY_FIELDS = frozenset({"requests", "limits", "capacity", "sizeLimit", "divisor"})
ATOMIC_FIELDS = frozenset({"selector", "matchLabels", "nodeSelector"})
"""Maps that a server-side apply replaces as a whole: here, what is added is a difference."""
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


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


def quantity(value: object) -> Decimal | None:
    """The number that a Kubernetes quantity stands for; None when it is none."""
    found = QUANTITY.match(str(value))
    if not found:
        return None
    number, unit = found.groups()
    if unit in BINARY:
        return Decimal(number) * Decimal(1024) ** BINARY[unit]
    if unit in DECIMAL:
        return Decimal(number).scaleb(DECIMAL[unit])
    return Decimal(number + unit)


def canonical(manifest: Manifest) -> Manifest:
    """The manifest as the server stores it: `stringData` is only a way to write `data`."""
    text = manifest.get("stringData")
    if text is None:
        return manifest
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    rest = {name: value for name, value in manifest.items() if name != "stringData"}
    return {**rest, "data": {**manifest.get("data", {}), **encoded}}


def digest(manifest: Manifest) -> str:
    """A short name for exactly this manifest."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
