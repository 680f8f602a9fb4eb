"""The lines of a bulk learn, and the body that holds a list of them."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, SkipValidation, model_validator

from kato_service import json_text
from kato_service.api.shapes.body import Body, Emotives, Metadata, UserId
from kato_service.api.shapes.requests import (
    EVENTS_OR_OBSERVATIONS,
    MAX_SEQUENCE,
    GeneOverrides,
    ObservationItem,
    UniqueId,
)
from kato_service.domain.observation import Observation

MAX_LINES = 1000
"""Lines of a body that is no stream."""
MAX_STREAM_ID_CHARS = 240
"""Characters of the id of a whole request: its lines get it with their number."""


class LearnLine(Body):
    """One sequence of events, and what a session that observed it would learn."""

    model_config = ConfigDict(json_schema_extra=EVENTS_OR_OBSERVATIONS)

    events: Annotated[list[Annotated[list[str], Field(fail_fast=True)]], Field(fail_fast=True)] | (
        None
    ) = Field(default=None, max_length=MAX_SEQUENCE, examples=[[["hello"], ["world"]]])
    """Events, oldest first, each a list of symbols. Give them here or as `observations`."""
    observations: Annotated[list[ObservationItem], Field(fail_fast=True)] | None = Field(
        default=None, max_length=MAX_SEQUENCE
    )
    """The same with vectors, emotives and metadata of each event."""
    emotives: Emotives = Field(default={}, examples=[{"joy": 0.8}])
    """Next to `events`: how the last of them feels."""
    metadata: Metadata = Field(default={}, examples=[{"source": "manual"}])
    """Next to `events`: anything that the pattern should carry."""
    user_id: UserId | None = Field(default=None, examples=["alice"])
    """The user whose knowledge it is: printable characters, neither `.` nor `..`. Without one, it
    is that of the user that the caller acts as, or of the instance."""
    unique_id: UniqueId | None = None
    """An id of your own that makes it safe to send the line again."""
    config: GeneOverrides | None = Field(default=None, examples=[{"sort_symbols": False}])
    """Genes of the session that would observe it."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.events is None) == (self.observations is None):
            raise ValueError("must have either events or observations")
        if self.events is None and (self.emotives or self.metadata):
            raise ValueError("must have emotives and metadata inside its observations")
        return self

    def observed(self) -> list[Observation]:
        """What the session would observe."""
        if self.observations is not None:
            return [item.observation() for item in self.observations]
        found = [Observation(strings=tuple(event)) for event in self.events or ()]
        if not self.emotives and not self.metadata:
            return found
        metadata = {key: json_text.canonical(value) for key, value in self.metadata.items()}
        last = found.pop() if found else Observation()
        return [*found, Observation(last.strings, (), self.emotives, metadata)]


class LearnBody(Body):
    """Sequences to learn, each by itself."""

    sequences: Annotated[list[SkipValidation[LearnLine]], Field(max_length=MAX_LINES)]
    """Each has an outcome of its own."""

    def lines(self) -> list[Any]:
        """The sequences as JSON, which nobody has looked at."""
        return list(self.sequences)


@dataclass(frozen=True, slots=True)
class LearnQuery:
    """The query of a bulk learn, as its operation declares it."""

    answers: Literal["all", "errors"] = "all"
    unique_id: str | None = None
