"""What the bodies of requests share: types, bounds, and which fields they know."""

from contextvars import ContextVar
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from kato_service import json_text
from kato_service.api.wording import spellings
from kato_service.domain.identity import MAX_USER_ID_CHARS, UNREACHABLE_USER_IDS
from kato_service.models.described import DescribedFields

MAX_KEYS = 10_000
"""Entries of one map: far above every limit of the processor, and still cheap to validate."""
LEVELS_AROUND = 8
"""Levels of nesting that answers put around a client's value, which have to be writable too."""

unknown_fields_ignored: ContextVar[bool] = ContextVar("unknown_fields_ignored", default=False)
"""Whether the path that is served drops unknown fields, as all but ``/v2`` do, or refuses them."""


def _nameable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must consist of printable characters")
    if value in UNREACHABLE_USER_IDS:
        raise ValueError("must not be . or .., which no path of the API could name")
    return value


def _writable(value: Any) -> Any:
    """*value*, if it can be written again inside an answer: JSON writers limit the nesting."""
    inside = value
    for _ in range(LEVELS_AROUND):
        inside = [inside]
    try:
        json_text.canonical(inside)
    except ValueError as exc:
        levels = json_text.MAX_LEVELS - LEVELS_AROUND
        raise ValueError(f"must not be nested more than {levels} levels deep") from exc
    return value


def _whole(value: Any) -> Any:
    """1.0 as 1: JSON has one kind of number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def bounded(value: Any) -> Any:
    """*value*, unless it is a huge map: one finding then, instead of a million."""
    if isinstance(value, dict) and len(value) > MAX_KEYS:
        raise ValueError(f"must not have more than {MAX_KEYS} entries")
    return value


AsWhole = BeforeValidator(_whole)
"""Stands after the bounds of an integer, so that its JSON schema has them."""
Real = Annotated[float, Field(allow_inf_nan=False)]
UserId = Annotated[
    str, Field(min_length=1, max_length=MAX_USER_ID_CHARS), AfterValidator(_nameable)
]
Json = Annotated[JsonValue, AfterValidator(_writable)]
Emotives = Annotated[dict[str, Real], BeforeValidator(bounded)]
Metadata = Annotated[dict[str, Json], BeforeValidator(bounded)]


class Body(DescribedFields):
    """A JSON object with known fields."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if not unknown_fields_ignored.get() or not isinstance(value, dict):
            return bounded(value)
        known = spellings(cls)
        return {name: item for name, item in value.items() if name in known}
