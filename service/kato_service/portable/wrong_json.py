"""Why a line is not JSON, for a person who wrote it or whose tools changed it."""

import json
import math
from codecs import BOM_UTF8
from typing import NoReturn

from kato_service.errors import WrongFieldError

SHOWN_CHARS = 20
"""Of a number in a message."""


def reason(line: bytes) -> str | None:
    """What is wrong with a *line* that was refused as JSON; None: no more is known, so it may just
    be cut."""
    if line.startswith(BOM_UTF8):
        return "it starts with a byte order mark, which has to be removed"
    try:
        json.loads(line.decode(), parse_float=_real, parse_int=_real, parse_constant=_constant)
    except UnicodeDecodeError as exc:
        return f"it is not valid UTF-8 at byte {exc.start + 1}"
    except json.JSONDecodeError:
        return None
    except WrongFieldError as exc:
        return exc.message
    except RecursionError:
        return "it is nested too deeply"
    return "a text has half of a surrogate pair, or it is nested too deeply"


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        shown = text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
        raise WrongFieldError(f"the number {shown} is beyond ±1.8e308, the largest double")
    return number


def _constant(name: str) -> NoReturn:
    raise WrongFieldError(f"{name} is not a number in JSON")
