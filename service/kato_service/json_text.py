"""JSON: strict when it is read, compact when it is written, in portions when it is long."""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import islice
from time import perf_counter
from typing import Any

import orjson

LOOP_SHARE_S = 0.002
"""Seconds of serialising after which other requests get their turn."""
BATCH = 8
"""Small items that one call writes: the call itself costs as much as two of them."""
SMALL_S = 0.0005
"""Seconds that a batch may take; after one that took longer, the next has a single item."""


def parsed(raw: bytes | str) -> Any:
    """The value of *raw*.

    Raises:
        orjson.JSONDecodeError: *raw* is not JSON (RFC 8259) in UTF-8. NaN, infinities, numbers
            beyond a double, lone surrogates and nesting deeper than 1024 are refused too.
    """
    return orjson.loads(raw)


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values: keys sorted, no spaces.

    Raises:
        ValueError: *value* is nested too deeply to be written again.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError as exc:
        raise ValueError("nested too deeply") from exc


def text(value: Any) -> bytes:
    """*value* as compact JSON in UTF-8."""
    return orjson.dumps(value)


def embedded(canonical_text: str) -> orjson.Fragment:
    """A value that is JSON text already, to be placed into a larger one as it is."""
    return orjson.Fragment(canonical_text)


async def array(items: Iterable[Mapping[str, Any]]) -> orjson.Fragment:
    """A JSON array, written in portions so that a long one does not hold up the event loop."""
    pieces: list[bytes] = []
    source = iter(items)
    size, began = 1, perf_counter()
    started = began
    while batch := list(islice(source, size)):
        pieces.append(orjson.dumps(batch)[1:-1])
        now = perf_counter()
        size = BATCH if now - started < SMALL_S else 1
        if now - began > LOOP_SHARE_S:
            await asyncio.sleep(0)
            began = now = perf_counter()
        started = now
    return orjson.Fragment(b"[" + b",".join(pieces) + b"]")
