"""What `json_bodies` looks for in the text of a long body, with numpy: in half the time.

Importing this imports numpy, which most processes with the C engine never need.
"""

import numpy as np
import numpy.typing as npt

from kato_service.api.intake.outline import MIN_LONG_DIGITS, Outline

_Codes = npt.NDArray[np.uint8]


def outlined(raw: bytes) -> Outline:
    """The same as `outline.outlined`."""
    codes = np.frombuffer(raw, dtype=np.uint8)
    return Outline(_has_long_integer(codes), _count(codes, ":"), _count(codes, "["))


def _count(codes: _Codes, character: str) -> int:
    return int(np.count_nonzero(codes == ord(character)))


def _has_long_integer(codes: _Codes) -> bool:
    """Whether there are `MIN_LONG_DIGITS` digits in a row that do not follow a digit or a point."""
    above = codes - np.uint8(ord("."))  # the digits are from 2 to 11, and only a slash is between
    in_number, run = above < 12, above - np.uint8(2) < 10
    # Whether 2, 4, 8, 16 and then 19 digits begin at a place.
    for step in (1, 2, 4, 8, MIN_LONG_DIGITS - 16):
        run = run[:-step] & run[step:]
    return bool((run[1:] > in_number[: len(run) - 1]).any())
