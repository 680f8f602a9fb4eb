"""What the text of a JSON body tells about its value without being parsed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_DIGITS = 19
"""Digits of the shortest integer that may not fit into 64 bits."""
_STARTS = b"[:,- \t\r\n"
"""The bytes of which one precedes every number in an array or object, or its sign."""
_OUTLINE = bytes.maketrans(b"0123456789" + _STARTS, b"0" * 10 + b"," * len(_STARTS))
_LONG_INTEGER = b"," + b"0" * _DIGITS
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
    has_long_integer = _LONG_INTEGER in raw.translate(_OUTLINE)
    return Outline(has_long_integer, raw.count(b":"), raw.count(b"["))


def vectorised() -> Callable[[bytes], Outline]:
    """The same function as `outlined`, in half the time for long texts. The first call imports
    numpy, for 0.1 s."""
    import numpy as np

    def outlined(raw: bytes) -> Outline:
        codes = np.frombuffer(raw, dtype=np.uint8)
        colons, arrays = (int(np.count_nonzero(codes == ord(one))) for one in ":[")
        return Outline(_has_long_integer(codes), colons, arrays)

    return outlined


def _has_long_integer(codes: "npt.NDArray[np.uint8]") -> bool:
    """Whether there are `_DIGITS` digits in a row that do not follow a digit or a point."""
    above = codes - ord(".")  # the digits are from 2 to 11, and only a slash is between
    in_number, run = above < 12, above - 2 < 10
    # Whether 2, 4, 8, 16 and then 19 digits begin at a place.
    for step in (1, 2, 4, 8, _DIGITS - 16):
        run = run[:-step] & run[step:]
    return bool((run[1:] > in_number[: len(run) - 1]).any())
