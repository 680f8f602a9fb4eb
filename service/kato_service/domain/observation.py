"""What a client sends to be observed together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_service.domain.pattern import Emotives


@dataclass(frozen=True, slots=True)
class Observation:
    strings: tuple[str, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    emotives: Emotives = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Values are canonical JSON texts (sorted keys, no spaces)."""
