"""Schemas as FastAPI derives them from the models, made true and short."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import AliasChoices

from kato_service.api.shapes.body import Body
from kato_service.api.shapes.other_genes import OTHER_GENE, OtherGenes
from kato_service.api.shapes.requests import GeneOverrides, GenesBody, SequenceItem, StrictGenes

_ITEM_ID = (
    "A string of 1 to 256 characters returns in the result of the item, anything else is ignored;"
    " it makes nothing safe to repeat."
)
_STRICT_EVERYWHERE = (StrictGenes.__name__, GenesBody.__name__)
"""Bodies whose unknown fields every path refuses."""
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")
"""Schemas of errors that this API does not use."""


def made_true(schemas: Mapping[str, Any], *, older: bool) -> dict[str, Any]:
    """*schemas*, with all spellings of fields, and open to unknown fields where they are ignored.

    Args:
        older: They are those of the older paths.
    """
    found = {name: _short(schema) for name, schema in schemas.items() if name not in _OF_FASTAPI}
    bodies = {model.__name__: model for model in _below(Body)}
    for name, schema in found.items():
        if name not in bodies:
            _drop_defaults(schema)
            continue
        _add_spellings(schema, bodies[name])
        if older and name not in _STRICT_EVERYWHERE:
            schema["additionalProperties"] = True
    if older and (item := found.get(SequenceItem.__name__)):
        item["properties"]["unique_id"] = {"description": _ITEM_ID}
    for model in (GeneOverrides, StrictGenes):
        if genes := found.get(model.__name__):
            _put_last(genes["properties"], OtherGenes)
    return found


def _put_last(fields: dict[str, Any], others: type[Body]) -> None:
    """Put the genes of other versions after those that have an effect, and say so."""
    for name in others.model_fields:
        fields[name] = fields.pop(name) | {"description": OTHER_GENE}


def _short(schema: Any) -> Any:
    """*schema* without the titles that repeat names, null as a default, and line breaks."""
    if isinstance(schema, list):
        return [_short(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: _short(field) for name, field in value.items()}
        if key == "properties"
        else value
        if key == "examples"
        else _short(value)
        for key, value in schema.items()
        if key != "title" and not (key == "default" and value is None)
    }
    if isinstance(text := kept.get("description"), str):
        kept["description"] = " ".join(text.split())
    return kept


def _drop_defaults(schema: dict[str, Any]) -> None:
    """A field that is missing from an answer has no value."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


def _add_spellings(schema: dict[str, Any], model: type[Body]) -> None:
    fields: dict[str, Any] = schema["properties"]
    for name, field in model.model_fields.items():
        if not isinstance(field.validation_alias, AliasChoices):
            continue
        for spelling in map(str, field.validation_alias.choices):
            if spelling not in fields:
                text = f"Another spelling of `{name}`: give one of them."
                fields[spelling] = fields[name] | {"description": text, "deprecated": True}
                schema["not"] = {"required": [name, spelling]}


def _below(model: type[Body]) -> Iterator[type[Body]]:
    for one in model.__subclasses__():
        yield one
        yield from _below(one)
