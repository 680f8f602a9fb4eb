"""The JSON of answers on the older paths, as far as it differs; see `responses`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict

from kato_service.api.shapes import responses
from kato_service.api.shapes.other_genes import DEFAULTS, OTHER_GENE, OtherGenes
from kato_service.api.shapes.responses import Answer

_SESSION_ID = "k3J9vQ2mZt8yXw1LrB7dPA"
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
    for name, value in (responses.PREDICTION | _LATER).items()
    if name not in ("hamiltonian", "grand_hamiltonian")
}
_NAME = "PTRN|76d7efca2e96cb5eeddf4e06ac96a0f424630135"


class LaterSession(responses.AnySession):
    """A session, with its user as `node_id`."""

    node_id: str | None = Field(examples=["alice"])
    """Null if the session shares the knowledge of the instance."""


class LaterSessionCreated(LaterSession):
    """A new session, with its user as `node_id`."""

    ignored: list[str] = Field(default=[])
    """Genes of the request that have no effect here; present only if there are any."""


class LaterSessions(Answer):
    """A page of sessions, in the order of their creation."""

    sessions: list[LaterSession]
    next_cursor: str | None = Field(examples=[None])
    """Continues the list; null at its end."""


class NestedPrediction(responses.AnyPrediction, responses.LaterMetrics):
    """A pattern that matches the short-term memory, with `missing` and `extras` by event."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PREDICTION]})

    missing: list[list[str]]
    """For each event of the present, its symbols that were not observed."""
    extras: list[list[str]]
    """For each event of the short-term memory, its symbols that are not in the pattern."""


SelectedNestedPrediction = responses.with_any_of("SelectedNestedPrediction", NestedPrediction)


class LaterPredictions(responses.AnyPredictions):
    """Predictions, best first."""

    predictions: list[SelectedNestedPrediction]  # type: ignore[valid-type]  # made at run time


class LaterCognition(responses.AnyCognition):
    """What a session has in mind."""

    predictions: list[NestedPrediction]


class LaterCognitionData(Answer):
    """What a session has in mind."""

    cognition_data: LaterCognition
    session_id: str = Field(examples=[_SESSION_ID])


LaterGenes = create_model(
    "LaterGenes",
    __base__=responses.Genes,
    __doc__="All genes: those in effect, and those of other versions.",
    **{
        name: (field.annotation, Field(examples=[DEFAULTS[name]], description=OTHER_GENE))
        for name, field in OtherGenes.model_fields.items()
    },
)  # type: ignore[call-overload]  # the fields are known at run time only


class LaterConfig(Answer):
    """All genes: those in effect, and those of other versions."""

    config: LaterGenes


class LaterConfigChanged(LaterConfig):
    """All genes: those in effect, and those of other versions."""

    ignored: list[str] = Field(default=[])
    """Genes of the request that have no effect here; present only if there are any."""


LATER: Mapping[type[BaseModel], type[BaseModel]] = {
    responses.Session: LaterSession,
    responses.SessionCreated: LaterSessionCreated,
    responses.Sessions: LaterSessions,
    responses.Config: LaterConfig,
    responses.ConfigChanged: LaterConfigChanged,
    responses.PredictionsResult: LaterPredictions,
    responses.CognitionData: LaterCognitionData,
}
"""Answers under ``/sessions`` that differ from those under ``/v2/sessions``."""


class Older(Answer):
    """The fields that most answers of ``/v1`` share."""

    status: str = Field(examples=["okay"])
    processor_id: str = Field(examples=["kato"])


class OlderState(Older):
    """The state of the selected session."""

    session_id: str | None = Field(examples=[_SESSION_ID])
    """Null while the default session does not exist."""
    time: int = Field(examples=[2])
    stm_length: int = Field(examples=[2])


class OlderStm(Older):
    """The short-term memory, oldest event first."""

    stm: list[list[str]] = Field(examples=[[["hello"], ["world"]]])
    session_id: str | None = Field(examples=[_SESSION_ID])
    """Null while the default session does not exist."""
    length: int = Field(examples=[2])
    """Events."""


class OlderPredictions(responses.AnyPredictions):
    """Predictions, best first."""

    status: str = Field(examples=["okay"])
    session_id: str | None = Field(examples=[_SESSION_ID])  # type: ignore[assignment]  # wider, and only described
    """Null while the default session does not exist."""
    predictions: list[responses.SelectedPrediction]  # type: ignore[valid-type]  # made at run time


class OlderCleared(OlderState):
    """A clear that was applied."""

    message: str = Field(examples=["stm-cleared"])
    unique_id: str = Field(examples=["9b1c"])
    """That of the request, or a generated one."""
    repeated: bool = True
    """Present, and true, only if the request was applied before."""


class OlderSequence(Older):
    """An applied sequence."""

    observations_processed: int = Field(examples=[2])
    patterns_learned: list[str] = Field(examples=[[_NAME]])
    individual_results: list[responses.ObservationResult]
    final_predictions: list[responses.Prediction]
    """Empty if they could not be computed."""
    unique_id: str = Field(examples=["9b1c"])
    """That of the request, or a generated one."""
    repeated: bool = True
    """Present, and true, only if the request was applied before."""


class OlderGenesUpdated(OlderState):
    """Changed genes."""

    message: str = Field(examples=["genes-updated"])
    ignored: list[str] = Field(default=[])
    """Genes of the request that have no effect here; present only if there are any."""


class OlderGene(Older):
    """A gene."""

    gene: str = Field(examples=["recall_threshold"])
    value: Any = Field(examples=[0.1])
    """A number, a word, a boolean or a list, depending on the gene."""
    ignored: list[str] = Field(default=[])
    """The gene, if it has no effect here; else the field is missing."""


class OlderPattern(Older):
    """A learned pattern."""

    pattern: responses.Pattern


class OlderPerceptData(Older):
    """The last observation of the session; empty if there was none."""

    percept_data: responses.Percept


class OlderCognitionData(Older):
    """What the session has in mind."""

    cognition_data: responses.Cognition
