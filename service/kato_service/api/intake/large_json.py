"""A JSON parser for large bodies that lets the event loop run meanwhile; for a worker thread.

orjson holds the interpreter lock until it has parsed the whole body. The parser of the standard
library runs Python code for every object and number, where the interpreter may switch to the event
loop. It is set up here to accept the same texts and return the same values as `json_text.parsed`
(decision 0024).
"""

import json
import math
import re
from typing import Any

from kato_service import json_text

AT_ONCE_BYTES = 256 * 1024
"""Bodies up to this size are parsed on the event loop, by orjson."""

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_MAX_INTEGER_CHARS = 20
"""Characters of the longest integer of 64 bits, with its sign."""
MAX_CONTAINERS = 100_000
"""Arrays and objects that a large body may hold, far more than any operation needs. The parser
runs no Python code for an array, so a body full of arrays would hold up the event loop."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parsed(raw: bytes) -> Any:
    """The value of *raw*, the same that `json_text.parsed` returns.

    Raises:
        json.JSONDecodeError: Not JSON (RFC 8259) in UTF-8.
    """
    _refuse_crowded(raw)
    # Only orjson refuses lone surrogates; escapes of surrogates are rare in large bodies.
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
    """Integers of 64 bits, signed or unsigned, are exact; larger ones become doubles."""
    if len(text) > _MAX_INTEGER_CHARS:
        return _real(text)
    value = int(text)
    return value if -(2**63) <= value < 2**64 else _real(text)


def _refuse_crowded(raw: bytes) -> None:
    # Counting all brackets is fast and an upper bound; only beyond it are strings left out.
    if _containers(raw) > MAX_CONTAINERS and _containers(_STRING.sub(b"", raw)) > MAX_CONTAINERS:
        raise json.JSONDecodeError(f"more than {MAX_CONTAINERS} arrays and objects", "", 0)


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _refused(constant: str) -> Any:
    raise json.JSONDecodeError(f"{constant} is not JSON", "", 0)


_DECODER = json.JSONDecoder(
    object_pairs_hook=dict, parse_float=_real, parse_int=_whole, parse_constant=_refused
)
