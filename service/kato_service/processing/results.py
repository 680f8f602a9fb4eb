"""What the verbs of the processor return; api/ renders these as JSON."""

from dataclasses import dataclass, field

from kato_service.domain.answers.explanation import Surroundings
from kato_service.domain.answers.next_events import Next
from kato_service.domain.genes import Genes
from kato_service.domain.prediction import FuturePotential, Prediction


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
    """The oldest events or pending emotive maps had to make room."""
    repeated: bool = False
    """The request was applied before; nothing changed now. So in every result."""


@dataclass(frozen=True, slots=True)
class LearnResult:
    session_id: str
    processor_id: str
    status: str
    """learned | insufficient_data"""
    pattern_name: str
    """Bare digest; '' if nothing was learned."""
    frequency: int | None
    """Learns of the pattern so far; None if that can no longer be told."""
    unique_id: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class SequenceResult:
    session_id: str
    processor_id: str
    observations_processed: int
    results: tuple[ObservationResult, ...]
    auto_learned_patterns: tuple[str, ...]
    """Bare digests of what automatic learns and ``learn_after_each`` learned, in order."""
    final_learned_pattern: str
    """Bare digest of what ``learn_at_end`` learned; '' if nothing."""
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
    future_potentials: tuple[FuturePotential, ...] = ()
    """Empty unless they were asked for."""
    stale: bool = False
    """Computed from memory while the log could not be reached: newer learns may be missing."""
    kept: int = 0
    """Patterns that reach the threshold, listed or not."""
    next: Next | None = None
    """What comes next; None: it was not asked for."""
    around: Surroundings | None = None
    """What else there was; None: no explanation was asked for."""
    genes: Genes = field(default_factory=Genes)
    """Those that it was computed with."""
    symbols: int = 0
    """In the short-term memory."""
    texts: tuple[bytes, ...] | None = None
    """JSON of the predictions instead of them; see `Found`."""
    listed: int = 0
    """Predictions, in whichever form."""
