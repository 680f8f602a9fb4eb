"""An example of each answer, with the fields that every answer of its kind has."""

from collections.abc import Mapping
from typing import Any

Schemas = Mapping[str, Any]
_OF_TYPE: Mapping[str, Any] = {
    "string": "…",
    "integer": 1,
    "number": 0.5,
    "boolean": False,
    "null": None,
}


def example(schema: Mapping[str, Any], schemas: Schemas) -> Any:
    """A value of *schema*: its own example, or one put together from its parts.

    Args:
        schemas: By name, those that it may refer to.
    """
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if given := schema.get("examples", schema.get("enum")):
        return given[0]
    if options := schema.get("anyOf"):
        return example(options[0], schemas)
    kind = schema.get("type", "null")
    if kind == "array":
        return [example(schema["items"], schemas)]
    if kind == "object":
        fields = schema.get("properties", {})
        return {name: example(fields[name], schemas) for name in schema.get("required", ())}
    return _OF_TYPE[kind]
