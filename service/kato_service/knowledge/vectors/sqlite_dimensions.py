"""Dimensions of knowledge bases in a SQLite file."""

import sqlite3
from contextlib import closing

from kato_service.knowledge.stores.sqlite_file import SqliteFile
from kato_service.knowledge.vectors.dimensions import (
    dimension_id,
    ids_before,
    knowledge_base_in,
    ranges_of,
)

TABLE = (
    "CREATE TABLE IF NOT EXISTS vector_dimensions"
    " (_id TEXT PRIMARY KEY, dimension INTEGER NOT NULL) WITHOUT ROWID"
)


class SqliteDimensions:
    """`Dimensions` in a file that exists or not: the first one creates its table."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def of(self, kb: str, cleared: int) -> int | None:
        return await self._file.write(lambda db: of(_with_table(db), kb, cleared))

    async def agree(self, kb: str, cleared: int, dimension: int) -> int:
        return await self._file.write(lambda db: agree(_with_table(db), kb, cleared, dimension))

    async def drop_before(self, kb: str, cleared: int) -> None:
        await self._file.write(lambda db: drop_before(_with_table(db), kb, cleared))

    async def count(self, instance: str) -> int:
        return await self._file.write(lambda db: count(_with_table(db), instance))

    async def knowledge_bases(self, instance: str) -> set[str]:
        return await self._file.write(lambda db: knowledge_bases(_with_table(db), instance))

    async def close(self) -> None:
        await self._file.close()


def _with_table(db: sqlite3.Connection) -> sqlite3.Connection:
    db.execute(TABLE)
    return db


def agree(db: sqlite3.Connection, kb: str, cleared: int, dimension: int) -> int:
    row = (dimension_id(kb, cleared), dimension)
    db.execute("INSERT OR IGNORE INTO vector_dimensions VALUES (?, ?)", row)
    return of(db, kb, cleared) or dimension


def of(db: sqlite3.Connection, kb: str, cleared: int) -> int | None:
    query = "SELECT dimension FROM vector_dimensions WHERE _id = ?"
    with closing(db.execute(query, (dimension_id(kb, cleared),))) as cursor:
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def drop_before(db: sqlite3.Connection, kb: str, cleared: int) -> None:
    db.execute("DELETE FROM vector_dimensions WHERE _id >= ? AND _id < ?", ids_before(kb, cleared))


def count(db: sqlite3.Connection, instance: str) -> int:
    query = "SELECT count(*) FROM vector_dimensions WHERE _id >= ? AND _id < ?"
    return sum(db.execute(query, each).fetchone()[0] for each in ranges_of(instance))


def knowledge_bases(db: sqlite3.Connection, instance: str) -> set[str]:
    query = "SELECT _id FROM vector_dimensions WHERE _id >= ? AND _id < ?"
    found = (row for each in ranges_of(instance) for row in db.execute(query, each))
    return {knowledge_base_in(identifier) for (identifier,) in found}
