"""The JSON of answers, for the OpenAPI document alone; `rendering` writes it.

Answers are not validated against these models at run time; a test compares the two.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_SESSION_ID = "k3J9vQ2mZt8yXw1LrB7dPA"
_NAME = "76d7efca2e96cb5eeddf4e06ac96a0f424630135"
_AT = "2026-01-31T12:00:00.000Z"


class Error(BaseModel):
    code: str
    message: str
    retryable: bool
    request_id: str
    details: list[dict[str, Any]]


class Refusal(BaseModel):
    """The envelope of every error; `detail` repeats the message for older clients."""

    error: Error
    detail: str


class Session(BaseModel):
    session_id: str = Field(examples=[_SESSION_ID])
    user_id: str | None = Field(default=None, examples=["alice"])
    node_id: str | None = Field(default=None, description="`user_id` as later clients spell it.")
    processor_id: str = Field(examples=["kato"], description="Names the knowledge base.")
    created_at: str = Field(examples=[_AT])
    last_accessed: str = Field(examples=[_AT])
    expires_at: str | None = Field(examples=[_AT])
    ttl_seconds: int | None = Field(examples=[3600])
    access_count: int = Field(examples=[3], description="Requests that changed the session.")
    stm_length: int = Field(examples=[2], description="Events.")
    time: int = Field(examples=[2])
    metadata: dict[str, Any] = Field(examples=[{"purpose": "demo"}])
    config: dict[str, Any] = Field(examples=[{"recall_threshold": 0.1, "max_predictions": 100}])


class Sessions(BaseModel):
    sessions: list[Session]
    next_cursor: str | None = Field(examples=[None])


class Count(BaseModel):
    active_session_count: int = Field(examples=[12])


class Exists(BaseModel):
    exists: bool = Field(examples=[True])
    session_id: str = Field(examples=[_SESSION_ID])


class Deleted(BaseModel):
    status: str = Field(examples=["deleted"])
    session_id: str = Field(examples=[_SESSION_ID])


class Extended(BaseModel):
    status: str = Field(examples=["extended"])
    session_id: str = Field(examples=[_SESSION_ID])
    ttl_seconds: int | None = Field(examples=[3600])
    expires_at: str | None = Field(examples=[_AT])


class Observation(BaseModel):
    status: str = Field(examples=["ok"])
    session_id: str = Field(examples=[_SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    stm_length: int = Field(examples=[1])
    time: int = Field(examples=[1])
    unique_id: str = Field(examples=["9b1c"])
    auto_learned_pattern: str | None = Field(examples=[None])
    symbols: list[str] = Field(examples=[["hello", "world"]])
    stm_truncated: bool = Field(
        examples=[False], description="True if the oldest events or emotives had to make room."
    )
    repeated: bool | None = Field(
        default=None, description="Present and true if the request was applied before."
    )


class Sequence(BaseModel):
    status: str = Field(examples=["ok"])
    session_id: str = Field(examples=[_SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    observations_processed: int = Field(examples=[2])
    results: list[Observation]
    auto_learned_patterns: list[str] = Field(examples=[[f"PTRN|{_NAME}"]])
    final_learned_pattern: str = Field(examples=[""])
    stm_length: int = Field(examples=[2])
    time: int = Field(examples=[2])
    unique_id: str = Field(examples=["9b1c"])
    repeated: bool | None = Field(
        default=None, description="Present and true if the request was applied before."
    )


class Learned(BaseModel):
    status: str = Field(examples=["learned"], description="learned | insufficient_data")
    pattern_name: str = Field(
        examples=[f"PTRN|{_NAME}"], description="Empty if nothing was learned."
    )
    session_id: str = Field(examples=[_SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    frequency: int | None = Field(
        examples=[1], description="Learns of the pattern so far; null if that cannot be told."
    )
    message: str = Field(examples=["pattern learned"])
    unique_id: str = Field(examples=["9b1c"])
    repeated: bool | None = Field(
        default=None, description="Present and true if the request was applied before."
    )


class Cleared(BaseModel):
    status: str = Field(examples=["cleared"])
    session_id: str = Field(examples=[_SESSION_ID])
    scope: str | None = Field(default=None, examples=["all"])
    unique_id: str = Field(examples=["9b1c"])
    repeated: bool | None = Field(
        default=None, description="Present and true if the request was applied before."
    )


class Stm(BaseModel):
    stm: list[list[str]] = Field(examples=[[["hello"], ["world"]]])
    session_id: str = Field(examples=[_SESSION_ID])
    length: int = Field(examples=[2], description="Events.")


class Prediction(BaseModel):
    type: str = Field(examples=["prototypical"])
    name: str = Field(examples=[_NAME])
    frequency: int
    emotives: dict[str, float]
    matches: list[str]
    past: list[list[str]]
    present: list[list[str]]
    missing: list[str] | list[list[str]]
    extras: list[str] | list[list[str]]
    potential: float
    evidence: float
    similarity: float
    fragmentation: float
    snr: float
    entropy: float
    hamiltonian: float
    grand_hamiltonian: float
    confluence: float
    sequence: list[list[str]]
    future: list[list[str]]
    confidence: float
    itfdf_similarity: float
    pattern_name: str = Field(examples=[f"PTRN|{_NAME}"])
    metadata: dict[str, list[Any]] | None = None


class Predictions(BaseModel):
    predictions: list[Prediction]
    session_id: str = Field(examples=[_SESSION_ID])
    processor_id: str = Field(examples=["kato"])
    count: int
    time: int
    stm_length: int
    stale: bool = Field(
        description="True if MongoDB could not be reached, so that newer learns may be missing."
    )


class Config(BaseModel):
    config: dict[str, Any] = Field(examples=[{"recall_threshold": 0.1, "max_predictions": 100}])


class Percept(BaseModel):
    strings: list[str]
    vectors: list[list[float]]
    emotives: dict[str, float]
    metadata: dict[str, Any]


class PerceptData(BaseModel):
    percept_data: Percept
    session_id: str = Field(examples=[_SESSION_ID])


class Cognition(BaseModel):
    predictions: list[Prediction]
    emotives: dict[str, float]
    symbols: list[str]
    stm: list[list[str]]
    metadata: dict[str, list[Any]]


class CognitionData(BaseModel):
    cognition_data: Cognition
    session_id: str = Field(examples=[_SESSION_ID])


class Pattern(BaseModel):
    name: str = Field(examples=[f"PTRN|{_NAME}"])
    pattern_data: list[list[str]] = Field(examples=[[["a"], ["b"]]])
    length: int = Field(examples=[2], description="Symbols.")
    frequency: int = Field(examples=[1])
    emotives: list[dict[str, float]] = Field(examples=[[{"joy": 0.8}]])
    metadata: dict[str, list[Any]] = Field(examples=[{"source": ["manual"]}])


class Patterns(BaseModel):
    patterns: list[Pattern]
    next_cursor: str | None = Field(examples=[None])


class PatternDeleted(BaseModel):
    status: str = Field(examples=["deleted"])
    name: str = Field(examples=[f"PTRN|{_NAME}"])


class Vector(BaseModel):
    symbol: str = Field(examples=["VCTR|3f2a"])
    vector: list[float] = Field(examples=[[0.1, 0.9]])


class Legacy(BaseModel):
    """The field that all answers of the older paths share; each has more of its own."""

    model_config = ConfigDict(extra="allow")

    processor_id: str = Field(examples=["kato"])
