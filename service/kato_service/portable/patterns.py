"""Patterns from stored documents or written files, checked value by value."""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from kato_service.domain.affinity import AFFINITY_BYTES
from kato_service.domain.pattern import NO_AFFINITY, Emotives, Event, Metadata, Pattern
from kato_service.domain.sizes import (
    EMOTIVE_BYTES,
    PATTERN_METADATA_BYTES,
    emotives_bytes,
    events_bytes,
    merged_metadata,
)
from kato_service.errors import WrongFieldError
from kato_service.json_text import canonical
from kato_service.knowledge.fold.fold import (
    MAX_FREQUENCY,
    MAX_IMPORTED_LEARNS,
    VIEW_BYTES,
)

MAX_SYMBOLS = 65_535
"""Symbols in a pattern at most: the engine counts them with 16 bits."""
MAX_COUNT = 2**53
"""The highest count of a symbol, and the highest total: whole numbers of a double."""
PATTERN_FIELDS = ("name", "events", "frequency", "learns", "emotives", "metadata", "affinity")
"""Of a line about a pattern."""
_NAME = re.compile(r"(?:PTRN\|)?([0-9a-f]{40})", re.ASCII)


def pattern_of(given: Mapping[str, Any]) -> Pattern:
    """The pattern with the fields ``name``, ``events``, ``frequency``, ``emotives``, ``metadata``,
    ``affinity`` and, unless it is unknown (None), ``learns``.

    Raises:
        WrongFieldError: A field is wrong; the text starts with its name.
    """
    frequency = count("frequency", given.get("frequency"), MAX_FREQUENCY)
    learns = given.get("learns")
    pattern = Pattern(
        name=_name(given.get("name")),
        events=_events(given.get("events")),
        frequency=frequency,
        learns=(
            min(frequency, MAX_IMPORTED_LEARNS)
            if learns is None
            else count("learns", learns, MAX_IMPORTED_LEARNS)
        ),
        emotives=_windows(given.get("emotives")),
        metadata=_metadata(given.get("metadata")),
        affinity=_affinity(given.get("affinity")),
    )
    if _size(pattern) > VIEW_BYTES:
        raise WrongFieldError("the pattern: larger than an entry of the log may be")
    return pattern


def require_known(given: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises WrongFieldError: Something has a field that it would lose."""
    unknown = next((field for field in given if field not in known), None)
    if unknown is not None:
        raise WrongFieldError(f"{unknown}: an unknown field; known are {', '.join(known)}")


def count(field: str, given: object, limit: int = MAX_COUNT, least: int = 0) -> int:
    """A whole number, also if a MongoDB shell has stored it as a double.

    Raises:
        WrongFieldError: It is not one, or not from *least* to *limit*.
    """
    is_whole = isinstance(given, float) and given.is_integer()
    if isinstance(given, bool) or not (isinstance(given, int) or is_whole):
        raise WrongFieldError(f"{field}: not a whole number")
    number = int(given)  # type: ignore[call-overload]  # an int or a float here
    if not least <= number <= limit:
        raise WrongFieldError(f"{field}: not from {least} to {limit}")
    return int(number)


def text(field: str, given: object) -> str:
    """A string that is valid UTF-8.

    Raises:
        WrongFieldError: It is not one.
    """
    if not isinstance(given, str):
        raise WrongFieldError(f"{field}: not a string")
    try:
        given.encode()
    except UnicodeEncodeError as exc:
        raise WrongFieldError(f"{field}: not valid UTF-8") from exc
    return str(given)


def _name(given: object) -> str:
    known = _NAME.fullmatch(given) if isinstance(given, str) else None
    if known is None:
        raise WrongFieldError("name: not 40 lowercase hexadecimal digits, with or without PTRN|")
    return known[1]


def _events(given: object) -> tuple[Event, ...]:
    if not isinstance(given, list) or not given:
        raise WrongFieldError("events: not a list of lists of strings")
    events = tuple(map(_event, given))
    if sum(map(len, events)) > MAX_SYMBOLS:
        raise WrongFieldError(f"events: more than {MAX_SYMBOLS} symbols")
    return events


def _event(given: object) -> Event:
    if not isinstance(given, list):
        raise WrongFieldError("events: not a list of lists of strings")
    if not given:
        raise WrongFieldError("events: one of them is empty")
    return tuple(text("events", symbol) for symbol in given)


def _windows(given: object) -> tuple[Emotives, ...]:
    """A list of maps. Older deployments stored a single map, which was empty for no emotives."""
    if given is None or given == {}:
        return ()
    maps = [given] if isinstance(given, Mapping) else given
    if not isinstance(maps, list):
        raise WrongFieldError("emotives: not a list of maps")
    return tuple(map(_emotives, maps))


def _emotives(given: object) -> Emotives:
    if not isinstance(given, Mapping):
        raise WrongFieldError("emotives: not a list of maps")
    return {text("emotives", key): _number("emotives", value) for key, value in given.items()}


def _affinity(given: object) -> Emotives:
    if given is None:
        return NO_AFFINITY
    if not isinstance(given, Mapping):
        raise WrongFieldError("affinity: not a map")
    # A sum is never −0.0, which adding 0.0 drops.
    sums = {text("affinity", key): _number("affinity", it) + 0.0 for key, it in given.items()}
    if emotives_bytes(sums) > AFFINITY_BYTES:
        raise WrongFieldError(f"affinity: larger than {AFFINITY_BYTES} bytes")
    return sums


def _number(field: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise WrongFieldError(f"{field}: a value is not a number")
    try:
        number = float(given)
    except OverflowError as exc:
        raise WrongFieldError(f"{field}: a value is too large") from exc
    if not math.isfinite(number):
        raise WrongFieldError(f"{field}: a value is not finite")
    return number


def _metadata(given: object) -> Metadata:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise WrongFieldError("metadata: not a map")
    metadata = {
        text("metadata", key): tuple(dict.fromkeys(map(_json, _values(value))))
        for key, value in given.items()
    }
    kept = merged_metadata({}, metadata)
    if kept != {key: texts for key, texts in metadata.items() if texts}:
        raise WrongFieldError(f"metadata: larger than {PATTERN_METADATA_BYTES} bytes")
    return kept


def _values(given: object) -> list[object]:
    return given if isinstance(given, list) else [given]


def _json(value: object) -> str:
    try:
        return canonical(value)
    except (ValueError, TypeError) as exc:
        raise WrongFieldError("metadata: a value is not JSON") from exc


def _size(pattern: Pattern) -> int:
    maps = sum(EMOTIVE_BYTES + emotives_bytes(each) for each in pattern.emotives)
    return events_bytes(pattern.events) + maps
