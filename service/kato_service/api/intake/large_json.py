"""Large bodies, read in a worker thread in pieces, so that the event loop keeps turning.

The fast parser holds the interpreter until it is done. This one calls back for every object and
number, and there the loop gets its turn; what it accepts and gives is the same.
"""

import json
import math
import re
from typing import Any

from kato_service import json_text

AT_ONCE_BYTES = 256 * 1024
"""Smaller bodies are read on the loop."""

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_MAX_INTEGER_CHARS = 20
MAX_CONTAINERS = 100_000
"""Arrays and objects of a large body: the parser calls nobody back for an array, so the loop gets
no turn meanwhile. Far more than any operation takes."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parsed(raw: bytes) -> Any:
    """As json_text.parsed, and for the same texts.

    Raises:
        json.JSONDecodeError: Not JSON (RFC 8259) in UTF-8.
    """
    _refuse_crowded(raw)
    if _SURROGATE_ESCAPE.search(raw):
        return json_text.parsed(raw)
    try:
        return _DECODER.decode(raw.decode())
    except UnicodeDecodeError as exc:
        raise json.JSONDecodeError("str is not valid UTF-8", "", exc.start) from exc
    except RecursionError as exc:
        raise json.JSONDecodeError("depth limit exceeded", "", 0) from exc


def _real(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise json.JSONDecodeError("number is infinity when parsed as double", "", 0)
    return value


def _whole(text: str) -> int | float:
    """Integers of 64 bits, signed or not, are exact; others become doubles, as in json_text."""
    if len(text) > _MAX_INTEGER_CHARS:
        return _real(text)
    value = int(text)
    return value if -(2**63) <= value < 2**64 else _real(text)


def _refuse_crowded(raw: bytes) -> None:
    if _containers(raw) > MAX_CONTAINERS and _containers(_STRING.sub(b"", raw)) > MAX_CONTAINERS:
        raise json.JSONDecodeError(f"more than {MAX_CONTAINERS} arrays and objects", "", 0)


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _refused(constant: str) -> Any:
    raise json.JSONDecodeError(f"{constant} is not JSON", "", 0)


_DECODER = json.JSONDecoder(
    object_pairs_hook=dict, parse_float=_real, parse_int=_whole, parse_constant=_refused
)
