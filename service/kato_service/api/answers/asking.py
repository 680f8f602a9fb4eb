"""What a request for predictions asks for, in its query or in its body (http-api.md §2)."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from kato_service.api.intake.calls import Call
from kato_service.api.intake.queries import AsDigits, AsFlag, AsNumber
from kato_service.api.shapes.requests import (
    MAX_FIELDS_CHARS,
    MAX_OFFSET,
    PredictionOptions,
    PredictionsBody,
    View,
)
from kato_service.api.shapes.selection import NEXT_PATTERN, PATTERN, Selection, next_parts
from kato_service.api.shapes.selection import selection as selection_of
from kato_service.findings import Part
from kato_service.search.matching import Details

_FIELDS = "Fields of the predictions, separated by commas, or `all`"


Limit = Annotated[
    int | None,
    Field(ge=1, le=10_000, description="Instead of the gene `max_predictions`."),
    AsDigits,
]
Threshold = Annotated[
    float | None,
    Field(ge=0, le=1, allow_inf_nan=False, description="Instead of the gene of this name."),
    AsNumber,
]
Fields = Annotated[
    str | None,
    Field(
        max_length=MAX_FIELDS_CHARS,
        description=f"{_FIELDS}.",
        examples=["name,potential,predictive_information"],
        json_schema_extra={"pattern": PATTERN},
    ),
]
FieldsOfView = Annotated[
    str | None,
    Field(
        max_length=MAX_FIELDS_CHARS,
        description=f"{_FIELDS}; with `view=next`, `events`, `symbols` and `stop`.",
        examples=["name,potential,predictive_information"],
        json_schema_extra={"pattern": f"{PATTERN}|{NEXT_PATTERN}"},
    ),
]
OfView = Annotated[
    View,
    Field(description="`predictions`, or `next` for what comes next: events and symbols."),
]
Offset = Annotated[
    int, Field(ge=0, le=MAX_OFFSET, description="How many of the best are passed over."), AsDigits
]
Explain = Annotated[
    bool,
    AsFlag,
    Field(description="Whether the answer tells how it came about, and what it leaves out."),
]
Labels = Annotated[
    bool,
    AsFlag,
    Field(description="Whether the answer has the labels of the vectors that it shows."),
]
OfObservation = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=256,
        description="The `unique_id` of the last observation, as a check: any other is refused.",
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request for predictions asks for."""

    selection: Selection
    limit: int | None = None
    """Instead of the gene `max_predictions`."""
    recall_threshold: float | None = None
    """Instead of the gene of this name."""
    offset: int = 0
    view: Literal["predictions", "next"] = "predictions"
    parts: frozenset[str] | None = None
    """Of what comes next; None: all."""
    explain: bool = False
    labels: bool = False
    """Whether to add the labels of vectors."""
    as_text: bool = False
    """Whether JSON that the engine writes will do: nobody looks at the predictions."""

    @property
    def details(self) -> Details:
        return replace(
            self.selection.details,
            next=self.view == "next",
            explain=self.explain,
            offset=self.offset,
            as_text=self.as_text,
        )


def usual(call: Call) -> Asked:
    """What is asked for where a request says nothing."""
    return Asked(selection_of(None, call.dialect))


def asked(call: Call, options: PredictionOptions, *place: Part) -> Asked:
    """What *options* ask for, which are at *place* of a request.

    Raises:
        InvalidInputError: A field is not known.
    """
    more = options if isinstance(options, PredictionsBody) else PredictionsBody()
    is_next = more.view == "next"
    fields = options.fields
    selection = selection_of(None if is_next else fields, call.dialect, *place, "fields")
    return Asked(
        selection,
        options.limit,
        options.recall_threshold,
        more.offset,
        more.view,
        next_parts(fields, *place, "fields") if is_next else None,
        more.explain,
        more.labels,
        as_text=selection.is_plain and not (is_next or more.explain or more.labels),
    )
