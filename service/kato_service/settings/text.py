"""Texts about settings: their names, the line that refuses a value, and ``kato-service --help``."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import AliasChoices, BaseModel, ValidationError

from kato_service.errors import SettingsError

_NUMBERS = {"integer": "an integer", "number": "a number"}
_PATTERNS = {
    "PROCESSOR_ID": "1 to 110 of A-Z a-z 0-9 . _ -",
    "MONGO_DATABASE": "1 to 63 of A-Z a-z 0-9 _ -",
    "HOST": "a host name or address",
    "QDRANT_HOST": "a host name or address",
    "API_KEY": "visible ASCII characters without spaces",
    "QDRANT_API_KEY": "visible ASCII characters without spaces",
    "REDIS_URL": "redis://host or rediss://host, perhaps with /<number of the database>",
    "MONGO_BASE_URL": "mongodb://host or mongodb+srv://host",
    "QDRANT_URL": "http://host or https://host",
    "ROOT_PATH": "a path such as /kato, of A-Z a-z 0-9 . _ ~ - and slashes",
    "CORS_ORIGINS": "*, or origins separated by commas, for example https://ui.example",
    "TOKEN_ISSUER": "https://host, or http on this machine",
    "TOKEN_JWKS_URL": "https://host/path, or http on this machine",
    "TOKEN_AUDIENCE": "audiences separated by commas",
    "TOKEN_USER_CLAIM": "the name of a claim",
    "TOKEN_SCOPE_CLAIM": "the name of a claim",
    "TOKEN_SCOPES": "read, write, metrics, admin, separated by commas",
    "TOKEN_ADMIN_SUBJECTS": "subjects separated by commas",
    "TRUSTED_PROXIES": "networks separated by commas, for example 10.0.0.0/8",
}
"""What a variable accepts, if its JSON schema does not say it."""
_MAX_SHOWN_CHARS = 60
"""Characters of a wrong value that its refusal shows."""
LIKE = 0.87
"""Share of characters that a name has to have in common with a setting to be taken for it."""
SHORTEST = 6
"""Characters of a name that is compared: shorter words look like each other by chance."""
_OF_KUBERNETES = re.compile(r".*_SERVICE_(HOST|PORT)(_\w+)?|.*_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?")
"""Variables that Kubernetes sets in pods for every Service of their namespace."""


def refusal(model: type[BaseModel], error: ValidationError, environment: Mapping[str, str]) -> str:
    """One line about the first wrong variable in *error*, without any secret.

    It names the variable as *environment* spells it.
    """
    found = error.errors(include_url=False, include_context=False)[0]
    if not found["loc"]:
        return found["msg"]
    variable = str(found["loc"][0])
    problem = _problem(model, variable, found)
    name = as_set(model, variable, environment)
    return f"{name}: {problem}; accepted: {accepted(model, variable)}"


def accepted(model: type[BaseModel], variable: str) -> str:
    """What *variable* accepts, in words."""
    return _accepted(variable, _schemas(model)[variable])


def help_text(model: type[BaseModel]) -> str:
    """Every variable with its meaning, what it accepts, and its default."""
    return "\n".join(_lines(model))


def spellings(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """The variables that set each field, by the name of the field."""
    return {name: _choices(field.validation_alias) for name, field in model.model_fields.items()}


def as_set(model: type[BaseModel], variable: str, environment: Mapping[str, str]) -> str:
    """The spelling of *variable* that is set, if it has several."""
    for names in spellings(model).values():
        if variable in names:
            return next((name for name in names if environment.get(name)), variable)
    return variable


def require_one_spelling(model: type[BaseModel], environment: Mapping[str, str]) -> None:
    """Refuse two spellings of one setting with different values."""
    for names in spellings(model).values():
        given = [name for name in names if environment.get(name)]
        if len({environment[name] for name in given}) > 1:
            raise SettingsError(
                f"{given[1]}: contradicts {given[0]}, which is another name of it and also set;"
                " accepted: only one of them"
            )


def misspelled(model: type[BaseModel], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that look like a setting and are none, each with the nearest setting."""
    known = {name for names in spellings(model).values() for name in names}
    by_letters = {_letters(name): name for name in known}
    for name in sorted(environment.keys() - known):
        letters = _letters(name)
        if letters in by_letters:
            yield name, by_letters[letters]
        elif len(letters) >= SHORTEST and not _OF_KUBERNETES.fullmatch(name):
            for nearest in get_close_matches(letters, by_letters, 1, LIKE):
                yield name, by_letters[nearest]


def _lines(model: type[BaseModel]) -> Iterator[str]:
    for variable, schema in _schemas(model).items():
        default = schema.get("default")
        shown = "" if default in (None, []) else f" Default: {_spelled(default)}."
        yield f"  {variable}"
        yield _paragraph(schema["description"])
        yield f"      Accepted: {_accepted(variable, schema)}.{shown}"


def _paragraph(text: str) -> str:
    indent = " " * 6
    return textwrap.fill(text, 100, initial_indent=indent, subsequent_indent=indent)


@cache
def _schemas(model: type[BaseModel]) -> Mapping[str, Mapping[str, Any]]:
    properties: Mapping[str, Mapping[str, Any]] = model.model_json_schema()["properties"]
    return properties


def _accepted(variable: str, schema: Mapping[str, Any]) -> str:
    return _PATTERNS.get(variable) or _kind(schema)


def _kind(schema: Mapping[str, Any]) -> str:
    """What a JSON schema accepts, in words."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        return _kind(options[0])
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if schema["type"] == "boolean":
        return "true or false"
    if schema["type"] in _NUMBERS:
        return _NUMBERS[schema["type"]] + _range(schema)
    return "a path"


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        most = "" if high is None else f", up to {high:.0f}"
        return f" above {schema['exclusiveMinimum']}{most}"
    if high is None:
        return f" of at least {low}"
    return f" from {low} to {high}"


def _problem(model: type[BaseModel], variable: str, found: Mapping[str, Any]) -> str:
    if found["type"] == "value_error":
        return str(found["msg"]).removeprefix("Value error, ")
    if _is_secret(_schemas(model).get(variable, {})):
        return "the value is not accepted"
    return f"{str(found['input'])[:_MAX_SHOWN_CHARS]!r} is not accepted"


def _is_secret(schema: Mapping[str, Any]) -> bool:
    return any(option.get("writeOnly") for option in (schema, *schema.get("anyOf", ())))


def _spelled(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _choices(alias: object) -> tuple[str, ...]:
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


def _letters(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())
