"""What a client sends to be observed together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_service.domain.pattern import Emotives

MAX_LABEL_CHARS = 256
"""Characters of the label of a vector."""


@dataclass(frozen=True, slots=True)
class Observation:
    strings: tuple[str, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    emotives: Emotives = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Values are canonical JSON texts (sorted keys, no spaces)."""
    vector_labels: tuple[str | None, ...] = ()
    """What people call the vectors, in their order; there may be fewer of them."""
