"""The bodies of requests on patterns and vectors: what to search, change and delete."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from kato_service.api.shapes.body import AsWhole, Body, Emotives, Metadata, Real
from kato_service.api.shapes.requests import MAX_FREQUENCY, Vector
from kato_service.api.shapes.responses import NAME

MAX_NEAREST = 1000
"""Vectors in the answer to a search."""
MAX_CONDITIONS = 1000
"""Symbols, or events, of a filter."""
MAX_DELETED = 100_000
"""Patterns that one request deletes."""
MAX_MOMENT_CHARS = 40
MAX_LEARNS = 2**30
"""Learns of one pattern that an import takes."""
_AT = "2026-01-31T12:00:00Z"


def _moment(value: str) -> str:
    try:
        found = None if len(value) > MAX_MOMENT_CHARS else datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"must be a time as in RFC 3339, such as {_AT}")
    return value


def _without_default(schema: dict[str, Any]) -> None:
    """What a field is by default depends on another."""
    schema.pop("default", None)


Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}), AfterValidator(_moment)]
Frequency = Annotated[int, Field(ge=0, le=MAX_FREQUENCY), AsWhole]


class NearestBody(Body):
    """The vector to search for."""

    vector: Vector = Field(examples=[[0.1, 0.9]])
    """Of the dimension of the knowledge base, and not all zeros."""
    limit: Annotated[int, Field(ge=1, le=MAX_NEAREST), AsWhole] = 10
    """Vectors in the answer, at most."""
    min_score: Real = Field(default=-1.0, ge=-1.0, le=1.0)
    """Cosine similarity that they must reach."""


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


class PatternLine(Body):
    """A line about a pattern, as an import takes it. A line about a vector has `vector` (its name),
    `components` and perhaps `label` instead; lines of a whole export come between its first and
    its last."""

    name: str = Field(pattern=r"^(PTRN\|)?[0-9a-f]{40}$", examples=[NAME])
    """The SHA-1 of its events, or the name by which it was known."""
    events: list[Annotated[list[str], Field(min_length=1)]] = Field(
        min_length=1, examples=[[["a"], ["b"]]]
    )
    """Events, oldest first."""
    frequency: Annotated[int, Field(ge=0, le=MAX_FREQUENCY), AsWhole] = Field(examples=[3])
    """How often it counts as learned."""
    learns: Annotated[int, Field(ge=0, le=MAX_LEARNS), AsWhole] = Field(
        default=0, examples=[3], json_schema_extra=_without_default
    )
    """How often the statistics count it; without it, as often as the frequency says."""
    emotives: list[Emotives] | Emotives | None = Field(default=None, examples=[[{"joy": 0.5}]])
    """One map per learn, oldest first."""
    metadata: Metadata | None = Field(default=None, examples=[{"source": ["book"]}])
    """By key, its distinct values."""
    affinity: Emotives | None = Field(default=None, examples=[{"joy": 0.5}])
    """By emotive, the sum over all learns."""


class PatternFilterBody(Body):
    """Conditions; a pattern fits if all that are given hold."""

    symbols: Annotated[list[str], Field(fail_fast=True, max_length=MAX_CONDITIONS)] | None = Field(
        default=None, examples=[["a", "b"]]
    )
    """The pattern contains all of them."""
    prefix: (
        Annotated[
            list[Annotated[list[str], Field(fail_fast=True, min_length=1)]],
            Field(fail_fast=True, max_length=MAX_CONDITIONS),
        ]
        | None
    ) = Field(default=None, examples=[[["a"], ["b"]]])
    """The pattern begins with these events; of the last one, its first symbols are enough."""
    metadata: Metadata | None = Field(default=None, examples=[{"source": "manual"}])
    """By key, a value that the pattern has; null: any value."""
    min_frequency: Frequency | None = Field(default=None, examples=[2])
    max_frequency: Frequency | None = Field(default=None, examples=[100])
    learned_after: Moment | None = Field(default=None, examples=[_AT])
    """It was learned or edited last after this time (RFC 3339)."""
    learned_before: Moment | None = Field(default=None, examples=[_AT])
    """It was learned or edited last at this time or earlier."""
    first_learned_after: Moment | None = Field(default=None, examples=[_AT])
    """It was first learned after this time."""
    first_learned_before: Moment | None = Field(default=None, examples=[_AT])
    """It was first learned at this time or earlier."""

    def conditions(self) -> dict[str, Any]:
        """The conditions by name; one that is not given, or that everything fulfils, is falsy.
        So is a `max_frequency` of 0, which few fulfil."""
        return {name: getattr(self, name) for name in PatternFilterBody.model_fields}


_NO_CONDITION: dict[str, Any] = {
    "symbols": {"enum": [None, []]},
    "prefix": {"enum": [None, []]},
    "metadata": {"enum": [None, {}]},
    "min_frequency": {"enum": [None, 0]},
    "max_frequency": {"type": "null"},
    "learned_after": {"type": "null"},
    "learned_before": {"type": "null"},
    "first_learned_after": {"type": "null"},
    "first_learned_before": {"type": "null"},
}
"""By field, values that every pattern fulfils."""


class DeletePatternsBody(PatternFilterBody):
    """Which patterns to delete: at least one condition."""

    model_config = ConfigDict(json_schema_extra={"not": {"properties": _NO_CONDITION}})

    dry_run: bool = Field(default=False)
    """Only count them."""
    limit: Annotated[int, Field(ge=1, le=MAX_DELETED), AsWhole] = Field(default=10_000)
    """Patterns of this request, at most."""
    cursor: Annotated[str, Field(max_length=1024)] | None = Field(default=None, examples=[None])
    """`next_cursor` of the answer before: where to continue."""
