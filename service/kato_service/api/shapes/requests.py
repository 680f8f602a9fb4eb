"""The bodies of requests: types and shapes, nothing coerced. Most limits are the processor's."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from kato_service import json_text
from kato_service.api.wording import spellings
from kato_service.domain.genes import GeneValue
from kato_service.domain.observation import Observation

MAX_TTL_S = 86_400
MAX_SEQUENCE = 1000
"""Observations of one sequence."""
MAX_FREQUENCY = 2**31 - 1
MAX_KEYS = 10_000
"""Entries of one map: far above every limit of the processor, and still cheap to validate."""
LEVELS_AROUND = 8
"""Levels of nesting that answers put around a client's value, which have to be writable too."""

unknown_fields_ignored: ContextVar[bool] = ContextVar("unknown_fields_ignored", default=False)
"""Whether the path that is served drops unknown fields, as all but ``/v2`` do, or refuses them."""


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must consist of printable characters")
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


def _bounded(value: Any) -> Any:
    """*value*, unless it is a huge map: one finding then, instead of a million."""
    if isinstance(value, dict) and len(value) > MAX_KEYS:
        raise ValueError(f"must not have more than {MAX_KEYS} entries")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Real = Annotated[float, Field(allow_inf_nan=False)]
UserId = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_printable)]
UniqueId = Annotated[str, Field(min_length=1, max_length=256)]
Ttl = Annotated[Whole, Field(ge=1, le=MAX_TTL_S)]
Json = Annotated[JsonValue, AfterValidator(_writable)]
Emotives = Annotated[dict[str, Real], BeforeValidator(_bounded)]
Metadata = Annotated[dict[str, Json], BeforeValidator(_bounded)]
Vector = Annotated[list[Real], Field(fail_fast=True)]


class Body(BaseModel):
    """A JSON object with known fields."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if not unknown_fields_ignored.get() or not isinstance(value, dict):
            return _bounded(value)
        known = spellings(cls)
        return {name: item for name, item in value.items() if name in known}


class ObservationItem(Body):
    """One observation of a sequence."""

    strings: Annotated[list[str], Field(fail_fast=True)] = Field(
        default=[], examples=[["hello", "world"]]
    )
    vectors: Annotated[list[Vector], Field(fail_fast=True)] = Field(
        default=[], examples=[[[0.1, 0.9]]]
    )
    emotives: Emotives = Field(default={}, examples=[{"joy": 0.8}])
    metadata: Metadata = Field(default={}, examples=[{"source": "manual"}])

    def observation(self) -> Observation:
        return Observation(
            strings=tuple(self.strings),
            vectors=tuple(map(tuple, self.vectors)),
            emotives=self.emotives,
            metadata={key: json_text.canonical(value) for key, value in self.metadata.items()},
        )


class ObservationBody(ObservationItem):
    unique_id: UniqueId | None = None


def _echoable(value: Any) -> Any:
    """*value*; on the older paths only if it can be an id: their clients may send anything."""
    is_id = isinstance(value, str) and 0 < len(value) <= 256
    return value if is_id or not unknown_fields_ignored.get() else None


class SequenceItem(ObservationItem):
    unique_id: Annotated[UniqueId | None, BeforeValidator(_echoable)] = Field(
        default=None, description="Echoed in the result of the item; it makes nothing repeatable."
    )


class SequenceBody(Body):
    observations: Annotated[list[SequenceItem], Field(fail_fast=True)] = Field(
        max_length=MAX_SEQUENCE, examples=[[{"strings": ["a"]}, {"strings": ["b"]}]]
    )
    learn_after_each: bool = False
    learn_at_end: bool = False
    clear_stm_between: bool = False
    unique_id: UniqueId | None = None

    def item_ids(self) -> list[str | None]:
        return [item.unique_id for item in self.observations]


class RepeatableBody(Body):
    """The body of a request that takes only the id by which its repeat is recognised."""

    unique_id: UniqueId | None = None


class GeneOverrides(Body):
    """Genes of a session; null returns one to the default of the instance."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    recall_threshold: Real | None = Field(default=None, ge=0.0, le=1.0, examples=[0.1])
    max_predictions: Whole | None = Field(default=None, ge=1, le=10_000, examples=[100])
    persistence: Whole | None = Field(default=None, ge=1, le=100, examples=[5])
    max_pattern_length: Whole | None = Field(default=None, ge=0, le=MAX_FREQUENCY, examples=[0])
    stm_mode: Literal["KEEP_LAST", "CLEAR", "ROLLING"] | None = None
    sort_symbols: bool | None = Field(
        default=None, validation_alias=AliasChoices("sort_symbols", "sort")
    )
    vector_neighbors: Whole | None = Field(default=None, ge=0, le=100, examples=[3])
    vector_min_score: Real | None = Field(default=None, ge=-1.0, le=1.0, examples=[0.9])

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        """Refuse unknown genes on every path: dropping one would look like a success."""
        return _bounded(value)

    def given(self) -> dict[str, GeneValue | None]:
        """The genes that the body names, those it sets to null included."""
        return self.model_dump(exclude_unset=True)

    def chosen(self) -> dict[str, GeneValue]:
        """The genes to which the body gives a value."""
        return self.model_dump(exclude_none=True)


class SessionBody(Body):
    user_id: UserId | None = Field(
        default=None, validation_alias=AliasChoices("user_id", "node_id"), examples=["alice"]
    )
    metadata: Metadata | None = Field(default=None, examples=[{"purpose": "demo"}])
    ttl_seconds: Ttl | None = Field(default=None, examples=[3600])
    config: GeneOverrides | None = Field(default=None, examples=[{"recall_threshold": 0.3}])


class ExtendBody(Body):
    ttl_seconds: Ttl | None = Field(default=None, examples=[3600])


class ConfigBody(Body):
    config: GeneOverrides = Field(examples=[{"recall_threshold": 0.3, "max_predictions": None}])


class GenesBody(Body):
    """The genes to change: in the field ``genes``, or the map alone."""

    genes: GeneOverrides = Field(examples=[{"recall_threshold": 0.3}])

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "genes" not in value:
            return {"genes": value}
        return value


class PatternBody(Body):
    frequency: Annotated[Whole, Field(ge=0, le=MAX_FREQUENCY)] | None = Field(
        default=None, examples=[3]
    )
    emotives: Annotated[list[Emotives], Field(fail_fast=True)] | None = Field(
        default=None, examples=[[{"joy": 0.8}]]
    )
