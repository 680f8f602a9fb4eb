"""Answers as columns: their names, the kind of what they hold, and the values."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import NoneType
from typing import Any, get_args, get_type_hints

from kato_client.answers import Events, Prediction
from kato_client.records import Record


class Kind(Enum):
    """What a column holds, whatever the answer."""

    TEXT = auto()
    WHOLE = auto()
    NUMBER = auto()
    TEXTS = auto()
    EVENTS = auto()
    OTHER = auto()
    """Maps, and lists of them."""


_KINDS: dict[Any, Kind] = {
    str: Kind.TEXT,
    int: Kind.WHOLE,
    float: Kind.NUMBER,
    list[str]: Kind.TEXTS,
    Events: Kind.EVENTS,
}
FIRST_ON_REQUEST = "normalized_entropy"
"""From this field on, predictions have only those that `fields` names."""


@dataclass(frozen=True, slots=True)
class Column:
    kind: Kind
    values: list[Any]


def columns(kind: type[Record], records: Sequence[Record]) -> dict[str, Column]:
    """A column for each field that the answers have, in the order of their class.

    Without answers, for each field that they have unless a request selects others.
    """
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name != "raw"}
    names = [name for name in hints if any(name in one.raw for one in records)]
    return {
        name: Column(_kind(hints[name]), [getattr(one, name) for one in records])
        for name in names or _usual(kind, list(hints))
    }


def _usual(kind: type[Record], names: list[str]) -> list[str]:
    if kind is not Prediction:
        return names
    return [name for name in names[: names.index(FIRST_ON_REQUEST)] if name != "metadata"]


def _kind(hint: Any) -> Kind:
    choices = [one for one in get_args(hint) if one is not NoneType]
    if NoneType in get_args(hint):
        (hint,) = choices
    return _KINDS.get(hint, Kind.OTHER)
