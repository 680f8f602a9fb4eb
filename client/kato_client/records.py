"""Answers as dataclasses: fields of later versions are ignored, and kept in `raw`."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from types import NoneType
from typing import TYPE_CHECKING, Any, Self, get_args, get_origin, get_type_hints

Reader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Record:
    """A JSON object of an answer.

    A field that the answer does not have, because it was not selected or because the instance is of
    another version, raises an AttributeError that says so.
    """

    raw: Mapping[str, Any]
    """The whole object as it was sent."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        record = object.__new__(cls)
        object.__setattr__(record, "raw", raw)
        for name, (read, default) in _readers(cls).items():
            if name in raw:
                object.__setattr__(record, name, read(raw[name]))
            elif default is not MISSING:
                object.__setattr__(record, name, default)
        return record

    def __repr__(self) -> str:
        found = (name for name in _readers(type(self)) if name in self.raw)
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in found)
        return f"{type(self).__name__}({shown})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.raw == other.raw

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in _readers(type(self)):
                raise AttributeError(
                    f"the answer has no {name!r}: select it with `fields`, or upgrade the instance"
                )
            raise AttributeError(f"{type(self).__name__} has no field {name!r}; see `raw`")


_known: dict[type[Record], Mapping[str, tuple[Reader, Any]]] = {}


def _readers(kind: type[Record]) -> Mapping[str, tuple[Reader, Any]]:
    """By field, how its value is read, and its default."""
    if kind not in _known:
        _known[kind] = _readers_of(kind)
    return _known[kind]


def _readers_of(kind: type[Record]) -> Mapping[str, tuple[Reader, Any]]:
    hints = get_type_hints(kind)
    named = (field for field in fields(kind) if field.name != "raw")
    return {field.name: (_reader(hints[field.name]), field.default) for field in named}


def _reader(hint: Any) -> Reader:
    if hint is datetime:
        return datetime.fromisoformat
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.of
    parts = get_args(hint)
    if NoneType in parts:
        (read,) = (_reader(part) for part in parts if part is not NoneType)
        return lambda value: None if value is None else read(value)
    if get_origin(hint) is list and (read := _reader(parts[0])) is not _as_sent:
        return lambda values: [read(value) for value in values]
    return _as_sent


def _as_sent(value: Any) -> Any:
    return value
