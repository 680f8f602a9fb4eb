"""The JSON of answers with predictions, for the OpenAPI documents alone, as in `responses`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict

from kato_service.api.shapes.responses import NAME, SESSION_ID, Answer

PREDICTION: JsonDict = {
    "type": "prototypical",
    "name": NAME,
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
    "pattern_name": f"PTRN|{NAME}",
}


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


class Anomaly(Answer):
    """An observed symbol that matched one with another spelling."""

    observed: str = Field(examples=["bannana"])
    expected: str = Field(examples=["banana"])
    """As the pattern spells it."""
    similarity: float = Field(examples=[0.9230769230769231])
    """How alike both are: at least `fuzzy_token_threshold`, below 1."""


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
    anomalies: list[Anomaly]
    """Matches of symbols that are spelled differently, in the order of the short-term memory; empty
    unless `fuzzy_token_threshold` lets symbols match that are only alike."""
    weighted_similarity: float | None = None
    """The similarity of weighed symbols; null without the gene `affinity_emotive`, as are the next
    three."""
    weighted_evidence: float | None = None
    """How much of the pattern's weight matches."""
    weighted_confidence: float | None = None
    """How much of the weight of the present matches."""
    weighted_snr: float | None = None
    """How much of the weight of the short-term memory matches."""


class _EveryField(Prediction, LaterMetrics):
    pass


def with_any_of(name: str, prediction: type[BaseModel]) -> type[BaseModel]:
    """A model called *name*, with any of the fields of *prediction*."""
    fields: dict[str, Any] = {
        each: (field.annotation, Field(default=None, description=field.description))
        for each, field in prediction.model_fields.items()
    }
    about = "A pattern that matches the short-term memory: all usual fields, or those of `fields`."
    model: type[BaseModel] = create_model(name, __base__=prediction, __doc__=about, **fields)
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

    session_id: str = Field(examples=[SESSION_ID])
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
    session_id: str = Field(examples=[SESSION_ID])
