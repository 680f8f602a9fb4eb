"""How many bytes events, emotives and metadata take, and the bounds on them."""

from collections.abc import Iterable, Mapping

from kato_service.domain.pattern import Emotives, Event, Metadata

PATTERN_METADATA_BYTES = 16 * 1024
"""UTF-8 of keys and values that a pattern keeps; later values are dropped."""
EMOTIVE_BYTES = 48
"""What a name and its value take there beside the name's own bytes, or a map, rounded up."""
SYMBOL_BYTES = 26
"""What a symbol takes there beside its own bytes, alone in its event and at its largest place."""


def events_bytes(events: Iterable[Event]) -> int:
    """Of a document of MongoDB, rounded up."""
    return sum(_size(symbol) + SYMBOL_BYTES for event in events for symbol in event)


def emotives_bytes(emotives: Emotives) -> int:
    """As `events_bytes`; the map itself takes `EMOTIVE_BYTES` more."""
    return sum(_size(name) + EMOTIVE_BYTES for name in emotives)


def merged_metadata(
    known: Metadata, more: Mapping[str, tuple[str, ...]], limit_bytes: int = PATTERN_METADATA_BYTES
) -> Metadata:
    """*known* with the values of *more* it did not have, as far as they fit into the limit."""
    if not more:
        return known
    merged = dict(known)
    used = sum(map(_size, known)) + sum(_size(text) for texts in known.values() for text in texts)
    for key, texts in more.items():
        for text in texts:
            size = _size(text) + (0 if key in merged else _size(key))
            if text not in merged.get(key, ()) and used + size <= limit_bytes:
                merged[key] = (*merged.get(key, ()), text)
                used += size
    return merged


def _size(text: str) -> int:
    return len(text.encode())
