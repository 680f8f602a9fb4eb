"""The address of a request: its path is UTF-8, and every parameter of its query is known to its
operation and is sent once.

Operations declare parameters as arguments: `limit: Annotated[int, Field(ge=1)] = 100` is the
parameter `limit`, and the validator checks it by its annotation.
"""

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, get_args
from urllib.parse import parse_qsl, unquote_to_bytes

from pydantic import BeforeValidator, TypeAdapter, ValidationError
from starlette.routing import BaseRoute
from starlette.types import Scope

from kato_service.api.wording import invalid_input, unknown
from kato_service.errors import InvalidInputError
from kato_service.findings import Finding

MAX_PARAMETERS = 20
_REPLACED = "\N{REPLACEMENT CHARACTER}"
"""What servers put where the path that a client sent is not UTF-8; clients may send it, too."""
_DIGITS = re.compile("-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NOT_UTF_8 = "must be valid UTF-8, percent-encoded"


def _flag(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("must be true or false")
        return value == "true"
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("must be a whole number")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("must be a number")
    return value


AsFlag = BeforeValidator(_flag)
"""True or false as a query spells them; nothing else means either."""
AsDigits = BeforeValidator(_whole)
"""An integer as a query spells it; stands after its bounds, so that its JSON schema has them."""
AsNumber = BeforeValidator(_number)
"""A number as JSON spells it; stands after its bounds, too."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Annotates an argument that several parameters of the query make up."""

    by: Callable[..., Any]
    """Makes it; its arguments are the parameters."""


@cache
def arguments_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What an operation takes: it is mounted under several paths, and looked at several times."""
    return inspect.signature(function).parameters


class QueryParameters:
    """The parameters of the query that one operation takes."""

    def __init__(self, operation: Callable[..., Any], others: Collection[str]) -> None:
        """*others*: arguments of *operation* that come from elsewhere.

        Raises:
            TypeError: A parameter has no default.
        """
        own, self._gathered = [], {}
        for name, each in arguments_of(operation).items():
            if (gathered := _gathering(each)) is not None:
                parts = tuple(arguments_of(gathered.by).values())
                self._gathered[name] = (gathered.by, parts)
            elif name not in others:
                own.append(each)
        gathered_parts = (part for _, parts in self._gathered.values() for part in parts)
        self.all = (*own, *gathered_parts)
        """Every parameter, those that make up an argument last."""
        self.names = frozenset(each.name for each in self.all)
        for each in self.all:
            if each.default is each.empty:
                raise TypeError(f"{operation.__name__}: {each.name} has no default")

    def arguments(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The arguments for the operation that *query* has, or makes up.

        Raises:
            InvalidInputError: A parameter has a wrong value.
        """
        found = self._validated(query)
        for name, (by, parts) in self._gathered.items():
            given = {each.name: found.pop(each.name) for each in parts if each.name in found}
            found[name] = by(**given)
        return found

    def _validated(self, query: Mapping[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        errors: list[dict[str, Any]] = []
        for name in (each.name for each in self.all if each.name in query):
            try:
                values[name] = self._adapters[name].validate_python(query[name])
            except ValidationError as exc:
                found = exc.errors(include_url=False, include_input=False)
                errors += [{**each, "loc": ("query", name, *each["loc"])} for each in found]
        if errors:
            raise invalid_input(errors, part=None)
        return values

    @cached_property
    def _adapters(self) -> dict[str, TypeAdapter[Any]]:
        """Made for the first query: most processes see those of few operations."""
        return {each.name: TypeAdapter(each.annotation) for each in self.all}


def known_parameters(route: BaseRoute) -> frozenset[str]:
    """The names of the query parameters that *route* reads."""
    query: QueryParameters | None = getattr(route, "query", None)
    return frozenset() if query is None else query.names


def require_utf_8(scope: Scope) -> None:
    """Refuse a path that servers decode with losses: several such paths would name one user.

    Raises:
        InvalidInputError: The path is not UTF-8.
    """
    if _REPLACED not in scope["path"]:
        return
    try:
        unquote_to_bytes(scope["raw_path"]).decode()
    except UnicodeDecodeError as exc:
        raise InvalidInputError((Finding(("path",), _NOT_UTF_8),)) from exc


def require_known(scope: Scope, known: frozenset[str]) -> None:
    """Refuse a query that its operation would not read as a whole.

    Raises:
        InvalidInputError: A parameter is not *known* or is repeated, or the query is not UTF-8.
    """
    query: bytes = scope["query_string"]
    if not query:
        return
    findings = list(_wrong(_parameters(query), known))
    if findings:
        raise InvalidInputError(findings)


def _parameters(query: bytes) -> list[str]:
    """The names in *query*, in order."""
    try:
        pairs = parse_qsl(
            query.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except UnicodeDecodeError as exc:
        raise _refused(_NOT_UTF_8) from exc
    except ValueError as exc:
        raise _refused(f"must not have more than {MAX_PARAMETERS} parameters") from exc
    return [name for name, _ in pairs]


def _wrong(names: list[str], known: frozenset[str]) -> Iterator[Finding]:
    for name in dict.fromkeys(names):
        place = ("query", name)
        if name not in known:
            yield Finding(place, _unknown(name, known))
        elif names.count(name) > 1:
            yield Finding(place, "must not be sent more than once")


def _unknown(name: str, known: frozenset[str]) -> str:
    none = "is not known: this operation takes no query parameters"
    return unknown(name, known, refused="is not known" if known else none)


def _refused(reason: str) -> InvalidInputError:
    return InvalidInputError((Finding(("query",), reason),))


def _gathering(argument: inspect.Parameter) -> Gathered | None:
    found = get_args(argument.annotation)
    return next((each for each in found if isinstance(each, Gathered)), None)
