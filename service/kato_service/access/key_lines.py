"""The file of named keys: one JSON object per line, or one array of them (access.md)."""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kato_service.access.scopes import Caller, Scope, with_included
from kato_service.domain.identity import MAX_USER_ID_CHARS, is_user_id
from kato_service.errors import UnusableError
from kato_service.json_text import RepeatedNameError, without_repetition

MAX_KEYS = 10_000
_FIELDS = {
    "name": "1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit",
    "sha256": "the SHA-256 of the key, 64 lower-case hexadecimal digits",
    "scopes": "a list of read, write, metrics, admin",
    "user": f"1 to {MAX_USER_ID_CHARS} printable characters, and neither . nor ..",
}


def _user_id(value: str) -> str:
    if not is_user_id(value):
        raise ValueError("is not a user id")
    return value


class KeyLine(BaseModel):
    """One key as it is stored: everything but the key itself."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        defer_build=True,  # for instances that have no such file
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """What logs and messages call it."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[list[Literal["read", "write", "metrics", "admin"]], Field(min_length=1)]
    user: Annotated[str, AfterValidator(_user_id)] | None = None
    """The user that the key acts as; without one, it acts as the instance itself."""

    @model_validator(mode="after")
    def _one_user_or_all(self) -> Self:
        if self.user is not None and "admin" in self.scopes:
            raise ValueError(
                "the key has a user and the scope admin, which acts as every user; leave one out"
            )
        return self

    @property
    def caller(self) -> Caller:
        return Caller("key", self.name, with_included(map(Scope, self.scopes)), self.user)


def key_lines(content: bytes) -> tuple[KeyLine, ...]:
    """The keys of a file.

    Raises:
        UnusableError: The file holds no keys, or one that cannot be used; the message says where
            and why, and repeats nothing of the file but the names of keys.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise UnusableError("the file is not UTF-8") from None
    found = tuple(_key_line(where, value) for where, value in _values(text))
    if not found:
        raise UnusableError("the file holds no key")
    if len(found) > MAX_KEYS:
        raise UnusableError(f"the file holds more than {MAX_KEYS} keys")
    _require_unique("name", [line.name for line in found])
    _require_unique("sha256", [line.sha256 for line in found])
    return found


def _values(text: str) -> Iterator[tuple[str, Any]]:
    """Each value with where it is."""
    if text.lstrip().startswith("["):
        for number, value in enumerate(_parsed("the array", text), 1):
            yield f"key {number}", value
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"line {number}", _parsed(f"line {number}", line)


def _parsed(where: str, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=without_repetition)
    except json.JSONDecodeError as exc:
        raise UnusableError(f"{where} is not JSON ({exc.msg} at character {exc.pos + 1})") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, a thousand levels
        raise UnusableError(f"{where} is not a key") from None
    except RepeatedNameError as exc:
        raise UnusableError(f"{where} has the field {exc.name[:64]!r} twice") from None


def _key_line(where: str, value: Any) -> KeyLine:
    if not isinstance(value, dict):
        raise UnusableError(f"{where} is not a JSON object")
    try:
        return KeyLine.model_validate(value)
    except ValidationError as exc:
        raise UnusableError(f"{where}: {reason(exc)}") from None


def reason(exc: ValidationError) -> str:
    """What is wrong with a line, and what would be right; nothing of its values."""
    found = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    if not found["loc"]:
        return str(found["msg"]).removeprefix("Value error, ")
    field = str(found["loc"][0])[:64]
    if field not in _FIELDS:
        return f"the field {field!r} is unknown; known are {', '.join(_FIELDS)}"
    problem = "is missing" if found["type"] == "missing" else "is not accepted"
    return f"{field} {problem}; accepted: {_FIELDS[field]}"


def _require_unique(field: str, values: Sequence[str]) -> None:
    if len(set(values)) == len(values):
        return
    if field == "name":
        repeated = next(value for value in values if values.count(value) > 1)
        raise UnusableError(f"the name {repeated!r} is given to two keys")
    raise UnusableError("two keys have the same sha256")
