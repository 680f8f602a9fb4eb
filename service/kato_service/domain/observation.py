"""What a client sends to be observed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_service.domain.pattern import Emotives


@dataclass(frozen=True, slots=True)
class Observation:
    strings: tuple[str, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    emotives: Emotives = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Each value as canonical JSON text (sorted keys, no spaces)."""
