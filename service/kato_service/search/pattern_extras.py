"""Emotives and metadata, which few patterns have: the compiled engine keeps them in Python."""

from dataclasses import dataclass

from kato_service.domain.pattern import Emotives, Metadata
from kato_service.knowledge.fold.footprint import extras_bytes

EXTRAS_BYTES = 300
"""Size of one pattern's extras: the object, a copy of the name, a place in a dictionary."""


@dataclass(frozen=True, slots=True)
class Extras:
    emotives: tuple[Emotives, ...] = ()
    metadata: Metadata | None = None

    @property
    def size_bytes(self) -> int:
        return EXTRAS_BYTES + extras_bytes(self.emotives, self.metadata or {})


NONE = Extras()
