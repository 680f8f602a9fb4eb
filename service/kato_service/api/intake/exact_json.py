"""The exact reading of a JSON body, which says of a body that is refused what is wrong and where.

It is built on the parser of the standard library, which runs Python code for every object and
number. So it is slower than orjson, and the interpreter may switch to the event loop meanwhile:
large bodies are always read like this, in a worker thread (decision 0024), and small ones only if
the fast reading in `json_bodies` leaves a doubt (decision 0040).
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kato_service.errors import InvalidInputError
from kato_service.findings import MAX_SHOWN, Finding, Place
from kato_service.json_text import MAX_LEVELS

MAX_CONTAINERS = 100_000
"""Arrays and objects that a large body may hold, far more than any operation needs. The parser
runs no Python code for an array, so a body full of arrays would hold up the event loop."""

_BOM = "\ufeff"
_LEAST, _MOST = -(2**63), 2**64 - 1
_MAX_INTEGER_CHARS = 20
"""Characters of the longest integer of 64 bits, with its sign."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A text, or one that never ends: looking for its end only once keeps the search linear."""
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SYNTAX = (
    ("Ends", "it ends too early"),
    ("Unterminated string", "a text has no closing quote"),
    ("Invalid control character", "a text has a control character that is not escaped"),
    ("Invalid \\", "a text has an invalid escape"),
    ("Extra data", "it continues after its end"),
    ("Expecting property name", "a name in double quotes is missing"),
    ("Expecting ':'", "a colon is missing"),
    ("Expecting ','", "a comma or a closing bracket is missing"),
    ("Illegal trailing comma", "a comma has no value after it"),
)
"""By the start of the parser's message: words for what is wrong with the text."""
_NO_VALUE = "a value is missing"
"""The words for every other message."""


def parsed(raw: bytes) -> Any:
    """The value of *raw*: integers of 64 bits are exact, all other numbers are finite doubles.

    Raises:
        InvalidInputError: *raw* is not JSON (RFC 8259) in UTF-8, repeats a name in an object, is
            nested too deeply, has too many arrays and objects, or holds a number that does not fit
            or a text that is not Unicode.
    """
    _require_few(raw)
    text = _text(raw)
    reading = _Reading()
    try:
        value = reading.decoded(text)
    except json.JSONDecodeError as exc:
        raise _not_json(exc, text) from exc
    except RecursionError as exc:
        raise _too_deep() from exc
    # Neither happens often, so almost no body is searched.
    if reading.has_problems or _SURROGATE_ESCAPE.search(raw):
        found = _found(value, ("body",))
        if shown := list(islice(found, MAX_SHOWN)):
            raise InvalidInputError(shown, len(shown) + sum(1 for _ in found))
    return value


def refused(reason: str) -> InvalidInputError:
    """A body that is refused as a whole."""
    return InvalidInputError.at(reason=reason)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Stands in a parsed body for a value that is refused."""

    reason: str
    name: str | None = None
    """The name in the object, if the problem is with one of its names."""


@dataclass(slots=True)
class _Reading:
    """One body that is being parsed, and whether a `_Problem` is in it."""

    has_problems: bool = False

    def decoded(self, text: str) -> Any:
        decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._real,
            parse_int=self._whole,
            parse_constant=self._constant,
        )
        return decoder.decode(text)

    def _object(self, pairs: list[tuple[str, Any]]) -> Any:
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                return self._problem("is given more than once", name)
            seen.add(name)
        return made

    def _real(self, text: str) -> Any:
        value = float(text)
        return (
            value
            if math.isfinite(value)
            else self._problem("must be a number between -1.79e308 and 1.79e308")
        )

    def _whole(self, text: str) -> Any:
        if len(text) <= _MAX_INTEGER_CHARS and _LEAST <= (value := int(text)) <= _MOST:
            return value
        return self._problem(f"must be between {_LEAST} and {_MOST} if it is a whole number")

    def _constant(self, text: str) -> Any:
        return self._problem("must be a finite number; JSON has no NaN and no Infinity")

    def _problem(self, reason: str, name: str | None = None) -> _Problem:
        self.has_problems = True
        return _Problem(reason, name)


def _found(value: Any, place: Place) -> Iterator[Finding]:
    """What is wrong in *value*, in the order of the body."""
    if isinstance(value, _Problem):
        yield Finding(place if value.name is None else (*place, value.name), value.reason)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _found(member, (*place, name)) if _is_text(name) else _no_text(place)
    elif isinstance(value, list):
        for position, member in enumerate(value):
            yield from _found(member, (*place, position))
    elif isinstance(value, str) and not _is_text(value):
        yield from _no_text(place)


def _no_text(place: Place) -> Iterator[Finding]:
    yield Finding(place, "must be valid Unicode text, without lone surrogates")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        raise refused(f"is not valid UTF-8 at byte {exc.start + 1}") from exc
    if text.startswith(_BOM):
        raise refused("must not start with a byte order mark")
    return text


def _require_few(raw: bytes) -> None:
    """Refuse more levels, or more arrays and objects, than a body may have."""
    # What is fast comes first. Texts are left out only where brackets in them may matter.
    containers = _containers(raw)
    if containers <= MAX_LEVELS:
        return
    if containers <= MAX_CONTAINERS and not _unfolded(raw.translate(_BRACKETS, _NO_BRACKETS)):
        return
    brackets = _STRING.sub(b"", raw).translate(_BRACKETS, _NO_BRACKETS)
    if _containers(brackets) > MAX_CONTAINERS:
        raise refused(f"must not have more than {MAX_CONTAINERS} arrays and objects")
    left = _unfolded(brackets)
    if left and _folded(left) != left:
        raise _too_deep()


def _unfolded(brackets: bytes) -> bytes:
    """What is left of *brackets* without as many of the innermost levels as a body may have."""
    for _ in range(MAX_LEVELS):
        inner = _folded(brackets)
        if inner == brackets:
            break  # nothing is left, or the brackets do not match and the parser says where
        brackets = inner
    return brackets


def _folded(brackets: bytes) -> bytes:
    """*brackets* without the innermost level."""
    return brackets.replace(b"[]", b"")


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _too_deep() -> InvalidInputError:
    return refused(f"must not be nested more than {MAX_LEVELS} levels deep")


def _not_json(error: json.JSONDecodeError, text: str) -> InvalidInputError:
    end = len(text.rstrip())
    if error.pos >= end:
        error = json.JSONDecodeError("Ends", text, end)
    words = next((words for start, words in _SYNTAX if error.msg.startswith(start)), _NO_VALUE)
    return refused(f"is not valid JSON: {words}, at line {error.lineno}, column {error.colno}")
