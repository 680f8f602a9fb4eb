"""Reading the environment: a wrong value is refused in one line that names its variable."""

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

S = TypeVar("S", bound=BaseSettings)
_MAX_SHOWN_CHARS = 60
"""Characters of a wrong value that its refusal shows."""
_OF_KUBERNETES = re.compile(r".*_SERVICE_(HOST|PORT)(_\w+)?|.*_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?")
"""Variables that Kubernetes sets in pods for every Service of their namespace."""
_TYPES = {
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "object": "a JSON object",
    "array": 'a JSON list of names, for example ["registry"]',
}


class WrongEnvironmentError(Exception):
    """A variable is wrong; the text is one line that names it and says what is accepted."""


def read(model: type[S]) -> S:
    """The settings of this process's environment; raises WrongEnvironmentError."""
    try:
        return model()
    except ValidationError as exc:
        raise WrongEnvironmentError(_refusal(model, exc.errors(include_url=False)[0])) from exc
    except SettingsError as exc:
        # The only other fault: a value that has to be JSON is not. The library names the field.
        field = next(name for name in model.model_fields if f'"{name}"' in str(exc))
        raise WrongEnvironmentError(_refusal(model, {"loc": (field,), "type": "json"})) from exc


def unknown(
    model: type[BaseSettings], environment: Mapping[str, str]
) -> Iterator[tuple[str, str | None]]:
    """Variables with the prefix of *model* that it does not have, each with the nearest one."""
    known = {_variable(model, name) for name in model.model_fields}
    prefix = model.model_config["env_prefix"]
    for name in sorted(environment):
        ours = name.upper().startswith(prefix) and name.upper() not in known
        if ours and not _OF_KUBERNETES.fullmatch(name):
            yield name, next(iter(get_close_matches(name.upper(), known, 1, 0.9)), None)


def _refusal(model: type[BaseSettings], found: Mapping[str, Any]) -> str:
    field = str(found["loc"][0])
    variable = _variable(model, field)
    problem = "missing"
    if found["type"] == "value_error":
        problem = str(found["msg"]).removeprefix("Value error, ")
    elif found["type"] != "missing":
        problem = f"{os.environ.get(variable, '')[:_MAX_SHOWN_CHARS]!r} is not accepted"
    return f"{variable}: {problem}; accepted: {_accepted(model, field)}"


def _accepted(model: type[BaseSettings], field: str) -> str:
    schema: Mapping[str, Any] = model.model_json_schema()["properties"][field]
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if components := schema.get("propertyNames", {}).get("enum"):
        return f"a JSON object of images by {', '.join(components)}"
    words = _TYPES.get(schema["type"], "a text")
    if "pattern" in schema:
        return f"{schema['examples'][0]} or the like"
    if "exclusiveMinimum" in schema:
        return f"{words} above {schema['exclusiveMinimum']}, up to {schema['maximum']:.0f}"
    if "minimum" in schema:
        return f"{words} from {schema['minimum']} to {schema['maximum']}"
    return words


def _variable(model: type[BaseSettings], field: str) -> str:
    return str(model.model_config["env_prefix"]) + field.upper()
