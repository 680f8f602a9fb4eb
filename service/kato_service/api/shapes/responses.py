"""The JSON of answers, for the OpenAPI documents alone; `rendering` writes it.

Answers are not validated against these models at run time; tests compare the two.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict

from kato_service.domain.genes import RankKey

_SESSION_ID = "k3J9vQ2mZt8yXw1LrB7dPA"
_NAME = "76d7efca2e96cb5eeddf4e06ac96a0f424630135"
_AT = "2026-01-31T12:00:00.000Z"
PREDICTION: JsonDict = {
    "type": "prototypical",
    "name": _NAME,
    "frequency": 1,
    "emotives": {},
    "matches": ["hello", "world"],
    "past": [],
    "present": [["hello"], ["world"]],
    "missing": [],
    "extras": [],
    "potential": 3.3,
    "evidence": 0.67,
    "similarity": 0.8,
    "fragmentation": 0.0,
    "snr": 1.0,
    "entropy": 0.92,
    "hamiltonian": 0.92,
    "grand_hamiltonian": 0.92,
    "confluence": 0.67,
    "sequence": [["hello"], ["world"], ["again"]],
    "future": [["again"]],
    "confidence": 1.0,
    "itfdf_similarity": 0.8,
    "pattern_name": f"PTRN|{_NAME}",
}


class Answer(BaseModel):
    """Fields are described by the text below them."""

    model_config = ConfigDict(use_attribute_docstrings=True)


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
    rank_sort_algo: RankKey = Field(examples=["potential"])
    """The field of a prediction by which predictions are ranked, the greatest value first."""
    single_symbol_predictions: bool = Field(examples=[False])
    """Whether a short-term memory of one symbol has predictions."""


class AnySession(Answer):
    """The fields of a session that all paths share."""

    session_id: str = Field(examples=[_SESSION_ID])
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
    session_id: str = Field(examples=[_SESSION_ID])


class Deleted(Answer):
    """A deleted session."""

    status: str = Field(examples=["deleted"])
    session_id: str = Field(examples=[_SESSION_ID])


class Extended(Answer):
    """The new lifetime of a session."""

    status: str = Field(examples=["extended"])
    session_id: str = Field(examples=[_SESSION_ID])
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
    session_id: str = Field(examples=[_SESSION_ID])
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
    session_id: str = Field(examples=[_SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    observations_processed: int = Field(examples=[2])
    results: list[ObservationResult]
    """Empty in the answer to a repeat."""
    auto_learned_patterns: list[str] = Field(examples=[[]])
    final_learned_pattern: str = Field(examples=[f"PTRN|{_NAME}"])
    """The pattern of `learn_at_end`; empty if nothing was learned."""
    stm_length: int = Field(examples=[0])
    time: int = Field(examples=[2])


class LearnResult(Repeatable):
    """What a learn did."""

    status: str = Field(examples=["learned"])
    """`learned`, or `insufficient_data`: a pattern needs at least two symbols."""
    pattern_name: str = Field(examples=[f"PTRN|{_NAME}"])
    """Empty if nothing was learned."""
    session_id: str = Field(examples=[_SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    frequency: int | None = Field(examples=[1])
    """Learns of the pattern so far; null if that cannot be told."""
    message: str = Field(examples=["pattern learned"])


class Cleared(Repeatable):
    """A clear that was applied."""

    status: str = Field(examples=["cleared"])
    session_id: str = Field(examples=[_SESSION_ID])


class ClearedAll(Cleared):
    """A clear of everything that was applied."""

    scope: str = Field(examples=["all"])


class Stm(Answer):
    """The short-term memory, oldest event first."""

    stm: list[list[str]] = Field(examples=[[["hello"], ["world"]]])
    session_id: str = Field(examples=[_SESSION_ID])
    length: int = Field(examples=[2])
    """Events."""


class AnyPrediction(Answer):
    """The fields of a prediction that all paths share."""

    type: str
    name: str
    """The pattern's name without `PTRN|`."""
    frequency: int
    emotives: dict[str, float]
    matches: list[str]
    past: list[list[str]]
    present: list[list[str]]
    potential: float
    evidence: float
    similarity: float
    fragmentation: float
    snr: float
    entropy: float
    confluence: float
    sequence: list[list[str]]
    """All events of the pattern."""
    future: list[list[str]]
    confidence: float
    itfdf_similarity: float
    pattern_name: str
    metadata: dict[str, list[Any]] = Field(default={})
    """Present only if the pattern has any."""


class Prediction(AnyPrediction):
    """A pattern that matches the short-term memory."""

    model_config = ConfigDict(json_schema_extra={"examples": [PREDICTION]})

    missing: list[str]
    """Symbols of the present that were not observed."""
    extras: list[str]
    """Symbols that were observed and are not in the pattern."""
    hamiltonian: float
    grand_hamiltonian: float


class LaterMetrics(Answer):
    """The fields that predictions on `/sessions` have in addition; elsewhere, `fields` asks for
    them."""

    normalized_entropy: float
    """Entropy of the present, relative to that of all symbols."""
    global_normalized_entropy: float
    """The same with the shares of all patterns that hold its symbols."""
    shannon_entropy: float
    """Entropy of the present, in bits."""
    predictive_information: float
    """How much the pattern tells about what comes next: 0 to 1."""
    tfidf_score: float
    """How rare the symbols of the present are among all patterns."""
    bayesian_prior: float
    """The pattern's share of the frequencies of all patterns that match."""
    bayesian_likelihood: float
    """Its similarity."""
    bayesian_posterior: float
    """Its share of what all patterns that match weigh: frequency times similarity."""
    anomalies: list[dict[str, Any]]
    """Always empty: symbols match exactly or not at all."""
    weighted_similarity: float | None = None
    """Always null, as are the next three: symbols have no weights."""
    weighted_evidence: float | None = None
    weighted_confidence: float | None = None
    weighted_snr: float | None = None


class _EveryField(Prediction, LaterMetrics):
    pass


def with_any_of(name: str, prediction: type[BaseModel]) -> type[BaseModel]:
    """A model called *name*, with any of the fields of *prediction*."""
    fields: dict[str, Any] = {
        each: (field.annotation, Field(default=None, description=field.description))
        for each, field in prediction.model_fields.items()
    }
    example = {"examples": prediction.model_config["json_schema_extra"]["examples"]}  # type: ignore[index]  # as all have
    about = "A pattern that matches the short-term memory: all usual fields, or those of `fields`."
    model: type[BaseModel] = create_model(name, __base__=Answer, __doc__=about, **fields)
    model.model_config["json_schema_extra"] = example
    model.model_rebuild(force=True)
    return model


SelectedPrediction = with_any_of("SelectedPrediction", _EveryField)


class FuturePotential(Answer):
    """What may come next."""

    future: list[list[str]] = Field(examples=[[["again"]]])
    aggregate_potential: float = Field(examples=[1.0])
    """Its share of the weight of everything that may."""
    supporting_patterns: int = Field(examples=[1])
    """Patterns that expect it."""
    total_weighted_frequency: float = Field(examples=[0.8])
    """The sum of their frequencies times similarities."""


class AnyPredictions(Answer):
    """The fields of an answer with predictions that all paths share."""

    session_id: str = Field(examples=[_SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    count: int = Field(examples=[1])
    time: int = Field(examples=[2])
    stm_length: int = Field(examples=[2])
    stale: bool = Field(examples=[False])
    """True if MongoDB could not be reached, so that newer learns may be missing."""
    future_potentials: list[FuturePotential] = Field(default=[])
    """What may come next, the most likely first, of all patterns that match; present on `/sessions`
    and where `fields` asks for it."""


class PredictionsResult(AnyPredictions):
    """Predictions, best first."""

    predictions: list[SelectedPrediction]  # type: ignore[valid-type]  # made at run time


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
    session_id: str = Field(examples=[_SESSION_ID])


class AnyCognition(Answer):
    """What a session has in mind, without its predictions."""

    emotives: dict[str, float] = Field(examples=[{}])
    """The mean of the emotives that wait for a learn."""
    symbols: list[str] = Field(examples=[["hello", "world"]])
    """The last event."""
    stm: list[list[str]] = Field(examples=[[["hello", "world"]]])
    metadata: dict[str, list[Any]] = Field(examples=[{}])
    """Metadata that waits for a learn."""


class Cognition(AnyCognition):
    """What a session has in mind."""

    predictions: list[Prediction]


class CognitionData(Answer):
    """What a session has in mind."""

    cognition_data: Cognition
    session_id: str = Field(examples=[_SESSION_ID])


class Pattern(Answer):
    """A learned pattern."""

    name: str = Field(examples=[f"PTRN|{_NAME}"])
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


class PatternDeleted(Answer):
    """A deleted pattern."""

    status: str = Field(examples=["deleted"])
    name: str = Field(examples=[f"PTRN|{_NAME}"])


class Vector(Answer):
    """A vector as it was sent."""

    symbol: str = Field(examples=["VCTR|3f2a"])
    vector: list[float] = Field(examples=[[0.1, 0.9]])
