"""Estimated bytes of a fold's Python objects: CPython's own sizes, rounded up.

Strings that two objects share are counted twice: the estimate is rather too large than too small.
"""

from collections.abc import Iterable, Sequence
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
    extras = extras_bytes(pattern.emotives, pattern.metadata)
    return PATTERN_BYTES + events + extras + affinity_bytes(pattern.affinity, pattern.emotives)


def extras_bytes(emotives: Iterable[Emotives], metadata: Metadata) -> int:
    """What a pattern has in addition to its events."""
    maps = sum(MAP_BYTES + NUMBERED_BYTES * len(each) for each in emotives)
    if not metadata:
        return maps
    texts = sum(TUPLE_BYTES + symbols_bytes((key, *texts)) for key, texts in metadata.items())
    return maps + texts + MAP_BYTES


def affinity_bytes(affinity: Emotives | None, emotives: Sequence[Emotives]) -> int:
    """Size of the affinity of a pattern in addition to its *emotives*, of which it may be one."""
    if not affinity or (emotives and affinity is emotives[0]):
        return 0
    return MAP_BYTES + NUMBERED_BYTES * len(affinity)


def corrections_bytes(corrections: Corrections) -> int:
    return CORRECTION_BYTES * len(corrections.symbols)


def _event_bytes(event: Event) -> int:
    return TUPLE_BYTES + 2 * ITEM_BYTES * len(event) + symbols_bytes(event)
