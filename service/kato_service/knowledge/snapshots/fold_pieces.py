"""A fold in pieces, for a snapshot file: its index, its tombstones, and the rest in one piece."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

from kato_service.domain.pattern import NO_AFFINITY, Pattern
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.import_progress import ImportProgress
from kato_service.knowledge.model.index import Piece

REST, TOMBSTONES = b"fold", b"dead"
TOMBSTONES_AT_ONCE = 500
"""Tombstones per piece: bounds what encoding one piece takes."""


def fold_pieces(fold: Fold) -> Iterator[Piece] | None:
    """Everything in *fold* as it is now, while it changes; None if its index has no pieces.

    The dirty set is left out: a load finds it in the log.
    """
    index = fold.index.pieces()
    return None if index is None else _pieces(_rest(fold), tuple(fold.tombstones.values()), index)


def restore_fold(fold: Fold, pieces: Iterable[Piece]) -> None:
    """Fill an empty fold with what *pieces* were made of. Computes: call it from a thread.

    Raises:
        ValueError: They were not made of a fold; drop *fold* then.
    """
    try:
        fold.index.restore(_taken(fold, pieces))
    except (KeyError, TypeError) as exc:
        raise ValueError(f"not a piece of a fold: {exc!r}") from exc


def _rest(fold: Fold) -> bytes:
    corrections = fold.corrections
    return orjson.dumps(
        {
            "cleared": fold.cleared,
            "has_garbage": fold.has_garbage,
            "corrected": fold.corrected,
            "imports": fold.imports.parts,
            "corrections": [
                dict(corrections.symbols),
                corrections.total_learns,
                corrections.total_symbols,
                corrections.total_distinct_symbols,
            ],
        }
    )


def _pieces(rest: bytes, tombstones: Iterable[Pattern], index: Iterator[Piece]) -> Iterator[Piece]:
    yield REST, rest
    left = iter(tombstones)
    while page := list(islice(left, TOMBSTONES_AT_ONCE)):
        yield TOMBSTONES, orjson.dumps([_row(tombstone) for tombstone in page])
    yield from index


def _row(tombstone: Pattern) -> tuple[Any, ...]:
    numbers = (tombstone.frequency, tombstone.learns, tombstone.first, tombstone.revision)
    felt = (tombstone.affinity,) if tombstone.affinity else ()
    return (tombstone.name, tombstone.events, *numbers, *felt)


def _taken(fold: Fold, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Take tombstones and the rest into *fold*; gives the pieces of its index."""
    for tag, content in pieces:
        if tag == REST:
            _restore_rest(fold, orjson.loads(content))
        elif tag == TOMBSTONES:
            fold.restore_deleted(map(_tombstone, orjson.loads(content)))
        else:
            yield tag, content


def _restore_rest(fold: Fold, fields: dict[str, Any]) -> None:
    symbols, learns, occurrences, distinct = fields["corrections"]
    fold.cleared = fields["cleared"]
    fold.has_garbage = fields["has_garbage"]
    fold.corrected = fields["corrected"]
    fold.imports = ImportProgress(fields["imports"])
    counts = {symbol: (patterns, times) for symbol, (patterns, times) in symbols.items()}
    fold.corrections = Corrections(counts, learns, occurrences, distinct)


def _tombstone(row: Any) -> Pattern:
    name, events, frequency, learns, first, revision, *felt = row
    return Pattern(
        name=name,
        events=tuple(map(tuple, events)),
        frequency=frequency,
        learns=learns,
        affinity=dict(felt[0]) if felt else NO_AFFINITY,
        first=first,
        revision=revision,
    )
