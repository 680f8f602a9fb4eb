"""The JSON of answers with predictions, for the OpenAPI documents alone, as in `responses`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict

from kato_service.api.shapes.responses import NAME, SESSION_ID, Answer, Error

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


class Position(Answer):
    """A symbol: the number of its event, and its own inside it, both from 0."""

    event: int = Field(examples=[0])
    symbol: int = Field(examples=[0])


class MatchedBlock(Answer):
    """Symbols that follow each other in the pattern and in the short-term memory alike."""

    pattern: Position
    """Where it starts in the pattern."""
    stm: Position
    """Where it starts in the short-term memory, whose oldest event is 0."""
    size: int = Field(examples=[2])
    """Symbols; they may continue in the events after."""
    symbols: list[str] = Field(examples=[["hello", "world"]])
    """As they were observed."""


class Factors(Answer):
    """What `match` is made of; weighted with the gene `affinity_emotive`."""

    evidence: float = Field(examples=[0.67])
    confidence: float = Field(examples=[1.0])
    snr: float = Field(examples=[1.0])


class Terms(Answer):
    """What the potential is the sum of."""

    match: float = Field(examples=[1.67])
    """(evidence + confidence) · snr."""
    itfdf_similarity: float = Field(examples=[0.8])
    fragmentation: float = Field(examples=[1.0])
    """1 / number of blocks; 0 without any."""


class PredictionExplanation(Answer):
    """How a prediction came about."""

    blocks: list[MatchedBlock]
    factors: Factors
    terms: Terms
    potential: float = Field(examples=[3.47])
    """The sum of the terms, rounded to 12 decimals."""


class _AnyField(_EveryField):
    explanation: PredictionExplanation
    """How it came about; present with `explain`."""


ExplainedPrediction = with_any_of("ExplainedPrediction", _AnyField)


class LeftOut(Answer):
    """What is not listed, by the reason: patterns; before the offset and beyond the limit,
    predictions, or events with `view=next`."""

    no_shared_symbol: int = Field(examples=[12])
    below_threshold: int = Field(examples=[3])
    not_in_first_event: int = Field(examples=[0])
    before_offset: int = Field(examples=[0])
    beyond_limit: int = Field(examples=[0])


class NearestPattern(Answer):
    """The most similar pattern below the threshold."""

    pattern_name: str = Field(examples=[f"PTRN|{NAME}"])
    similarity: float = Field(examples=[0.08])


class WhyNot(Answer):
    """Why the answer does not hold more."""

    code: str = Field(examples=["below_threshold"])
    """Names the reason, for programs."""
    message: str
    """For people."""


class Explanation(Answer):
    """What the answer is made of, and what it leaves out: exact numbers."""

    patterns: int = Field(examples=[16])
    """All patterns of the knowledge base."""
    compared: int = Field(examples=[16])
    """Those that were looked at: all, or none if the short-term memory is too short."""
    sharing: int = Field(examples=[4])
    """Those with a symbol in common with the short-term memory."""
    kept: int = Field(examples=[1])
    """Those that are similar enough."""
    recall_threshold: float = Field(examples=[0.1])
    offset: int = Field(examples=[0])
    limit: int = Field(examples=[100])
    left_out: LeftOut
    nearest_below_threshold: NearestPattern | None
    """Null if no pattern with a common symbol is below the threshold."""
    reasons: list[WhyNot]
    """Never empty if the answer is."""


class Stop(Answer):
    """That nothing comes next: what was learned ends with what was observed."""

    weight: float = Field(examples=[0.4])
    """Its share of the weight of all patterns that match: 0 to 1. Those of all events and of the
    stop add up to 1."""
    patterns: int = Field(examples=[1])
    """How many patterns are behind it."""
    pattern_names: list[str] = Field(examples=[[f"PTRN|{NAME}"]])
    """Up to ten of them, those that weigh most first."""


class NextEvent(Stop):
    """An event that may come next."""

    event: list[str] = Field(examples=[["again"]])


class NextSymbol(Stop):
    """A symbol that may be in the next event; it weighs what the events that hold it weigh."""

    symbol: str = Field(examples=["again"])


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


class PredictionsFound(Answer):
    """What predictions have in common, with a session and without."""

    predictions: list[ExplainedPrediction] = Field(default=[])  # type: ignore[valid-type]  # made at run time
    """Best first. Not present with `view=next`, where the next five fields are."""
    events: list[NextEvent] = Field(default=[])
    """What may come next, the greatest weight first."""
    symbols: list[NextSymbol] = Field(default=[])
    """The symbols of all events that may come next, the greatest weight first."""
    stop: Stop | None = None
    event_count: int | None = Field(default=None, examples=[1])
    """How many different events may come next."""
    symbol_count: int | None = Field(default=None, examples=[1])
    """How many different symbols they have."""
    total: int = Field(examples=[1])
    """All predictions, or events that may come next, listed or not."""
    explanation: Explanation | None = None
    """What the answer is made of; present with `explain`."""
    labels: dict[str, str] = Field(default={}, examples=[{"VCTR|3f2a": "cat"}])
    """What people call the vectors that the answer shows, by symbol: those that have a label, of
    10000 different vectors at most. Present with `labels`."""


class PredictionsResult(AnyPredictions, PredictionsFound):
    """Predictions, best first, or what comes next."""


class Predicted(PredictionsFound):
    """Predictions without a session, or what comes next."""

    processor_id: str = Field(examples=["kato"])
    """Names the knowledge base."""
    count: int = Field(examples=[1])
    stm_length: int = Field(examples=[2])
    """Events that were predicted from."""
    stm_truncated: bool = Field(examples=[False])
    """True if the oldest events had to make room, as in a session."""
    stale: bool = Field(examples=[False])
    """True if MongoDB could not be reached, so that newer learns may be missing."""
    future_potentials: list[FuturePotential] = Field(default=[])
    """Present where `fields` asks for it."""
    ignored: list[str] = Field(default=[])
    """Genes of the request that have no effect here; present only if there are any."""


class BatchResult(Answer):
    """Predictions of one item, as `predict` gives them, or why there are none."""

    result: Predicted | None = None
    error: Error | None = None


class PredictedBatch(Answer):
    """The answers to the items, in their order."""

    results: list[BatchResult]
    count: int = Field(examples=[1])
    """Items."""
    failed: int = Field(examples=[0])
    """Those with an error."""


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
