"""Events, patterns and their names (processor.md §1–2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha1

Event = tuple[str, ...]
"""Non-empty: the symbols observed together, repeats kept."""
Stm = tuple[Event, ...]
"""Short-term memory: events, oldest first."""
Emotives = Mapping[str, float]
Metadata = Mapping[str, tuple[str, ...]]
"""Per key the distinct values, as canonical JSON texts, in order of first appearance."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A learned list of events as one knowledge base remembers it."""

    name: str
    """Bare 40-hex SHA-1 of the events."""
    events: tuple[Event, ...]
    frequency: int = 1
    learns: int = 1
    """Learns since the knowledge base was last cleared; frequency may be edited, this may not."""
    emotives: tuple[Emotives, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    first: int = 0
    """Revision of the first learn since the last delete: the order of ranking ties."""
    revision: int = 0
    """The last log entry that touched it."""

    @property
    def symbol_count(self) -> int:
        return sum(map(len, self.events))


def flatten(events: Iterable[Event]) -> tuple[str, ...]:
    return tuple(symbol for event in events for symbol in event)


def pattern_name(events: Iterable[Event]) -> str:
    """Bare 40-hex SHA-1 of the Python-literal rendering of the list of lists.

    Raises:
        UnicodeEncodeError: A symbol holds a lone surrogate (inputs refuse these earlier).
    """
    text = repr([list(event) for event in events])
    return sha1(text.encode(), usedforsecurity=False).hexdigest()
