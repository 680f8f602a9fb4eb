"""Emotives, metadata and affinity, which few patterns have: the compiled engine keeps them in
Python."""

from dataclasses import dataclass

from kato_service.domain.pattern import Emotives, Metadata, Pattern
from kato_service.knowledge.fold.footprint import affinity_bytes, extras_bytes

EXTRAS_BYTES = 300
"""Size of one pattern's extras: the object, a copy of the name, a place in a dictionary."""


@dataclass(frozen=True, slots=True)
class Extras:
    emotives: tuple[Emotives, ...] = ()
    metadata: Metadata | None = None
    affinity: Emotives | None = None

    @classmethod
    def of(cls, pattern: Pattern) -> "Extras":
        return cls(pattern.emotives, pattern.metadata or None, pattern.affinity or None)

    @property
    def size_bytes(self) -> int:
        maps = extras_bytes(self.emotives, self.metadata or {})
        return EXTRAS_BYTES + maps + affinity_bytes(self.affinity, self.emotives)


NONE = Extras()


def has_extras(one: Pattern | Extras) -> bool:
    """Whether there is anything to keep of it."""
    return bool(one.emotives or one.metadata or one.affinity)
