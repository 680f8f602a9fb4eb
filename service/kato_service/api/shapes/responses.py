"""The JSON of answers, for the OpenAPI documents alone; `rendering` writes it.

Answers are not validated against these models at run time; tests compare the two.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from kato_service.domain.genes import RankKey
from kato_service.models.described import DescribedFields

SESSION_ID = "k3J9vQ2mZt8yXw1LrB7dPA"
NAME = "76d7efca2e96cb5eeddf4e06ac96a0f424630135"
_AT = "2026-01-31T12:00:00.000Z"


class Answer(DescribedFields):
    """A JSON object that the service sends."""

    model_config = ConfigDict(defer_build=True)  # only documents need its schema


class Error(Answer):
    """What happened, why, and what to do."""

    code: str
    """Names the kind of error; programs decide by it."""
    message: str
    """For people: what happened, why, and what to do."""
    retryable: bool
    """Whether the same request may succeed later."""
    request_id: str
    """Finds the request in the service's log."""
    details: list[dict[str, Any]]
    """Up to 20 findings, such as the place and the reason of each wrong value."""


class Refusal(Answer):
    """The envelope of every error."""

    error: Error
    detail: str
    """The message again, for older clients."""


class Genes(Answer):
    """All genes in effect."""

    recall_threshold: float = Field(examples=[0.1])
    """Similarity that a prediction must reach."""
    max_predictions: int = Field(examples=[100])
    """Predictions in one answer, at most."""
    persistence: int = Field(examples=[5])
    """Learns of a pattern whose emotives it keeps."""
    max_pattern_length: int = Field(examples=[0])
    """Events after which the short-term memory is learned automatically; 0: never."""
    stm_mode: Literal["KEEP_LAST", "CLEAR", "ROLLING"] = Field(examples=["KEEP_LAST"])
    """What an automatic learn leaves in the short-term memory: its last event, nothing, or all but
    its oldest event."""
    sort_symbols: bool = Field(examples=[True])
    """Whether the symbols of an event are sorted."""
    vector_neighbors: int = Field(examples=[3])
    """Nearest known vectors whose symbols join that of an observed one."""
    vector_min_score: float = Field(examples=[0.9])
    """Cosine similarity that such a neighbour must reach."""
    vector_absorb_similarity: float = Field(examples=[0.0])
    """Cosine similarity from which a new vector becomes the stored one nearest to it; 0: never."""
    rank_sort_algo: RankKey = Field(examples=["potential"])
    """The field of a prediction by which predictions are ranked, the greatest value first."""
    single_symbol_predictions: bool = Field(examples=[False])
    """Whether a short-term memory of one symbol has predictions."""
    fuzzy_token_threshold: float = Field(examples=[0.0])
    """How alike two symbols have to be spelled to match; 0: only equal ones match."""
    affinity_emotive: str | None = Field(examples=[None])
    """The emotive by which symbols are weighed; null: all count alike."""


class AnySession(Answer):
    """The fields of a session that all paths share."""

    session_id: str = Field(examples=[SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    """Names the knowledge base."""
    created_at: str = Field(examples=[_AT])
    last_accessed: str = Field(examples=[_AT])
    expires_at: str | None = Field(examples=[_AT])
    """Null if it never expires."""
    ttl_seconds: int | None = Field(examples=[3600])
    access_count: int = Field(examples=[3])
    """Requests that changed the session."""
    stm_length: int = Field(examples=[2])
    """Events in the short-term memory."""
    time: int = Field(examples=[2])
    """Observations so far."""
    metadata: dict[str, Any] = Field(examples=[{"purpose": "demo"}])
    config: Genes


class Session(AnySession):
    """A session."""

    user_id: str | None = Field(examples=["alice"])
    """Null if the session shares the knowledge of the instance."""


class SessionCreated(Session):
    """A new session."""

    ignored: list[str] = Field(default=[])
    """Genes of the request that have no effect here; present only if there are any."""


class Sessions(Answer):
    """A page of sessions, in the order of their creation."""

    sessions: list[Session]
    next_cursor: str | None = Field(examples=[None])
    """Continues the list; null at its end."""


class Count(Answer):
    """How many sessions there are."""

    active_session_count: int = Field(examples=[12])


class Exists(Answer):
    """Whether there is such a session."""

    exists: bool = Field(examples=[True])
    session_id: str = Field(examples=[SESSION_ID])


class Deleted(Answer):
    """A deleted session."""

    status: str = Field(examples=["deleted"])
    session_id: str = Field(examples=[SESSION_ID])


class Extended(Answer):
    """The new lifetime of a session."""

    status: str = Field(examples=["extended"])
    session_id: str = Field(examples=[SESSION_ID])
    ttl_seconds: int | None = Field(examples=[3600])
    expires_at: str | None = Field(examples=[_AT])


class Repeatable(Answer):
    """The answer to a request that may carry a `unique_id`."""

    unique_id: str = Field(examples=["9b1c"])
    """That of the request, or a generated one."""
    repeated: bool = True
    """Present, and true, only if the request was applied before."""


class ObservationResult(Repeatable):
    """An applied observation."""

    status: str = Field(examples=["ok"])
    session_id: str = Field(examples=[SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    stm_length: int = Field(examples=[1])
    """Events in the short-term memory."""
    time: int = Field(examples=[1])
    """Observations so far."""
    auto_learned_pattern: str | None = Field(examples=[None])
    """The pattern that this observation made the session learn."""
    symbols: list[str] = Field(examples=[["hello", "world"]])
    """The event as it was stored; empty in the answer to a repeat."""
    stm_truncated: bool = Field(examples=[False])
    """True if the oldest events, or emotives that waited for a learn, had to make room."""


class SequenceResult(Repeatable):
    """An applied sequence."""

    status: str = Field(examples=["ok"])
    session_id: str = Field(examples=[SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    observations_processed: int = Field(examples=[2])
    results: list[ObservationResult]
    """Empty in the answer to a repeat."""
    auto_learned_patterns: list[str] = Field(examples=[[]])
    final_learned_pattern: str = Field(examples=[f"PTRN|{NAME}"])
    """The pattern of `learn_at_end`; empty if nothing was learned."""
    stm_length: int = Field(examples=[0])
    time: int = Field(examples=[2])


class LearnResult(Repeatable):
    """What a learn did."""

    status: str = Field(examples=["learned"])
    """`learned`, or `insufficient_data`: a pattern needs at least two symbols."""
    pattern_name: str = Field(examples=[f"PTRN|{NAME}"])
    """Empty if nothing was learned."""
    session_id: str = Field(examples=[SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    frequency: int | None = Field(examples=[1])
    """Learns of the pattern so far; null if that cannot be told."""
    message: str = Field(examples=["pattern learned"])


class Cleared(Repeatable):
    """A clear that was applied."""

    status: str = Field(examples=["cleared"])
    session_id: str = Field(examples=[SESSION_ID])


class ClearedAll(Cleared):
    """A clear of everything that was applied."""

    scope: str = Field(examples=["all"])


class Stm(Answer):
    """The short-term memory, oldest event first."""

    stm: list[list[str]] = Field(examples=[[["hello"], ["world"]]])
    session_id: str = Field(examples=[SESSION_ID])
    length: int = Field(examples=[2])
    """Events."""


class Config(Answer):
    """All genes in effect."""

    config: Genes


class ConfigChanged(Config):
    """All genes in effect."""

    ignored: list[str] = Field(default=[])
    """Genes of the request that have no effect here; present only if there are any."""


class Percept(Answer):
    """An observation as it was sent."""

    strings: list[str] = Field(examples=[["hello", "world"]])
    vectors: list[list[float]] = Field(examples=[[]])
    emotives: dict[str, float] = Field(examples=[{}])
    metadata: dict[str, Any] = Field(examples=[{}])


class PerceptData(Answer):
    """The last observation of a session; empty if there was none."""

    percept_data: Percept
    session_id: str = Field(examples=[SESSION_ID])


class Pattern(Answer):
    """A learned pattern."""

    name: str = Field(examples=[f"PTRN|{NAME}"])
    pattern_data: list[list[str]] = Field(examples=[[["hello"], ["world"]]])
    """Its events."""
    length: int = Field(examples=[2])
    """Symbols."""
    frequency: int = Field(examples=[1])
    """How often it was learned."""
    emotives: list[dict[str, float]] = Field(examples=[[]])
    """One map per learn, the latest `persistence` of them."""
    metadata: dict[str, list[Any]] = Field(examples=[{}])


class Patterns(Answer):
    """A page of patterns, in the order of their first learn."""

    patterns: list[Pattern]
    next_cursor: str | None = Field(examples=[None])
    """Continues the list; null at its end."""


_LINE = (
    f'{{"name":"{NAME}","events":[["hello"],["world"]],"frequency":1,"learns":1,"emotives":[],'
    '"metadata":{}}'
)


class PatternDeleted(Answer):
    """A deleted pattern."""

    status: str = Field(examples=["deleted"])
    name: str = Field(examples=[f"PTRN|{NAME}"])
    undo: str | None = Field(examples=[_LINE])
    """The pattern as it was, as a line that an import of knowledge takes as it is, to put it back;
    null in the rare case that it is no longer known."""


class Vector(Answer):
    """A vector as it was sent."""

    symbol: str = Field(examples=["VCTR|3f2a"])
    vector: list[float] = Field(examples=[[0.1, 0.9]])


class VectorFacts(Answer):
    """The vectors of a knowledge base."""

    session_id: str | None = Field(examples=[SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    """Names the knowledge base."""
    dimension: int | None = Field(examples=[2])
    """Components of each vector, as the first one since the last `clear-all` had them; null: there
    are none, and the next one decides."""
    count: int = Field(examples=[3])
    """Vectors that are stored."""


class NearVector(Answer):
    """A stored vector that is near the one searched for."""

    symbol: str = Field(examples=["VCTR|3f2a"])
    label: str | None = Field(examples=["cat"])
    score: float = Field(examples=[0.99])
    """The cosine similarity of both, at 12 decimals."""


class NearestVectors(Answer):
    """The stored vectors nearest to one, best first, equal ones by symbol."""

    vectors: list[NearVector]
    session_id: str | None = Field(examples=[SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    """Names the knowledge base."""
    count: int = Field(examples=[1])
    """Vectors in the answer."""
