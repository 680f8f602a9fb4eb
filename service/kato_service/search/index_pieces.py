"""The compiled engine's index in pieces, for a snapshot file (knowledge/snapshots/)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

from kato_service.knowledge.model.index import Piece
from kato_service.search import _engine
from kato_service.search.pattern_extras import Extras

SYMBOLS, COUNTS, SEGMENT, EXTRAS, TOTALS = b"symb", b"coun", b"segm", b"extr", b"tota"
SYMBOLS_AT_ONCE = 4096
"""Symbols, or counts of symbols, per piece."""
COUNT_BYTES = 16
"""Two 64-bit numbers: pattern member frequency and occurrences."""
EXTRAS_AT_ONCE = 500


def pieces(dump: "_engine.Dump", extras: dict[str, Extras]) -> Iterator[Piece]:
    """The pieces in the order in which `restored` needs them; each is made when it is taken."""
    segments, symbols, *totals = dump.sizes()
    for start in range(0, symbols, SYMBOLS_AT_ONCE):
        yield SYMBOLS, orjson.dumps(dump.symbols(start, SYMBOLS_AT_ONCE))
    for start in range(0, symbols, SYMBOLS_AT_ONCE):
        yield COUNTS, dump.counts(start, SYMBOLS_AT_ONCE)
    for number in range(segments):
        yield SEGMENT, dump.segment(number)
    rows = (_row(name, each) for name, each in extras.items())
    while page := list(islice(rows, EXTRAS_AT_ONCE)):
        yield EXTRAS, orjson.dumps(page)
    yield TOTALS, orjson.dumps(totals)


def restored(pieces: Iterable[Piece]) -> "tuple[_engine.Index, dict[str, Extras]]":
    """The index that *pieces* were made of.

    Raises:
        ValueError: They are not what `pieces` gives.
    """
    restorer = _engine.Restorer()
    extras: dict[str, Extras] = {}
    totals: tuple[int, int, int] | None = None
    counted = 0
    try:
        for tag, content in pieces:
            if tag == SYMBOLS:
                restorer.symbols(tuple(orjson.loads(content)))
            elif tag == COUNTS:
                restorer.counts(counted, content)
                counted += len(content) // COUNT_BYTES
            elif tag == SEGMENT:
                restorer.segment(content)
            elif tag == EXTRAS:
                extras.update(map(_extras, orjson.loads(content)))
            elif tag == TOTALS:
                learns, symbols, distinct = orjson.loads(content)
                totals = (learns, symbols, distinct)
        if totals is not None:
            return restorer.finish(*totals), extras
    except (TypeError, KeyError, AttributeError, OverflowError) as exc:
        raise ValueError(f"not a piece of an index: {exc}") from exc
    raise ValueError("pieces of an index are missing")


def _row(name: str, extras: Extras) -> tuple[Any, ...]:
    """Without an affinity it is as versions that had none wrote and read it."""
    felt = (extras.affinity,) if extras.affinity else ()
    return (name, extras.emotives, extras.metadata, *felt)


def _extras(row: Any) -> tuple[str, Extras]:
    name, emotives, metadata, *felt = row
    texts = {key: tuple(values) for key, values in metadata.items()} if metadata else None
    maps = tuple(dict(one) for one in emotives)
    return name, Extras(maps, texts, dict(felt[0]) if felt else None)
