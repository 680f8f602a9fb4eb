"""The sequences of a table whose rows are events. Rows and errors count from 0, like `iloc`."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from kato_client.observations import UserSequence

SLICE_ROWS = 10_000
"""Rows that are turned into Python objects at a time."""
Key = tuple[str | None, Hashable]
"""The user of a sequence, None without a column for users, and its value in its column."""
Row = Sequence[Any]
"""Cells in the order of `Columns.names`; None for a null."""


class WrongTableError(ValueError):
    """A table cannot be learned; the message says which column and row to change."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what."""

    symbols: Sequence[str]
    sequence: str
    user: str | None
    order: str | None

    @classmethod
    def of(
        cls, symbols: str | Sequence[str], sequence: str, user: str | None, order: str | None
    ) -> "Columns":
        return cls([symbols] if isinstance(symbols, str) else symbols, sequence, user, order)

    @property
    def names(self) -> list[str]:
        optional = [name for name in (self.user, self.order) if name is not None]
        return list(dict.fromkeys([self.sequence, *optional, *self.symbols]))

    def check(self, there: Iterable[Any]) -> None:
        """Raise WrongTableError unless each of them is there once."""
        found = list(there)
        for name in self.names:
            if found.count(name) != 1:
                known = ", ".join(map(str, found))
                number = "no" if name not in found else "more than one"
                raise WrongTableError(f"the table has {number} column {name!r}; it has {known}")
        if not self.symbols:
            raise WrongTableError("name at least one column that holds symbols")


class TableSequences:
    """The sequences of a table in the order of its rows; iterating over them reads the table.

    The whole table is checked first, so that nothing is learned of a table that is wrong.
    """

    keys: Sequence[Key]
    """User and sequence id, by number: of a `LineFailure`, it is `keys[failure.line - 1]`."""

    def __init__(self, rows: Callable[[], Iterator[Row]], columns: Columns) -> None:
        """Raises WrongTableError: the message names column and row."""
        self._rows, self._columns = rows, columns
        self.keys = [key for key, _ in _sequences(rows(), columns)]

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[UserSequence]:
        for (user, _), events in _sequences(self._rows(), self._columns):
            yield UserSequence(user, events)


def _sequences(rows: Iterator[Row], columns: Columns) -> Iterator[tuple[Key, list[list[str]]]]:
    """Rows that follow each other and have the same key, as a sequence of events."""
    seen, key, before, events = set[Key](), None, None, list[list[str]]()
    for place, row in enumerate(rows):
        cells = dict(zip(columns.names, row, strict=True))
        of_row = _key(cells, columns, place)
        if of_row != key:
            if key is not None:
                yield key, events
            if of_row in seen:
                raise _again(of_row, columns, place)
            seen.add(of_row)
            key, before, events = of_row, None, []
        before = _order(cells, columns, place, before)
        events.append(list(chain.from_iterable(_symbols(cells, columns, place))))
    if key is not None:
        yield key, events


def _key(cells: dict[str, Any], columns: Columns, place: int) -> Key:
    user = None
    if columns.user is not None:
        user = _given(cells, columns.user, place)
        if not isinstance(user, str):
            raise _wrong(columns.user, place, f"{user!r} is not a text; convert the column first")
    sequence = _given(cells, columns.sequence, place)
    if not isinstance(sequence, Hashable):
        raise _wrong(columns.sequence, place, f"{sequence!r} cannot tell sequences apart")
    return user, sequence


def _order(cells: dict[str, Any], columns: Columns, place: int, before: Any) -> Any:
    """The place of the row in its sequence, which is greater than *before*."""
    if columns.order is None:
        return None
    order = _given(cells, columns.order, place)
    try:
        follows = before is None or order > before
    except TypeError:
        raise _wrong(columns.order, place, f"{order!r} does not compare with {before!r}") from None
    if not follows:
        reason = f"{order!r} is not greater than {before!r} in the row before; sort the table"
        raise _wrong(columns.order, place, reason)
    return order


def _symbols(cells: dict[str, Any], columns: Columns, place: int) -> Iterator[list[str]]:
    """The symbols of each column: a text, or a list of texts."""
    for name in columns.symbols:
        cell = _given(cells, name, place)
        found = list(cell) if isinstance(cell, list | tuple) else [cell]
        for symbol in found:
            if not isinstance(symbol, str):
                raise _wrong(name, place, f"{symbol!r} is not a text; convert the column first")
        yield found


def _given(cells: dict[str, Any], name: str, place: int) -> Any:
    cell = cells[name]
    if cell is None:
        raise _wrong(name, place, "a null; drop the row or fill it")
    return cell


def _again(key: Key, columns: Columns, place: int) -> WrongTableError:
    by = columns.sequence if columns.user is None else f"{columns.user} and {columns.sequence}"
    reason = f"{key[1]!r} begins again after other sequences; sort the table by {by}"
    return _wrong(columns.sequence, place, reason)


def _wrong(name: str, place: int, reason: str) -> WrongTableError:
    return WrongTableError(f"column {name!r}, row {place}: {reason}")
