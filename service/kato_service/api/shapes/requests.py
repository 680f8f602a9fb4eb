"""The bodies of requests: types and shapes, nothing coerced. Most limits are the processor's."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

from kato_service import json_text
from kato_service.api.shapes.body import (
    AsWhole,
    Body,
    Emotives,
    Metadata,
    Real,
    UserId,
    bounded,
    unknown_fields_ignored,
)
from kato_service.api.shapes.other_genes import OtherGenes
from kato_service.api.wording import spellings
from kato_service.domain.genes import GeneValue, RankKey
from kato_service.domain.observation import MAX_LABEL_CHARS, Observation
from kato_service.findings import MAX_NAME_CHARS, MAX_SHOWN

MAX_TTL_S = 86_400
MAX_SEQUENCE = 1000
"""Observations of one sequence."""
MAX_FREQUENCY = 2**31 - 1
MAX_FIELDS_CHARS = 1024
"""Characters of a list of fields: twice as many as all names have."""
MAX_OFFSET = 100_000
MAX_BATCH = 100
"""Predictions of one batch."""
_BOTH = ("events", "observations")
EVENTS_OR_OBSERVATIONS: dict[str, Any] = {
    "not": {
        "anyOf": [
            {"properties": {key: {"type": "null"} for key in _BOTH}},
            {"properties": {key: {"type": "array"} for key in _BOTH}, "required": list(_BOTH)},
        ]
    }
}
"""What JSON schemas say of bodies that hold one of them; null means that it is missing. Generators
of clients ignore what a body must not be; they do not take an `oneOf` next to its fields."""
UniqueId = Annotated[str, Field(min_length=1, max_length=256)]
Ttl = Annotated[int, Field(ge=1, le=MAX_TTL_S), AsWhole]
Vector = Annotated[list[Real], Field(fail_fast=True)]
VectorLabel = Annotated[str, Field(min_length=1, max_length=MAX_LABEL_CHARS)]


_NOTHING: dict[str, Any] = {"json_schema_extra": {"default": []}}
_NO_NAMES: dict[str, Any] = {"json_schema_extra": {"default": {}}}


class ObservationItem(Body):
    """One observation of a sequence."""

    # pydantic would copy a default that can change, for longer than it validates the rest.
    strings: Annotated[list[str], Field(fail_fast=True)] = Field(default_factory=list, **_NOTHING)
    """Symbols of the event."""
    vectors: Annotated[list[Vector], Field(fail_fast=True)] = Field(
        default_factory=list, **_NOTHING
    )
    """Vectors of the event, each becomes a symbol. None may be all zeros, and all vectors of a
    knowledge base have the same dimension."""
    vector_labels: Annotated[list[VectorLabel | None], Field(fail_fast=True)] = Field(
        default_factory=list, **_NOTHING
    )
    """What people call the vectors, in their order; null: nothing. A stored vector keeps its label
    until it gets another one."""
    emotives: Emotives = Field(default_factory=dict, **_NO_NAMES)
    """Named numbers that describe how the event feels."""
    metadata: Metadata = Field(default_factory=dict, **_NO_NAMES)
    """Anything that the pattern learned from this event should carry."""

    def observation(self) -> Observation:
        return Observation(
            strings=tuple(self.strings),
            vectors=tuple(map(tuple, self.vectors)),
            vector_labels=tuple(self.vector_labels),
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


class NoBody(Body):
    """The body of a request that takes none."""


View = Literal["predictions", "next"]


class PredictionOptions(Body):
    """Instead of genes, for this request only."""

    limit: Annotated[int, Field(ge=1, le=10_000), AsWhole] | None = Field(
        default=None, examples=[10]
    )
    """Instead of the gene `max_predictions`."""
    recall_threshold: Real | None = Field(default=None, ge=0.0, le=1.0, examples=[0.1])
    """Instead of the gene of this name."""
    fields: Annotated[str, Field(max_length=MAX_FIELDS_CHARS)] | None = Field(
        default=None, examples=["name,potential,predictive_information"]
    )
    """Fields of the predictions, separated by commas, or `all`."""


class PredictionsBody(PredictionOptions):
    """What to predict, and how it is told, for this request only."""

    view: View = "predictions"
    """`predictions`, or `next` for what comes next: events and symbols."""
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET), AsWhole] = 0
    """How many of the best are passed over."""
    explain: bool = False
    """Whether the answer tells how it came about, and what it leaves out."""
    labels: bool = False
    """Whether the answer has the labels of the vectors that it shows, by symbol."""


class OlderPredictionsBody(PredictionOptions):
    """Instead of genes, for this request only."""

    unique_id: UniqueId | None = None
    """That of the last observation, as a check: any other is refused."""


class GeneOverrides(OtherGenes):
    """Genes of a session; null returns one to its default. Those after `affinity_emotive` belong to
    other versions: they are checked and stored, and have no effect here."""

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
    vector_absorb_similarity: Real | None = Field(default=None, ge=0.0, le=1.0, examples=[0.0])
    """Cosine similarity from which a new vector becomes the stored one nearest to it; 0: never."""
    rank_sort_algo: RankKey | None = Field(default=None, examples=["potential"])
    """The field of a prediction by which predictions are ranked, the greatest value first."""
    single_symbol_predictions: bool | None = None
    """Whether a short-term memory of one symbol has predictions: patterns that begin with it."""
    fuzzy_token_threshold: Real | None = Field(default=None, ge=0.0, le=1.0, examples=[0.0])
    """How alike two symbols have to be spelled to match; 0: only equal ones match."""
    affinity_emotive: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        default=None, examples=["joy"]
    )
    """The emotive by which symbols are weighed: those that were learned with much of it count for
    more in `potential`. Null: all symbols count alike."""

    _unknown: tuple[str, ...] = PrivateAttr(())
    _may_ignore: ClassVar[bool] = True
    """Whether unknown genes are ignored, and named in the answer, where unknown fields are."""

    @model_validator(mode="wrap")
    @classmethod
    def _known(cls, value: Any, validated: ModelWrapValidatorHandler[Self]) -> Self:
        """Take unknown genes out where they are ignored, to name them in the answer."""
        if not unknown_fields_ignored.get() or not isinstance(value, dict):
            return validated(bounded(value))
        known = spellings(cls)
        given = _in_any_case(bounded(value), known)
        unknown = given.keys() - known if cls._may_ignore else set()
        genes = validated({name: item for name, item in given.items() if name not in unknown})
        named = [name[:MAX_NAME_CHARS] for name in given if name in unknown]
        genes._unknown = tuple(named[:MAX_SHOWN])
        return genes

    def given(self) -> dict[str, GeneValue | None]:
        """The genes that the body names, those it sets to null included."""
        return self.model_dump(exclude_unset=True)

    def chosen(self) -> dict[str, GeneValue]:
        """The genes to which the body gives a value."""
        return self.model_dump(exclude_none=True)

    def ignored(self) -> list[str]:
        """The names that the body gives and that have no effect: of other versions, or unknown."""
        without_effect = [name for name in OtherGenes.model_fields if name in self.model_fields_set]
        return [*without_effect, *self._unknown]


class StrictGenes(GeneOverrides):
    """Genes of a session, as the first versions send them: an unknown one is refused."""

    _may_ignore = False


def _in_field(field: str, given: dict[str, Any]) -> dict[str, Any]:
    """A body with its genes in *field*, where they are in *given* or which *given* is alone."""
    if field not in given:
        return {field: given}
    stray = given.keys() & spellings(GeneOverrides)
    if stray:
        raise ValueError(f"must not hold {min(stray)} next to {field}; move it into {field}")
    return {field: given[field]}


def _in_any_case(given: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """*given* with *known* names in small letters: the first versions took them in any case."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        gene = name if name in known or name.lower() not in known else name.lower()
        if gene in found:
            raise ValueError(f"must not name {gene} more than once")
        found[gene] = value
    return found


class SessionBody(Body):
    """The session to create."""

    user_id: UserId | None = Field(
        default=None, validation_alias=AliasChoices("user_id", "node_id"), examples=["alice"]
    )
    """The user whose knowledge the session shares: printable characters, neither `.` nor `..`.
    Without one, it shares that of the instance."""
    metadata: Metadata | None = Field(default=None, examples=[{"purpose": "demo"}])
    """Anything that you want to find in the session again."""
    ttl_seconds: Ttl | None = Field(default=None, examples=[3600])
    """Seconds that the session lives, from now or from its last extend."""
    config: GeneOverrides | None = Field(default=None, examples=[{"recall_threshold": 0.3}])


class ExtendBody(Body):
    """How long a session lives from now on."""

    ttl_seconds: Ttl | None = Field(default=None, examples=[3600])
    """Seconds; give it here or in the query."""


class SessionEditBody(Body):
    """What to change of a session."""

    metadata: Metadata = Field(examples=[{"topic": "weather", "draft": None}])
    """Keys to set; null removes one. Others stay."""


class ConfigBody(Body):
    """The genes to change."""

    config: GeneOverrides

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        """On the older paths the map may come alone."""
        if unknown_fields_ignored.get() and isinstance(value, dict):
            return _in_field("config", value)
        return bounded(value)


class ConfigurationBody(Body):
    """What sessions of a user start with."""

    config: GeneOverrides
    """All of it: what is missing or null is left to the instance."""


class GenesBody(Body):
    """The genes to change: in the field `genes`, or the map alone."""

    genes: StrictGenes

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        return _in_field("genes", value) if isinstance(value, dict) else value


class PredictBody(PredictionsBody):
    """What was observed, and what to predict from it."""

    model_config = ConfigDict(json_schema_extra=EVENTS_OR_OBSERVATIONS)

    user_id: UserId | None = Field(default=None, examples=["alice"])
    """The user whose knowledge predicts. Without one, that of the instance does."""
    events: Annotated[list[Annotated[list[str], Field(fail_fast=True)]], Field(fail_fast=True)] | (
        None
    ) = Field(default=None, max_length=MAX_SEQUENCE, examples=[[["hello"], ["world"]]])
    """Events, each a list of strings, oldest first; either these or `observations`."""
    observations: Annotated[list[SequenceItem], Field(fail_fast=True)] | None = Field(
        default=None, max_length=MAX_SEQUENCE
    )
    """The same with vectors, which are looked up and not stored. Emotives, metadata and labels have
    no effect on predictions."""
    config: GeneOverrides | None = Field(default=None, examples=[{"recall_threshold": 0.3}])
    """Genes for this request; the others are those of the instance."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.events is None) == (self.observations is None):
            raise ValueError("must have either events or observations")
        return self

    @property
    def part(self) -> Literal["events", "observations"]:
        """The field that says what was observed."""
        return "observations" if self.events is None else "events"

    def observed(self) -> Iterator[Observation]:
        """What was observed, without metadata, which neither predicts nor has limits."""
        for event in self.events or ():
            yield Observation(strings=tuple(event))
        for one in self.observations or ():
            yield Observation(
                strings=tuple(one.strings),
                vectors=tuple(map(tuple, one.vectors)),
                emotives=one.emotives,
                vector_labels=tuple(one.vector_labels),
            )


class PredictBatchBody(Body):
    """Predictions to make, one after the other."""

    items: Annotated[list[PredictBody], Field(fail_fast=True)] = Field(
        min_length=1, max_length=MAX_BATCH
    )
