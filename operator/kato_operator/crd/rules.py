"""What the models of a KatoInstance share: spelling, quantities, and rules about several fields.

A rule is written twice, side by side: in CEL for the CRD, and as a predicate for the operator. The
operator cannot rely on the CRD, because an older one may be installed in the cluster.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from pydantic import (
    AfterValidator,
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
from kato_operator.crd.described import field_texts

QUANTITY_PATTERN = r"^([0-9]+|[0-9]*\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]{1,2}))?$"
UNITS = [*"inumkMGTPE"]
"""The last letters of units."""
LARGEST = "1Pi"
"""No quantity is larger: beyond 8Ei, the API server stores another number than it was given."""
TOO_LARGE: Final = f"must be at most {LARGEST}"
NOT_A_QUANTITY: Final = "is not a quantity (for example 250m, 2, 1Gi)"
NOT_A_KEY: Final = "is not a key of labels and annotations (for example team, example.com/team)"
LABEL_KEYS = 64
WORD = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{WORD}(\.{WORD})*"
QUALIFIED = rf"({SUBDOMAIN}/)?([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]"
PORT_NUMBER = (
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
AUTHORITY = rf"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?)(:{PORT_NUMBER})?"
"""The host of a URL, an IPv6 address in brackets, and perhaps a port."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on several fields, or on a field and its previous value.

    *field* is the path of the field to blame, below the model that has the rule. *holds* is None
    where only the API server can decide, because only it has the previous value. *cel_message* is
    a CEL expression that gives a more specific message.
    """

    cel: str
    message: str
    field: str = ""
    holds: Callable[[Any], bool] | None = None
    cel_message: str = ""

    def validation(self) -> dict[str, str]:
        """The rule in the spelling of the CRD."""
        spelled = {
            "rule": self.cel,
            "message": self.message,
            "messageExpression": self.cel_message,
            "fieldPath": self.field and f".{self.field}",
        }
        return {name: text for name, text in spelled.items() if text}


class Model(BaseModel):
    """A part of a KatoInstance: camelCase in manifests, frozen, ignores unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        texts = field_texts(cls)
        for name, field in cls.model_fields.items():
            if field.description is None and name in texts:
                schema["properties"][field.alias or name]["description"] = texts[name]
        if cls.rules:
            schema["x-kubernetes-validations"] = [rule.validation() for rule in cls.rules]
        return schema

    def violations(self, path: str) -> Iterator[str]:
        """One line per broken rule of this model and those in it, beginning with the field."""
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
    """A rule that the field keeps the value with which the instance was created."""
    return Rule(f"self.{field} == oldSelf.{field}", f"{field} cannot be changed", field)


def compared(one: str, operator: str, other: str) -> str:
    """The CEL expression that compares two quantities, which may be literals in quotes."""
    return f"{_number(one)}.compareTo({_number(other)}) {operator} 0"


def _number(quantity: str) -> str:
    """The CEL expression of a quantity; rules are evaluated although its pattern may not match.

    The API server would spend the whole time of the request on the number that 1e999999999 stands
    for. So a number without a unit is looked at as a float first. A regular expression would cost
    too much, because the length of what may be an integer or a string counts as unlimited.
    """
    if quantity.startswith("'"):
        return f"quantity({quantity})"
    text = f"string({quantity})"
    return (
        f"({UNITS}.exists(u, {text}.endsWith(u)) ? quantity({text}) :"
        f" double({text}) < 1e-9 ? quantity('0') :"
        f" double({text}) < 1e18 ? quantity({text}) : quantity('1E'))"
    )


def amount(quantity: str | int) -> Any:
    """The exact number that a quantity stands for.

    Raises:
        PydanticCustomError: It is not a quantity.
    """
    number = quantities.quantity(quantity)
    if number is None:
        raise PydanticCustomError("quantity", NOT_A_QUANTITY)
    return number


def _quantity(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("quantity", NOT_A_QUANTITY)
    # The number that 1e999999999 stands for would take gigabytes to write down.
    if not re.fullmatch(QUANTITY_PATTERN, str(value)):
        raise PydanticCustomError("quantity", NOT_A_QUANTITY)
    if amount(value) > amount(LARGEST):
        raise PydanticCustomError("quantity", TOO_LARGE)
    return value


def _qualified_name(key: str) -> str:
    """The key, if the API server accepts it for labels and annotations.

    A structural schema cannot restrict keys, and an expression about all of them costs too much.
    """
    prefix, slash, name = key.rpartition("/")
    is_named = re.fullmatch(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]", name)
    is_domain = len(prefix) <= 253 and re.fullmatch(SUBDOMAIN, prefix)
    if not is_named or (slash and not is_domain):
        raise PydanticCustomError("label_key", NOT_A_KEY)
    return key


Quantity = Annotated[
    str | int,
    BeforeValidator(_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            "maximum": 2**50,
            "maxLength": 32,
            "pattern": QUANTITY_PATTERN,
        }
    ),
]
Quantities = Annotated[dict[str, Quantity], Field(max_length=8)]
LabelKey = Annotated[str, AfterValidator(_qualified_name)]
LabelValue = Annotated[
    str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=LABEL_KEYS)]
Annotations = Annotated[
    dict[LabelKey, Annotated[str, Field(max_length=4096)]], Field(max_length=LABEL_KEYS)
]
Name = Annotated[str, Field(max_length=253, pattern=rf"^{SUBDOMAIN}$")]
"""The name of an object that the spec refers to."""
ObjectName = Annotated[str, Field(max_length=253, pattern=rf"^({SUBDOMAIN})?$")]
"""A name that may be empty."""
DataKey = Annotated[str, Field(max_length=253, pattern=r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")]
"""A key of a Secret or ConfigMap."""
KeyText = Annotated[str, Field(max_length=317, pattern=rf"^{QUALIFIED}$")]
"""A key of labels or taints, as a value."""
ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def has_no_key_below(keys: Iterable[str], *prefixes: str) -> bool:
    """Whether none of these label or annotation keys begins with one of the prefixes."""
    return not any(key.startswith(prefixes) for key in keys)
