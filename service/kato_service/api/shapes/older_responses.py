"""The JSON of answers on ``/v1`` and without a prefix, as far as it differs; see `responses`."""

from typing import Any

from pydantic import Field

from kato_service.api.shapes import prediction_responses, responses
from kato_service.api.shapes.responses import NAME, SESSION_ID, Answer

_NAME = f"PTRN|{NAME}"


class Older(Answer):
    """The fields that most answers of ``/v1`` share."""

    status: str = Field(examples=["okay"])
    processor_id: str = Field(examples=["kato"])


class OlderState(Older):
    """The state of the selected session."""

    session_id: str | None = Field(examples=[SESSION_ID])
    """Null while the default session does not exist."""
    time: int = Field(examples=[2])
    stm_length: int = Field(examples=[2])


class OlderStm(Older):
    """The short-term memory, oldest event first."""

    stm: list[list[str]] = Field(examples=[[["hello"], ["world"]]])
    session_id: str | None = Field(examples=[SESSION_ID])
    """Null while the default session does not exist."""
    length: int = Field(examples=[2])
    """Events."""


class OlderPredictions(prediction_responses.AnyPredictions):
    """Predictions, best first."""

    status: str = Field(examples=["okay"])
    session_id: str | None = Field(examples=[SESSION_ID])  # type: ignore[assignment]  # wider, and only described
    """Null while the default session does not exist."""
    predictions: list[prediction_responses.SelectedPrediction]  # type: ignore[valid-type]  # made at run time
    unique_id: str = ""
    """That of the request; missing if it named none."""


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
    final_predictions: list[prediction_responses.Prediction]
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

    cognition_data: prediction_responses.Cognition
