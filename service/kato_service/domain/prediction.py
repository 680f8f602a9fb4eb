"""The prediction object and its order of fields (processor.md §7)."""

from dataclasses import dataclass

from kato_service.domain.pattern import Emotives, Event, Metadata


@dataclass(frozen=True, slots=True)
class Prediction:
    """One pattern that the STM recalled; fields in the order in which the API renders them.

    The API puts ``type`` ("prototypical") first, adds ``pattern_name`` and ``metadata``, and leaves
    ``blocks`` out.
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
