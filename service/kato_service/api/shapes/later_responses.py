"""The JSON of answers on ``/sessions``, as far as it differs; see `responses`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict

from kato_service.api.shapes import prediction_responses, responses
from kato_service.api.shapes.other_genes import DEFAULTS, OTHER_GENE, OtherGenes
from kato_service.api.shapes.responses import NAME, SESSION_ID, Answer

_LATER: JsonDict = {
    "missing": [[], []],
    "extras": [[], []],
    "normalized_entropy": 0.92,
    "global_normalized_entropy": 0.0,
    "shannon_entropy": 1.0,
    "predictive_information": 0.8,
    "tfidf_score": 0.5,
    "bayesian_prior": 1.0,
    "bayesian_likelihood": 0.8,
    "bayesian_posterior": 1.0,
    "anomalies": [],
    "weighted_similarity": None,
    "weighted_evidence": None,
    "weighted_confidence": None,
    "weighted_snr": None,
}
_PREDICTION: JsonDict = {
    name: value
    for name, value in (prediction_responses.PREDICTION | _LATER).items()
    if name not in ("hamiltonian", "grand_hamiltonian")
}
_NAME = f"PTRN|{NAME}"


class OfNode(Answer):
    """The fields by which an answer names its session."""

    session_id: str = Field(examples=[SESSION_ID])
    node_id: str | None = Field(examples=["alice"])
    """The user; null if the session shares the knowledge of the instance."""


LaterGenes = create_model(
    "LaterGenes",
    __base__=responses.Genes,
    __doc__="All genes: those in effect, and those of other versions.",
    **{
        name: (field.annotation, Field(examples=[DEFAULTS[name]], description=OTHER_GENE))
        for name, field in OtherGenes.model_fields.items()
    },
)  # type: ignore[call-overload]  # the fields are known at run time only


class LaterSession(responses.AnySession):
    """A session."""

    node_id: str | None = Field(examples=["alice"])
    """The user; null if the session shares the knowledge of the instance."""
    user_id: str | None = Field(examples=["alice"])
    """The same."""
    processor_id: str = Field(examples=["alice"])
    """The user, if there is one; else the knowledge base."""
    ttl_seconds: int | None = Field(examples=[3600])
    """Seconds that the session has left."""
    config: LaterGenes
    session_config: LaterGenes
    """The same as `config`."""
    expired: bool = Field(examples=[False])
    """Always false: an expired session is not found."""


class LaterSessionCreated(LaterSession):
    """A new session."""

    ignored: list[str] = Field(default=[])
    """Genes of the request that have no effect here; present only if there are any."""


class Reached(Answer):
    """The answer to a request that only asks for one."""

    test_id: str = Field(examples=["1"])
    """As in the path."""
    message: str = Field(examples=["the request reached the operations on sessions"])


class LaterSessions(Answer):
    """A page of sessions, in the order of their creation."""

    sessions: list[LaterSession]
    next_cursor: str | None = Field(examples=[None])
    """Continues the list; null at its end."""


class LaterExists(responses.Exists):
    """Whether there is such a session."""

    expired: bool = Field(examples=[False])
    """Always false: an expired session does not exist."""


class LaterConfig(Answer):
    """All genes: those in effect, and those of other versions."""

    session_id: str = Field(examples=[SESSION_ID])
    config: LaterGenes


class LaterConfigured(LaterConfig):
    """Changed genes."""

    status: str = Field(examples=["okay"])
    message: str = Field(examples=["session configuration updated"])
    ignored: list[str] = Field(default=[])
    """Genes of the request that have no effect here; present only if there are any."""


class LaterItemResult(responses.ObservationResult):
    """An applied observation of a sequence."""

    sequence_position: int = Field(examples=[0])
    """Of the item among those of the request, from 0."""


class LaterSequence(responses.Repeatable):
    """An applied sequence."""

    status: str = Field(examples=["completed"])
    session_id: str = Field(examples=[SESSION_ID])
    processor_id: str = Field(examples=["alice"])
    observations_processed: int = Field(examples=[2])
    initial_stm_length: int | None = Field(examples=[0])
    """Events before the first observation; null if an earlier request applied that one."""
    final_stm_length: int = Field(examples=[0])
    """Events after the last observation and its learn."""
    results: list[LaterItemResult]
    """Empty in the answer to a repeat."""
    auto_learned_patterns: list[str] = Field(examples=[[f"{_NAME}"]])
    """All patterns that the sequence learned, in order; that of `learn_at_end` is the last."""
    final_learned_pattern: str | None = Field(examples=[_NAME])
    """The pattern of `learn_at_end`; null if nothing was learned."""
    isolated: bool = Field(examples=[False])
    """Whether the short-term memory was emptied between the observations."""
    stm_length: int = Field(examples=[0])
    """The same as `final_stm_length`."""
    time: int = Field(examples=[2])


class NestedPrediction(prediction_responses.AnyPrediction, prediction_responses.LaterMetrics):
    """A pattern that matches the short-term memory, with `missing` and `extras` by event."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PREDICTION]})

    missing: list[list[str]]
    """For each event of the present, its symbols that were not observed."""
    extras: list[list[str]]
    """For each event of the short-term memory, its symbols that are not in the pattern."""


SelectedNestedPrediction = prediction_responses.with_any_of(
    "SelectedNestedPrediction", NestedPrediction
)


class LaterPredictions(prediction_responses.AnyPredictions):
    """Predictions, best first."""

    predictions: list[SelectedNestedPrediction]  # type: ignore[valid-type]  # made at run time
    unique_id: str | None = None
    """That of the request; null if it named none."""


class LaterPercept(responses.Percept):
    """An observation; its strings are sorted if its session sorts symbols."""

    path: list[str] = Field(examples=[[]])
    """Always empty."""


class LaterPerceptData(OfNode):
    """The last observation of a session; empty if there was none."""

    percept_data: LaterPercept


class LaterCognition(Answer):
    """What a session has in mind."""

    predictions: list[NestedPrediction]
    emotives: dict[str, float] = Field(examples=[{}])
    """The last of the emotives that wait for a learn."""
    symbols: list[str] = Field(examples=[["hello", "world"]])
    """All symbols of the short-term memory, in order."""
    command: str = Field(examples=[""])
    """Always empty."""
    metadata: dict[str, list[Any]] = Field(examples=[{}])
    """Metadata that waits for a learn."""
    path: list[str] = Field(examples=[[]])
    """Always empty."""
    strings: list[str] = Field(examples=[["hello", "world"]])
    """Those of the last observation."""
    vectors: list[list[float]] = Field(examples=[[]])
    """Those of the last observation."""
    short_term_memory: list[list[str]] = Field(examples=[[["hello", "world"]]])
    stm: list[list[str]] = Field(examples=[[["hello", "world"]]])
    """The same."""
    time: int = Field(examples=[1])
    """Observations so far."""


class LaterCognitionData(OfNode):
    """What a session has in mind."""

    cognition_data: LaterCognition


class Finalized(OfNode):
    """A training that needs nothing to be finalized."""

    status: str = Field(examples=["completed"])
    patterns_processed: int = Field(examples=[12])
    """Patterns of the knowledge base."""
    time_ms: float = Field(examples=[0.4])
    message: str = Field(
        examples=["nothing to do: predictions always use the statistics of all patterns"]
    )


LATER: Mapping[type[BaseModel], type[BaseModel]] = {
    responses.Session: LaterSession,
    responses.SessionCreated: LaterSessionCreated,
    responses.Sessions: LaterSessions,
}
"""Answers under ``/sessions`` of operations that both paths share."""
