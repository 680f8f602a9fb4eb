"""Many rows in few statements.

A statement of SQLite runs without the interpreter lock, and takes it again for each row that Python
hands over or receives, behind whatever the event loop computes. So rows are written in blocks.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

LARGEST_BLOCK = 512
"""Rows of a statement: a whole group of entries of the log goes in with one."""
Row = tuple[Any, ...]


def insert(db: sqlite3.Connection, rows: Sequence[Row], into: str, otherwise: str = "") -> None:
    """Insert *rows*, all of one length.

    Args:
        into: The table.
        otherwise: What to do with rows that conflict; '' raises sqlite3.IntegrityError, and the
            block of the row is not in.
    """
    for block in blocks(rows):
        text = _statement(into, otherwise, len(block), len(block[0]))
        db.execute(text, list(chain.from_iterable(block)))


def blocks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """*rows* in blocks of few different sizes, so that their statements stay prepared."""
    start, size = 0, LARGEST_BLOCK
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


@cache
def _statement(into: str, otherwise: str, rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)} {otherwise}"
