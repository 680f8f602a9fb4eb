"""A fold in pieces, for a snapshot file: its index, and what it knows beside."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.import_progress import ImportProgress
from kato_service.knowledge.model.index import Piece

BESIDE, TOMBSTONES = b"fold", b"dead"
TOMBSTONES_AT_ONCE = 500


def fold_pieces(fold: Fold) -> Iterator[Piece] | None:
    """All of *fold* as it is now, while it goes on; None if its index cannot be taken apart.

    What its views do not show yet is left out: the log tells it.
    """
    index = fold.index.pieces()
    return None if index is None else _pieces(_beside(fold), tuple(fold.tombstones.values()), index)


def restore_fold(fold: Fold, pieces: Iterable[Piece]) -> None:
    """Make an empty fold what *pieces* were made of; from a thread.

    Raises:
        ValueError: They were not made of a fold; it is not to be used then.
    """
    try:
        fold.index.restore(_taken(fold, pieces))
    except (KeyError, TypeError) as exc:
        raise ValueError(f"not a piece of a fold: {exc!r}") from exc


def _beside(fold: Fold) -> bytes:
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


def _pieces(
    beside: bytes, tombstones: Iterable[Pattern], index: Iterator[Piece]
) -> Iterator[Piece]:
    yield BESIDE, beside
    left = iter(tombstones)
    while page := list(islice(left, TOMBSTONES_AT_ONCE)):
        yield TOMBSTONES, orjson.dumps([_row(tombstone) for tombstone in page])
    yield from index


def _row(tombstone: Pattern) -> tuple[Any, ...]:
    numbers = (tombstone.frequency, tombstone.learns, tombstone.first, tombstone.revision)
    return (tombstone.name, tombstone.events, *numbers)


def _taken(fold: Fold, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Those of the index, after taking the others."""
    for tag, content in pieces:
        if tag == BESIDE:
            _restore_beside(fold, orjson.loads(content))
        elif tag == TOMBSTONES:
            fold.restore_deleted(map(_tombstone, orjson.loads(content)))
        else:
            yield tag, content


def _restore_beside(fold: Fold, fields: dict[str, Any]) -> None:
    symbols, learns, occurrences, distinct = fields["corrections"]
    fold.cleared = fields["cleared"]
    fold.has_garbage = fields["has_garbage"]
    fold.corrected = fields["corrected"]
    fold.imports = ImportProgress(fields["imports"])
    counts = {symbol: (patterns, times) for symbol, (patterns, times) in symbols.items()}
    fold.corrections = Corrections(counts, learns, occurrences, distinct)


def _tombstone(row: Any) -> Pattern:
    name, events, frequency, learns, first, revision = row
    return Pattern(
        name=name,
        events=tuple(map(tuple, events)),
        frequency=frequency,
        learns=learns,
        first=first,
        revision=revision,
    )
