"""polars: answers as DataFrames, and the sequences of a DataFrame."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import polars

from kato_client.answers import Next, NextEvent, NextSymbol, Pattern, Prediction, Predictions
from kato_client.frames.fields import Column, Kind, columns
from kato_client.frames.tables import SLICE_ROWS, Columns, Row, TableSequences
from kato_client.records import Record

_TYPES: dict[Kind, Any] = {
    Kind.TEXT: polars.String,
    Kind.WHOLE: polars.Int64,
    Kind.NUMBER: polars.Float64,
    Kind.TEXTS: polars.List(polars.String),
    Kind.EVENTS: polars.List(polars.List(polars.String)),
    Kind.OTHER: polars.String,
}
"""Maps, and lists of them, are JSON: the type of a column never depends on what was learned."""


def predictions_frame(found: Predictions) -> polars.DataFrame:
    """A row for each prediction, best first, with the fields that it has."""
    return _frame(Prediction, found.predictions)


def next_symbols_frame(found: Next) -> polars.DataFrame:
    """A row for each symbol that may come next, the greatest weight first."""
    return _frame(NextSymbol, found.symbols)


def next_events_frame(found: Next) -> polars.DataFrame:
    """A row for each event that may come next, the greatest weight first."""
    return _frame(NextEvent, found.events)


def patterns_frame(found: Iterable[Pattern]) -> polars.DataFrame:
    """A row for each pattern."""
    return _frame(Pattern, list(found))


def sequences(
    frame: polars.DataFrame,
    *,
    symbols: str | Sequence[str],
    sequence: str,
    user: str | None = None,
    order: str | None = None,
) -> TableSequences:
    """The sequences of *frame*, to be learned with `Kato.learn`; each row is an event.

    Args:
        symbols: One column or several: their cells, texts or lists of texts, are the event.
        sequence: The column that tells sequences apart. Rows of one follow each other.
        user: The column that says whose they are; without it, they are the instance's own.
        order: A column whose values grow from row to row of a sequence.

    Raises:
        WrongTableError: A column is missing, or a cell is null, out of order or no text; the
            message names column and row. Nothing has been sent then.
    """
    chosen = Columns.of(symbols, sequence, user, order)
    chosen.check(frame.columns)
    return TableSequences(lambda: _rows(frame.select(chosen.names)), chosen)


def _rows(frame: polars.DataFrame) -> Iterator[Row]:
    for part in frame.iter_slices(SLICE_ROWS):
        yield from zip(*(column.to_list() for column in part.iter_columns()), strict=True)


def _frame(kind: type[Record], records: Sequence[Record]) -> polars.DataFrame:
    found = columns(kind, records)
    return polars.DataFrame([_series(name, column) for name, column in found.items()])


def _series(name: str, column: Column) -> polars.Series:
    values = column.values
    if column.kind is Kind.OTHER:
        values = [None if one is None else json.dumps(one, ensure_ascii=False) for one in values]
    return polars.Series(name, values, dtype=_TYPES[column.kind], strict=False)
