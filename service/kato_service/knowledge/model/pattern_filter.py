"""Which patterns a listing or a deletion is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_service.domain.pattern import Event, Pattern, flatten

NO_LIMIT = 2**62
"""Greater than any revision."""
MAX_FREQUENCY = 2**32 - 2


@dataclass(frozen=True, slots=True)
class Revisions:
    """Revisions between two bounds, which are outside."""

    after: int = 0
    before: int = NO_LIMIT

    def contain(self, revision: int) -> bool:
        return self.after < revision < self.before


@dataclass(frozen=True, slots=True)
class PatternFilter:
    """A pattern fits if everything holds."""

    symbols: tuple[str, ...] = ()
    """It contains all of them."""
    prefix: tuple[Event, ...] = ()
    """It begins with these events; of the last one, with these symbols."""
    metadata: Mapping[str, str | None] = field(default_factory=dict)
    """By key, a value as canonical JSON that is among its values; None: it has the key."""
    least: int = 0
    """Frequency at least, and at most."""
    most: int = MAX_FREQUENCY
    first: Revisions = Revisions()
    """Of its first learn."""
    changed: Revisions = Revisions()
    """Of the last entry that touched it: a learn, an edit or an import."""

    @property
    def required(self) -> tuple[str, ...]:
        """Symbols that a pattern must contain to fit, each once."""
        return tuple(dict.fromkeys((*self.symbols, *flatten(self.prefix))))

    def fits(self, pattern: Pattern) -> bool:
        within = self.least <= pattern.frequency <= self.most
        timely = self.first.contain(pattern.first) and self.changed.contain(pattern.revision)
        if not (within and timely and self.fits_metadata(pattern.metadata)):
            return False
        return self._holds_symbols(pattern) and self._begins(pattern.events)

    def fits_metadata(self, metadata: Mapping[str, tuple[str, ...]]) -> bool:
        return all(
            key in metadata and (value is None or value in metadata[key])
            for key, value in self.metadata.items()
        )

    def _holds_symbols(self, pattern: Pattern) -> bool:
        return not self.symbols or set(flatten(pattern.events)).issuperset(self.symbols)

    def _begins(self, events: tuple[Event, ...]) -> bool:
        if not self.prefix:
            return True
        *whole, last = self.prefix
        count = len(whole)
        return (
            len(events) > count
            and events[:count] == tuple(whole)
            and events[count][: len(last)] == last
        )
