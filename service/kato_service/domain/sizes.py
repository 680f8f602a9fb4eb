"""How many bytes events, emotives and metadata take in a document, and the bounds on them."""

from collections.abc import Iterable, Mapping

from kato_service.domain.pattern import Emotives, Event, Metadata

PATTERN_METADATA_BYTES = 16 * 1024
"""Bytes (UTF-8) of metadata keys and values that a pattern keeps; later values are dropped."""
EMOTIVE_BYTES = 48
"""Bytes of an emotive in addition to its name, or of a map without its emotives; rounded up."""
SYMBOL_BYTES = 26
"""Bytes of a symbol in addition to its text, at worst: alone in its event, at a large index."""


def events_bytes(events: Iterable[Event]) -> int:
    """Size of *events* in a document of MongoDB, rounded up."""
    return sum(_size(symbol) + SYMBOL_BYTES for event in events for symbol in event)


def emotives_bytes(emotives: Emotives) -> int:
    """Size of the emotives in a document, rounded up; their map adds `EMOTIVE_BYTES`."""
    return sum(_size(name) + EMOTIVE_BYTES for name in emotives)


def merged_metadata(
    known: Metadata, more: Mapping[str, tuple[str, ...]], limit_bytes: int = PATTERN_METADATA_BYTES
) -> Metadata:
    """*known* with the new values of *more*, as far as they fit into the limit."""
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
