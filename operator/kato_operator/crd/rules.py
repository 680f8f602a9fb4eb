"""What a KatoInstance's models share: spelling, quantities, and rules of several fields.

A rule is written twice on one line of thought: as CEL for the CRD, and as a predicate for the
operator, which must not trust that the CRD in the cluster is its own.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from kato_operator import quantities

QUANTITY_PATTERN = r"^([0-9]+|[0-9]*\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$"
LABEL_KEYS = 64


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that several fields, or a field and its old value, must agree on.

    *holds* None: only the API server can tell, because it knows the object before the change.
    *field* is the path of the field to blame, below the model that has the rule.
    """

    cel: str
    message: str
    field: str = ""
    holds: Callable[[Any], bool] | None = None
    cel_message: str = ""

    def validation(self) -> dict[str, str]:
        """The rule as the CRD spells it."""
        spelled = {
            "rule": self.cel,
            "message": self.message,
            "messageExpression": self.cel_message,
            "fieldPath": self.field and f".{self.field}",
        }
        return {name: text for name, text in spelled.items() if text}


class Model(BaseModel):
    """A part of a KatoInstance: camelCase outside, frozen, indifferent to unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        if cls.rules:
            schema["x-kubernetes-validations"] = [rule.validation() for rule in cls.rules]
        return schema

    def violations(self, path: str) -> Iterator[str]:
        """One line per broken rule here and below, each beginning with its field."""
        for rule in self.rules:
            if rule.holds is not None and not rule.holds(self):
                yield f"{path}.{rule.field}: {rule.message}" if rule.field else rule.message
        for name, info in type(self).model_fields.items():
            yield from _violations_below(getattr(self, name), f"{path}.{info.alias}")


def _violations_below(value: object, path: str) -> Iterator[str]:
    if isinstance(value, Model):
        yield from value.violations(path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _violations_below(item, f"{path}[{index}]")


def unchangeable(field: str) -> Rule:
    """The field keeps the value it was made with."""
    return Rule(f"self.{field} == oldSelf.{field}", f"{field} cannot be changed", field)


def amount(quantity: str | int) -> Any:
    """The number that a quantity stands for; it orders like one."""
    number = quantities.quantity(quantity)
    if number is None:
        raise PydanticCustomError("quantity", "is no quantity; accepted: such as 250m, 2 or 1Gi")
    return number


def _quantity(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("quantity", "is no quantity; accepted: such as 250m, 2 or 1Gi")
    amount(value)
    return value


Quantity = Annotated[
    str | int,
    BeforeValidator(_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            "pattern": QUANTITY_PATTERN,
        }
    ),
]
Quantities = Annotated[dict[str, Quantity], Field(max_length=8)]
Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=LABEL_KEYS)]
Annotations = Annotated[
    dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=LABEL_KEYS)
]
ObjectName = Annotated[str, Field(max_length=253, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")]
BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def has_no_key_below(keys: Iterable[str], *prefixes: str) -> bool:
    """Whether no key of labels or annotations begins with one of these prefixes."""
    return not any(key.startswith(prefixes) for key in keys)
