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


AsWhole = BeforeValidator(_whole)
"""Stands after the bounds of an integer, so that its JSON schema has them."""
Real = Annotated[float, Field(allow_inf_nan=False)]
UserId = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_printable)]
UniqueId = Annotated[str, Field(min_length=1, max_length=256)]
Ttl = Annotated[int, Field(ge=1, le=MAX_TTL_S), AsWhole]
Json = Annotated[JsonValue, AfterValidator(_writable)]
Emotives = Annotated[dict[str, Real], BeforeValidator(_bounded)]
Metadata = Annotated[dict[str, Json], BeforeValidator(_bounded)]
Vector = Annotated[list[Real], Field(fail_fast=True)]


class Body(BaseModel):
    """A JSON object with known fields."""

    model_config = ConfigDict(
        extra="forbid", strict=True, populate_by_name=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if not unknown_fields_ignored.get() or not isinstance(value, dict):
            return _bounded(value)
        known = spellings(cls)
        return {name: item for name, item in value.items() if name in known}


class ObservationItem(Body):
    """One observation of a sequence."""

    strings: Annotated[list[str], Field(fail_fast=True)] = []
    """Symbols of the event."""
    vectors: Annotated[list[Vector], Field(fail_fast=True)] = []
    """Vectors of the event, each becomes a symbol. None may be all zeros, and all vectors of a
    knowledge base have the same dimension."""
    emotives: Emotives = {}
    """Named numbers that describe how the event feels."""
    metadata: Metadata = {}
    """Anything that the pattern learned from this event should carry."""

    def observation(self) -> Observation:
        return Observation(
            strings=tuple(self.strings),
            vectors=tuple(map(tuple, self.vectors)),
            emotives=self.emotives,
            metadata={key: json_text.canonical(value) for key, value in self.metadata.items()},
        )


class ObservationBody(ObservationItem):
    """One event."""

    unique_id: UniqueId | None = None
    """An id of your own that makes it safe to send the request again."""


def _echoable(value: Any) -> Any:
    """*value*; on the older paths only if it can be an id: their clients may send anything."""
    is_id = isinstance(value, str) and 0 < len(value) <= 256
    return value if is_id or not unknown_fields_ignored.get() else None


class SequenceItem(ObservationItem):
    """One event of a sequence."""

    unique_id: Annotated[UniqueId | None, BeforeValidator(_echoable)] = None
    """Returns in the result of the item; it makes nothing safe to repeat."""


class SequenceBody(Body):
    """Events in order."""

    observations: Annotated[list[SequenceItem], Field(fail_fast=True)] = Field(
        max_length=MAX_SEQUENCE
    )
    learn_after_each: bool = False
    """Learn the short-term memory after each event."""
    learn_at_end: bool = False
    """Learn the short-term memory after the last event."""
    clear_stm_between: bool = False
    """Empty the short-term memory before each event but the first."""
    unique_id: UniqueId | None = None
    """An id of your own that makes it safe to send the request again."""

    def item_ids(self) -> list[str | None]:
        return [item.unique_id for item in self.observations]


class RepeatableBody(Body):
    """The body of a request that takes only the id by which its repeat is recognised."""

    unique_id: UniqueId | None = None
    """An id of your own that makes it safe to send the request again."""


class GeneOverrides(Body):
    """Genes of a session; null returns one to the default of the instance."""

    recall_threshold: Real | None = Field(default=None, ge=0.0, le=1.0, examples=[0.1])
    """Similarity that a prediction must reach."""
    max_predictions: Annotated[int, Field(ge=1, le=10_000), AsWhole] | None = Field(
        default=None, examples=[100]
    )
    """Predictions in one answer, at most."""
    persistence: Annotated[int, Field(ge=1, le=100), AsWhole] | None = Field(
        default=None, examples=[5]
    )
    """Learns of a pattern whose emotives it keeps."""
    max_pattern_length: Annotated[int, Field(ge=0, le=MAX_FREQUENCY), AsWhole] | None = Field(
        default=None, examples=[0]
    )
    """Events after which the short-term memory is learned automatically; 0: never."""
    stm_mode: Literal["KEEP_LAST", "CLEAR", "ROLLING"] | None = None
    """What an automatic learn leaves in the short-term memory: its last event, nothing, or all but
    its oldest event."""
    sort_symbols: bool | None = Field(
        default=None, validation_alias=AliasChoices("sort_symbols", "sort")
    )
    """Whether the symbols of an event are sorted."""
    vector_neighbors: Annotated[int, Field(ge=0, le=100), AsWhole] | None = Field(
        default=None, examples=[3]
    )
    """Nearest known vectors whose symbols join that of an observed one."""
    vector_min_score: Real | None = Field(default=None, ge=-1.0, le=1.0, examples=[0.9])
    """Cosine similarity that such a neighbour must reach."""

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
    """The session to create."""

    user_id: UserId | None = Field(
        default=None, validation_alias=AliasChoices("user_id", "node_id"), examples=["alice"]
    )
    """The user whose knowledge the session shares: printable characters. Without one, it shares
    that of the instance."""
    metadata: Metadata | None = Field(default=None, examples=[{"purpose": "demo"}])
    """Anything that you want to find in the session again."""
    ttl_seconds: Ttl | None = Field(default=None, examples=[3600])
    """Seconds that the session lives, from now or from its last extend."""
    config: GeneOverrides | None = Field(default=None, examples=[{"recall_threshold": 0.3}])


class ExtendBody(Body):
    """How long a session lives from now on."""

    ttl_seconds: Ttl | None = Field(default=None, examples=[3600])
    """Seconds; give it here or in the query."""


class ConfigBody(Body):
    """The genes to change."""

    config: GeneOverrides


class GenesBody(Body):
    """The genes to change: in the field `genes`, or the map alone."""

    genes: GeneOverrides

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "genes" not in value:
            return {"genes": value}
        return value


class PatternBody(Body):
    """What to change of a pattern; what is missing or null stays."""

    frequency: Annotated[int, Field(ge=0, le=MAX_FREQUENCY), AsWhole] | None = Field(
        default=None, examples=[3]
    )
    """How often it counts as learned."""
    emotives: Annotated[list[Emotives], Field(fail_fast=True)] | None = Field(
        default=None, examples=[[{"joy": 0.8}]]
    )
    """Its emotive maps, oldest first; as many as the gene `persistence` keeps."""
