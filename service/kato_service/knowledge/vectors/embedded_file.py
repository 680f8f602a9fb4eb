"""The table of embedded vectors: functions of a connection, called in its thread."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from kato_service.knowledge.stores.sqlite_file import transaction
from kato_service.knowledge.vectors import sqlite_dimensions
from kato_service.knowledge.vectors.vector_scores import COMPONENT_BYTES, packed, unpacked
from kato_service.knowledge.vectors.vector_store import Stored, Vector, page_size

TABLES = (
    "CREATE TABLE IF NOT EXISTS vectors (kb TEXT NOT NULL, cleared INTEGER NOT NULL,"
    " symbol TEXT NOT NULL, components BLOB NOT NULL, label TEXT,"
    " PRIMARY KEY (kb, cleared, symbol))",
    "CREATE TABLE IF NOT EXISTS taken_over (collection TEXT PRIMARY KEY, state TEXT NOT NULL)",
    sqlite_dimensions.TABLE,
)
_ASKED = 500
"""Symbols in one query; SQLite accepts about twice as many values in old versions."""


def set_up(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    with transaction(db):
        for table in TABLES:
            db.execute(table)


def write(
    db: sqlite3.Connection,
    kb: str,
    cleared: int,
    vectors: Mapping[str, Vector],
    labels: Mapping[str, str],
) -> None:
    rows = [(kb, cleared, each, packed(one), labels.get(each)) for each, one in vectors.items()]
    db.executemany(
        "INSERT INTO vectors VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " components = excluded.components, label = coalesce(excluded.label, label)",
        rows,
    )


def write_missing(db: sqlite3.Connection, kb: str, cleared: int, vectors: Iterable[Stored]) -> None:
    rows = ((kb, cleared, one.symbol, packed(one.vector)) for one in vectors)
    db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?, NULL)", rows)


def count(db: sqlite3.Connection, kb: str, cleared: int) -> int:
    query = "SELECT count(*) FROM vectors WHERE kb = ? AND cleared = ?"
    found: int = db.execute(query, (kb, cleared)).fetchone()[0]
    return found


def known(
    db: sqlite3.Connection, kb: str, cleared: int, symbols: Collection[str]
) -> dict[str, Stored]:
    rows = _asked(db, "symbol, components, label", (kb, cleared), symbols)
    return {
        symbol: Stored(symbol, unpacked(components), label) for symbol, components, label in rows
    }


def labels(
    db: sqlite3.Connection, kb: str, cleared: int, symbols: Collection[str]
) -> dict[str, str]:
    rows = _asked(db, "symbol, label", (kb, cleared), symbols)
    return {symbol: label for symbol, label in rows if label is not None}


def symbols(db: sqlite3.Connection, kb: str, cleared: int) -> list[str]:
    query = "SELECT symbol FROM vectors WHERE kb = ? AND cleared = ?"
    return [symbol for (symbol,) in db.execute(query, (kb, cleared))]


def batches(
    db: sqlite3.Connection, kb: str, cleared: int, dimension: int
) -> Iterator[dict[str, bytes]]:
    """The components of all vectors of *dimension*, by symbol, a bounded number at a time."""
    query = (
        "SELECT symbol, components FROM vectors"
        " WHERE kb = ? AND cleared = ? AND length(components) = ?"
    )
    with closing(db.execute(query, (kb, cleared, COMPONENT_BYTES * dimension))) as cursor:
        while rows := cursor.fetchmany(page_size(dimension)):
            yield dict(rows)


def drop_before(db: sqlite3.Connection, kb: str, cleared: int) -> None:
    db.execute("DELETE FROM vectors WHERE kb = ? AND cleared < ?", (kb, cleared))
    sqlite_dimensions.drop_before(db, kb, cleared)


def state_of(db: sqlite3.Connection, collection: str) -> str | None:
    """The state in which an older collection was taken over last."""
    query = "SELECT state FROM taken_over WHERE collection = ?"
    row = db.execute(query, (collection,)).fetchone()
    return None if row is None else str(row[0])


def set_state(db: sqlite3.Connection, collection: str, state: str) -> None:
    db.execute("INSERT OR REPLACE INTO taken_over VALUES (?, ?)", (collection, state))


def _asked(
    db: sqlite3.Connection, columns: str, place: tuple[str, int], symbols: Collection[str]
) -> Iterator[tuple[Any, ...]]:
    """The *columns* of those *symbols* that are stored."""
    asked = list(symbols)
    for some in (asked[i : i + _ASKED] for i in range(0, len(asked), _ASKED)):
        query = (
            f"SELECT {columns} FROM vectors WHERE kb = ? AND cleared = ?"
            f" AND symbol IN ({','.join('?' * len(some))})"
        )
        yield from db.execute(query, (*place, *some))
