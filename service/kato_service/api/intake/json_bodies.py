"""Bodies and frames as JSON values: read fast where that is exact, and exactly everywhere else.

orjson neither notices a repeated name nor keeps an integer of more than 64 bits, and it holds the
interpreter lock until it is done. So what it returns is compared with the text, in ways that cost
less than the parsing, and in case of doubt `exact_json` reads the text again (decision 0040).
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from kato_service import json_text
from kato_service.api.intake import exact_json

T = TypeVar("T")
_Codes = npt.NDArray[np.uint8]
AT_ONCE_BYTES = 256 * 1024
"""Bodies up to this size are parsed on the event loop, by orjson."""
DOUBT_AT_ONCE_BYTES = 8 * 1024
"""Bodies up to this size are read exactly on the event loop: a millisecond or less."""
_READING = asyncio.Semaphore(2)
"""Bodies that are read in threads at once: a parsed one takes many times its bytes in memory."""
VECTORISED_BYTES = 4096
"""Bodies from this size on are compared with numpy, which takes a third of the time then."""
_DIGITS = 19
"""Digits of the shortest integer that may not fit into 64 bits."""
_STARTS = b"[:,- \t\r\n"
"""The bytes of which one precedes every number in an array or object, or its sign."""
_OUTLINE = bytes.maketrans(b"0123456789" + _STARTS, b"0" * 10 + b"," * len(_STARTS))
_LONG_INTEGER = b"," + b"0" * _DIGITS
"""How an integer that may not fit into 64 bits begins in the outline of a text."""
_ESCAPED_COLON = b"\\u003"
"""The start of the escape of a colon."""


async def read(raw: bytes, accept: Callable[[Any], T]) -> T:
    """What *accept* returns for the value of *raw*.

    *accept* is called in the thread that parsed the body.

    Raises:
        InvalidInputError: The body is refused, by `exact_json.parsed` or by *accept*.
    """
    if len(raw) > AT_ONCE_BYTES:
        return await _in_thread(raw, accept)
    try:
        value = json_text.parsed(raw)
    except orjson.JSONDecodeError as exc:
        await _exactly(raw, accept)
        raise exact_json.refused("is not valid JSON") from exc
    if _is_exact(raw, value):
        return accept(value)
    return await _exactly(raw, accept)


async def _exactly(raw: bytes, accept: Callable[[Any], T]) -> T:
    if len(raw) > DOUBT_AT_ONCE_BYTES:
        return await _in_thread(raw, accept)
    return accept(exact_json.parsed(raw))


async def _in_thread(raw: bytes, accept: Callable[[Any], T]) -> T:
    async with _READING:
        return await asyncio.to_thread(lambda: accept(exact_json.parsed(raw)))


def _is_exact(raw: bytes, value: Any) -> bool:
    """Whether *value* certainly is what *raw* says: no name repeated, no integer rounded."""
    if len(raw) < VECTORISED_BYTES:
        has_long_integer = _LONG_INTEGER in raw.translate(_OUTLINE)
        colons, arrays = raw.count(b":"), raw.count(b"[")
    else:
        codes = np.frombuffer(raw, dtype=np.uint8)
        has_long_integer = _has_long_integer(codes)
        colons, arrays = _count(codes, ":"), _count(codes, "[")
    if has_long_integer or not isinstance(value, dict | list):
        return False
    # Most bodies have no objects but those that the body holds itself, and no colon in a text.
    if arrays < json_text.MAX_LEVELS and colons == _names(value):
        return True
    return colons == _colons(value) and _ESCAPED_COLON not in raw


def _names(value: Any) -> int:
    """The names in *value* and in the objects that are its members."""
    if type(value) is not dict:
        return 0
    return len(value) + sum(len(member) for member in value.values() if type(member) is dict)


def _colons(value: Any) -> int:
    """The colons in the text of *value*; -1 if it is nested too deeply to be written.

    A name that is repeated is dropped with its colon, so the text that was parsed has more.
    """
    try:
        return orjson.dumps(value).count(b":")
    except orjson.JSONEncodeError:
        return -1


def _count(codes: _Codes, character: str) -> int:
    return int(np.count_nonzero(codes == ord(character)))


def _has_long_integer(codes: _Codes) -> bool:
    """Whether there are `_DIGITS` digits in a row that do not follow a digit or a point."""
    above = codes - np.uint8(ord("."))  # the digits are from 2 to 11, and only a slash is between
    in_number, run = above < 12, above - np.uint8(2) < 10
    # Whether 2, 4, 8, 16 and then 19 digits begin at a place.
    for step in (1, 2, 4, 8, _DIGITS - 16):
        run = run[:-step] & run[step:]
    return bool((run[1:] > in_number[: len(run) - 1]).any())
