"""The outcome of a bulk learn, for the OpenAPI documents; `api/bulk/outcomes.py` writes it."""

from typing import Any, Literal

from pydantic import Field

from kato_service.api.shapes.responses import NAME, Answer


class LineError(Answer):
    """Why a line was not learned."""

    code: str
    """Names the kind of error; programs decide by it."""
    message: str
    """For people: what happened, why, and what to do."""
    retryable: bool
    """Whether the same line may succeed later."""
    details: list[dict[str, Any]]
    """Up to 20 findings, such as the place and the reason of each wrong value."""


class LineOutcome(Answer):
    """What became of a line. Fields that say nothing are left out."""

    line: int = Field(examples=[1])
    """Its number in the request, from 1; blank lines count."""
    status: Literal["learned", "insufficient_data", "error"] = Field(examples=["learned"])
    """`insufficient_data`: a pattern needs at least two symbols."""
    pattern_name: str | None = Field(default=None, examples=[f"PTRN|{NAME}"])
    """What the line learned; null if that cannot be told of a repeat. Absent if it learned
    nothing."""
    frequency: int | None = Field(default=None, examples=[1])
    """Learns of the pattern, right after this one; null if that cannot be told of a repeat."""
    unique_id: str | None = Field(default=None, examples=["visit-1"])
    """The id that the line was sent with."""
    repeated: bool | None = Field(default=None, examples=[None])
    """True if the line was learned before, and nothing changed now."""
    auto_learned_patterns: list[str] | None = Field(default=None, examples=[None])
    """What was learned on the way, where a gene says that a session learns automatically."""
    stm_truncated: bool | None = Field(default=None, examples=[None])
    """True if the oldest events or emotive maps did not fit and were dropped."""
    error: LineError | None = Field(default=None, examples=[None])
    """Why the line was not learned."""


class LearnSummary(Answer):
    """What became of all lines."""

    lines: int = Field(examples=[1])
    """Lines that have an outcome."""
    learned: int = Field(examples=[1])
    """Of these, those that were learned now."""
    repeated: int = Field(examples=[0])
    """Those that were learned before."""
    insufficient_data: int = Field(examples=[0])
    """Those with less than two symbols."""
    errors: int = Field(examples=[0])
    """Those that were not learned."""
    durable_through: int = Field(examples=[1])
    """Up to this line, nothing has to be sent again: each is durable, or was refused for good."""
    complete: bool = Field(examples=[True])
    """Whether every line of the request has an outcome."""
    error: LineError | None = Field(examples=[None])
    """Why the request ended before its last line; null if it did not."""


class LearnAnswer(Answer):
    """What became of each line, and of all."""

    results: list[LineOutcome]
    summary: LearnSummary
