"""pandas: answers as DataFrames, and the sequences of a DataFrame."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy
import pandas

from kato_client.answers import Next, NextEvent, NextSymbol, Pattern, Prediction, Predictions
from kato_client.frames.fields import Column, Kind, columns
from kato_client.frames.tables import SLICE_ROWS, Columns, Row, TableSequences
from kato_client.records import Record

_TYPES: dict[Kind, Any] = {Kind.TEXT: "str", Kind.WHOLE: "int64", Kind.NUMBER: "float64"}
"""All else are objects of Python: lists and maps as they were sent."""


def predictions_frame(found: Predictions) -> pandas.DataFrame:
    """A row for each prediction, best first, with the fields that it has."""
    return _frame(Prediction, found.predictions)


def next_symbols_frame(found: Next) -> pandas.DataFrame:
    """A row for each symbol that may come next, the greatest weight first."""
    return _frame(NextSymbol, found.symbols)


def next_events_frame(found: Next) -> pandas.DataFrame:
    """A row for each event that may come next, the greatest weight first."""
    return _frame(NextEvent, found.events)


def patterns_frame(found: Iterable[Pattern]) -> pandas.DataFrame:
    """A row for each pattern."""
    return _frame(Pattern, list(found))


def sequences(
    frame: pandas.DataFrame,
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
    return TableSequences(lambda: _rows(frame[chosen.names]), chosen)


def _rows(frame: pandas.DataFrame) -> Iterator[Row]:
    for start in range(0, len(frame), SLICE_ROWS):
        part = frame.iloc[start : start + SLICE_ROWS]
        yield from zip(*(_cells(part[name]) for name in part.columns), strict=True)


def _cells(column: "pandas.Series[Any]") -> list[Any]:
    cells = zip(column.tolist(), column.isna(), strict=True)
    return [None if null else _plain(cell) for cell, null in cells]


def _plain(cell: Any) -> Any:
    """Lists that were read from a file are arrays."""
    return cell.tolist() if isinstance(cell, numpy.ndarray) else cell


def _frame(kind: type[Record], records: Sequence[Record]) -> pandas.DataFrame:
    found = columns(kind, records)
    return pandas.DataFrame({name: _series(column) for name, column in found.items()})


def _series(column: Column) -> "pandas.Series[Any]":
    made: pandas.Series[Any] = pandas.Series(column.values, dtype=_TYPES.get(column.kind, "object"))
    return made
