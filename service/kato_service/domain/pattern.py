"""Events, patterns and their names (processor.md §1–2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha1

Event = tuple[str, ...]
"""Symbols observed together; not empty, repeats kept."""
Stm = tuple[Event, ...]
"""Short-term memory: events, oldest first."""
Emotives = Mapping[str, float]
Metadata = Mapping[str, tuple[str, ...]]
"""By key, the distinct values as canonical JSON texts, in order of first appearance."""
NO_METADATA: Metadata = {}
"""One empty map for all learns without metadata, which are most."""
NO_AFFINITY: Emotives = {}
"""One empty map for all patterns whose learns brought no emotives, which are most."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A learned sequence of events, as one knowledge base holds it."""

    name: str
    """Bare name: 40 hex digits, the SHA-1 of the events unless it was imported otherwise."""
    events: tuple[Event, ...]
    frequency: int = 1
    learns: int = 1
    """Learns since the last clear of the knowledge base. Unlike the frequency it is never edited:
    the symbol statistics are sums over it."""
    emotives: tuple[Emotives, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    affinity: Emotives = field(default_factory=lambda: NO_AFFINITY)
    """By emotive, the sum of the means that its learns brought, since the last clear (domain/
    affinity.py). Unlike `emotives` it has no window, is never edited, and outlives a delete."""
    first: int = 0
    """Revision of the first learn since the last delete; equal predictions are ranked by it."""
    revision: int = 0
    """Revision of the last log entry that changed it."""

    @property
    def symbol_count(self) -> int:
        return sum(map(len, self.events))


def flatten(events: Iterable[Event]) -> tuple[str, ...]:
    return tuple(symbol for event in events for symbol in event)


def pattern_name(events: Iterable[Event]) -> str:
    """The bare name of a pattern: SHA-1 of its list of lists as a Python literal, in 40 hex digits.

    Raises:
        UnicodeEncodeError: A symbol contains a lone surrogate (the API refuses those earlier).
    """
    return name_of_lists([list(event) for event in events])


def name_of_lists(events: list[list[str]]) -> str:
    """`pattern_name` of events that are lists already."""
    return sha1(repr(events).encode(), usedforsecurity=False).hexdigest()
