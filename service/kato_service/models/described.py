"""Texts about fields: the string below a field describes it in JSON schemas.

Pydantic can read these strings itself, but does so for every class when it is defined, which took a
third of the time in which a process starts. Documents and help texts are rarely asked for.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from inspect import cleandoc, getsource
from itertools import pairwise
from typing import Any

from pydantic import AliasChoices, BaseModel, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class DescribedFields(BaseModel):
    """A model whose JSON schema describes each field by the string below it, unless the field has a
    description of its own."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties: dict[str, dict[str, Any]] = handler.resolve_ref_schema(schema)["properties"]
        texts = field_texts(cls)
        for name, field in cls.model_fields.items():
            shown = properties.get(_spelling(name, field))
            if shown is not None and field.description is None and name in texts:
                shown["description"] = texts[name]
        return schema


def field_texts(model: type) -> dict[str, str]:
    """By field of *model*, those of its bases included, the string below it, if there is one."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, DescribedFields):
            texts |= _texts_by_class(base.__module__).get(base.__name__, {})
    return texts


def _spelling(name: str, field: FieldInfo) -> str:
    """How the schema spells the field."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    return alias if isinstance(alias, str) else name


@cache
def _texts_by_class(module: str) -> dict[str, dict[str, str]]:
    """By class of the module, the strings below its fields."""
    parsed = ast.parse(getsource(sys.modules[module]))
    return {
        one.name: dict(_texts(one.body)) for one in parsed.body if isinstance(one, ast.ClassDef)
    }


def _texts(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, cleandoc(text)
