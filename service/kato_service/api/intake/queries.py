"""The address of a request: its path is UTF-8, and every parameter of its query is known to its
route and is sent once."""

import re
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

from pydantic import BaseModel, BeforeValidator, ValidationError
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import Scope

from kato_service.api.wording import invalid_input, unknown
from kato_service.errors import InvalidInputError
from kato_service.findings import Finding

M = TypeVar("M", bound=BaseModel)
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


def validated(request: Request, model: type[M]) -> M:
    """The query, which was checked for unknown and repeated parameters, as *model*.

    Raises:
        InvalidInputError: A parameter has a wrong value.
    """
    try:
        return model(**dict(request.query_params))
    except ValidationError as exc:
        found = exc.errors(include_url=False, include_input=False)
        raise invalid_input(found, model, part="query") from exc


def known_parameters(route: BaseRoute) -> frozenset[str]:
    """The names of the query parameters that *route* reads; FastAPI may have to analyse it."""
    dependant = getattr(getattr(route, "documented", None), "dependant", None)
    return frozenset() if dependant is None else frozenset(_names(dependant))


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


def _names(dependant: Any) -> Iterator[str]:
    """The names of the parameters of an operation and of what it depends on."""
    for parameter in dependant.query_params:
        yield parameter.alias
    for other in dependant.dependencies:
        yield from _names(other)
