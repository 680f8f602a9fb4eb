"""What the text of a JSON body tells about its value without being parsed."""

from dataclasses import dataclass

MIN_LONG_DIGITS = 19
"""Digits of the shortest integer that may not fit into 64 bits."""
_STARTS = b"[:,- \t\r\n"
"""The bytes of which one precedes every number in an array or object, or its sign."""
_OUTLINE = bytes.maketrans(b"0123456789" + _STARTS, b"0" * 10 + b"," * len(_STARTS))
_LONG_INTEGER = b"," + b"0" * MIN_LONG_DIGITS
"""How an integer that may not fit into 64 bits begins in the outline of a text."""


@dataclass(slots=True)
class Outline:
    has_long_integer: bool
    """Whether an integer may not fit into 64 bits."""
    colons: int
    """Those inside of texts included."""
    arrays: int
    """Opening brackets, those inside of texts included."""


def outlined(raw: bytes) -> Outline:
    """The outline of *raw*."""
    has_long_integer = _LONG_INTEGER in raw.translate(_OUTLINE)
    return Outline(has_long_integer, raw.count(b":"), raw.count(b"["))
