"""Bodies and frames as JSON values: read fast where that is exact, and exactly everywhere else.

orjson neither notices a repeated name nor keeps an integer of more than 64 bits, and it holds the
interpreter lock until it is done. So what it returns is compared with the text, in ways that cost
less than the parsing, and in case of doubt `exact_json` reads the text again (decision 0040).
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from kato_service import json_text
from kato_service.api.intake import exact_json
from kato_service.api.intake.outline import Outline, outlined, vectorised

T = TypeVar("T")
AT_ONCE_BYTES = 256 * 1024
"""Bodies up to this size are parsed on the event loop, by orjson."""
DOUBT_AT_ONCE_BYTES = 8 * 1024
"""Bodies up to this size are read exactly on the event loop: a millisecond or less."""
_READING = asyncio.Semaphore(2)
"""Bodies that are read in threads at once: a parsed one takes many times its bytes in memory."""
VECTORISED_BYTES = 32 * 1024
"""Bodies from this size on are outlined with numpy, which takes half the time then."""
ESCAPED_COLON = b"\\u003"
"""The start of the escape of a colon; orjson writes a colon as it is."""
_by_numpy: list[Callable[[bytes], Outline]] = []
"""The function that outlines long bodies, once numpy is imported."""


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
    outline = outlined(raw) if len(raw) < VECTORISED_BYTES else await _vectorised(raw)
    if _is_exact(raw, value, outline):
        return accept(value)
    return await _exactly(raw, accept)


async def _exactly(raw: bytes, accept: Callable[[Any], T]) -> T:
    if len(raw) > DOUBT_AT_ONCE_BYTES:
        return await _in_thread(raw, accept)
    return accept(exact_json.parsed(raw))


async def _in_thread(raw: bytes, accept: Callable[[Any], T]) -> T:
    async with _READING:
        return await asyncio.to_thread(lambda: accept(exact_json.parsed(raw)))


async def _vectorised(raw: bytes) -> Outline:
    """The outline of *raw*. The first call imports numpy, for 0.1 s in a thread."""
    if not _by_numpy:
        _by_numpy.append(await asyncio.to_thread(vectorised))
    return _by_numpy[0](raw)


def _is_exact(raw: bytes, value: Any, outline: Outline) -> bool:
    """Whether *value* certainly is what *raw* says: no name repeated, no integer rounded."""
    if outline.has_long_integer or not isinstance(value, dict | list):
        return False
    # Most bodies have no objects but those that the body holds itself, and no colon in a text.
    if outline.arrays < json_text.MAX_LEVELS and outline.colons == _names(value):
        return True
    return outline.colons == _colons(value) and ESCAPED_COLON not in raw


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
