"""Estimated bytes of a fold's Python objects: CPython's own sizes, rounded up.

Strings that two objects share are counted twice: the estimate is rather too large than too small.
"""

from collections.abc import Iterable
from sys import getsizeof

from kato_service.domain.pattern import Emotives, Event, Metadata, Pattern
from kato_service.domain.statistics import Corrections

PATTERN_BYTES = 400
"""A pattern without its events: the object, its name and numbers, its place in a dictionary."""
TUPLE_BYTES = 64
"""A tuple without its items, as the allocator hands it out."""
ITEM_BYTES = 8
MAP_BYTES = 240
"""A dictionary with few keys."""
NUMBERED_BYTES = 96
"""A short string and a number."""
CORRECTION_BYTES = 250
"""A short symbol and its two corrections, in a dictionary."""


def symbols_bytes(symbols: Iterable[str]) -> int:
    return sum(map(getsizeof, symbols))


def pattern_bytes(pattern: Pattern) -> int:
    events = sum(map(_event_bytes, pattern.events))
    maps = extras_bytes(pattern.emotives, pattern.metadata) + affinity_bytes(pattern.affinity)
    return PATTERN_BYTES + events + maps


def extras_bytes(emotives: Iterable[Emotives], metadata: Metadata) -> int:
    """What a pattern has in addition to its events."""
    maps = sum(MAP_BYTES + NUMBERED_BYTES * len(each) for each in emotives)
    if not metadata:
        return maps
    texts = sum(TUPLE_BYTES + symbols_bytes((key, *texts)) for key, texts in metadata.items())
    return maps + texts + MAP_BYTES


def affinity_bytes(affinity: Emotives) -> int:
    """Size of the affinity of a pattern; that of a single learn is its emotives, counted twice."""
    return MAP_BYTES + NUMBERED_BYTES * len(affinity) if affinity else 0


def corrections_bytes(corrections: Corrections) -> int:
    return CORRECTION_BYTES * len(corrections.symbols)


def _event_bytes(event: Event) -> int:
    return TUPLE_BYTES + 2 * ITEM_BYTES * len(event) + symbols_bytes(event)
