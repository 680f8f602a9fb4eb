"""What the processor answers; api/ renders these."""

from dataclasses import dataclass

from kato_service.domain.prediction import Prediction


@dataclass(frozen=True, slots=True)
class ObservationResult:
    session_id: str
    processor_id: str
    stm_length: int
    """Events."""
    time: int
    unique_id: str
    symbols: tuple[str, ...] = ()
    auto_learned_pattern: str | None = None
    """Bare digest."""
    stm_truncated: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class LearnResult:
    session_id: str
    processor_id: str
    status: str
    """learned | insufficient_data"""
    pattern_name: str
    """Bare digest, '' where nothing was learned."""
    frequency: int | None
    unique_id: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class SequenceResult:
    session_id: str
    processor_id: str
    observations_processed: int
    results: tuple[ObservationResult, ...]
    auto_learned_patterns: tuple[str, ...]
    """Bare digests of everything learned on the way (auto-learn and learn_after_each)."""
    final_learned_pattern: str
    """Bare digest of learn_at_end, '' where nothing was learned."""
    stm_length: int
    time: int
    unique_id: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class ClearResult:
    session_id: str
    processor_id: str
    unique_id: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class PredictionsResult:
    predictions: tuple[Prediction, ...]
    session_id: str
    processor_id: str
    time: int
    stm_length: int
    stale: bool = False
