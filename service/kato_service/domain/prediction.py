"""The prediction object and its order of fields (processor.md §7, later-clients.md L0)."""

from dataclasses import dataclass, field

from kato_service.domain.answers.explanation import Explanation
from kato_service.domain.pattern import Emotives, Event, Metadata


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A symbol that was observed, and matched one that is spelled differently."""

    observed: str
    expected: str
    """As the pattern spells it."""
    similarity: float
    """How alike both are, below 1."""


@dataclass(frozen=True, slots=True)
class LaterMetrics:
    """The prediction metrics of later clients, in the order in which the API renders them."""

    normalized_entropy: float
    global_normalized_entropy: float
    shannon_entropy: float
    predictive_information: float
    tfidf_score: float
    bayesian_prior: float
    bayesian_likelihood: float
    bayesian_posterior: float
    anomalies: tuple[Anomaly, ...] = field(default=(), kw_only=True)
    """In the order of the state; none unless symbols match that are only alike."""


@dataclass(frozen=True, slots=True)
class WeightedMetrics:
    """The prediction metrics in which symbols weigh what their affinity says, in the order in which
    the API renders them (later-clients.md L8)."""

    weighted_similarity: float
    weighted_evidence: float
    weighted_confidence: float
    weighted_snr: float


@dataclass(frozen=True, slots=True)
class FuturePotential:
    """A future, and how much of what the patterns that were kept expect it is."""

    future: tuple[Event, ...]
    """As the first-learned of the patterns spells it."""
    aggregate_potential: float
    """Its share of the weight of all futures, in [0, 1]."""
    supporting_patterns: int
    total_weighted_frequency: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """One pattern that the STM recalled; fields in the order in which the API renders them.

    The API puts ``type`` ("prototypical") first, adds the fields of ``later``, ``pattern_name`` and
    ``metadata``, and leaves ``blocks`` out;
    ``explanation`` has a form of its own.
    """

    name: str
    """Bare name: 40 hex digits."""
    frequency: int
    emotives: Emotives
    matches: tuple[str, ...]
    past: tuple[Event, ...]
    present: tuple[Event, ...]
    missing: tuple[str, ...]
    extras: tuple[str, ...]
    potential: float
    evidence: float
    similarity: float
    fragmentation: float
    snr: float
    entropy: float
    hamiltonian: float
    grand_hamiltonian: float
    confluence: float
    sequence: tuple[Event, ...]
    future: tuple[Event, ...]
    confidence: float
    itfdf_similarity: float
    blocks: tuple[int, ...]
    """Of every matching block, in order, its start in the state and its size in symbols."""
    metadata: Metadata
    later: LaterMetrics | None = None
    """None: they were not asked for."""
    weighted: WeightedMetrics | None = None
    """None: they were not asked for, or symbols have no weights."""
    explanation: Explanation | None = None
    """None: it was not asked for."""
