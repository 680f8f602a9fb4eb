"""What a client needs of an answer: the fields that it reads, and what they hold."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Kind = type | tuple[type, ...] | Callable[[Any], bool] | list[Any] | Mapping[str, Any]
"""A type or several; a test; ``[kind of each item]``; a map of fields, which may have others."""
OPTIONAL_TEXT = (str, type(None))
NUMBER = (int, float)


def at(value: Any) -> bool:
    """Whether it is a time with an offset."""
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


def pattern_name(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("PTRN|") and len(value) == 45


def is_(expected: Any) -> Callable[[Any], bool]:
    return lambda value: bool(value == expected)


def lacking(value: Any, kind: Kind, place: str = "answer") -> list[str]:
    """What *value* lacks of *kind*, one text for each place."""
    if isinstance(kind, Mapping):
        if not isinstance(value, dict):
            return [f"{place} is no object: {value!r}"]
        found = [f"{place} has no {name}" for name in kind if name not in value]
        for name in kind.keys() & value.keys():
            found += lacking(value[name], kind[name], f"{place}.{name}")
        return found
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{place} is no array: {value!r}"]
        items = enumerate(value)
        return [text for i, item in items for text in lacking(item, kind[0], f"{place}[{i}]")]
    if isinstance(kind, (type, tuple)):
        # JSON has numbers and booleans apart, Python has not.
        kinds = kind if isinstance(kind, tuple) else (kind,)
        right = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    else:
        right = kind(value)
    return [] if right else [f"{place} is wrong: {value!r}"]
