"""Emotives, metadata and affinity, which few patterns have: the compiled engine keeps them in
Python."""

from dataclasses import dataclass, field

from kato_service.domain.pattern import NO_AFFINITY, Emotives, Event, Metadata, Pattern
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

    def pattern(
        self,
        name: str,
        events: tuple[Event, ...],
        frequency: int,
        learns: int,
        first: int = 0,
        revision: int = 0,
    ) -> Pattern:
        """The pattern that has these extras, and the rest in the engine."""
        return Pattern(
            name=name,
            events=events,
            frequency=frequency,
            learns=learns,
            emotives=self.emotives,
            metadata=self.metadata or {},
            affinity=self.affinity or NO_AFFINITY,
            first=first,
            revision=revision,
        )

    @property
    def size_bytes(self) -> int:
        maps = extras_bytes(self.emotives, self.metadata or {})
        return EXTRAS_BYTES + maps + affinity_bytes(self.affinity, self.emotives)


NONE = Extras()


def has_extras(one: Pattern | Extras) -> bool:
    """Whether there is anything to keep of it."""
    return bool(one.emotives or one.metadata or one.affinity)


@dataclass(slots=True, weakref_slot=True, eq=False)
class ExtrasCopy:
    """The extras of one moment, which threads read while the index changes. Copying all of them
    would take too long, so it shares them and keeps the old value of those that change."""

    _now: dict[str, Extras]
    _before: dict[str, Extras] = field(default_factory=dict)
    """Extras that changed since, as they were. Written before *_now* changes and read after it, so
    that a reader never misses a change."""

    def __bool__(self) -> bool:
        """Whether it may hold any."""
        return bool(self._now or self._before)

    def changes(self, name: str) -> None:
        """Keep the extras of *name*, which are about to change."""
        self._before.setdefault(name, self._now.get(name, NONE))

    def of(self, name: str) -> Extras:
        extras = self._now.get(name, NONE)
        return self._before.get(name, extras)

    def names(self) -> list[str]:
        """Names of all patterns that have extras, and of others."""
        # Listing a dictionary is one step for other threads. What leaves it meanwhile is in
        # `_before` by then, so no name is missed.
        names = list(self._now)
        return list(dict.fromkeys((*names, *list(self._before))))
