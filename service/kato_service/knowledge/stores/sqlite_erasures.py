"""Erasures in the SQLite file of knowledge."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import orjson

from kato_service.knowledge.model.erasures import Erasure
from kato_service.knowledge.stores.documents import Document
from kato_service.knowledge.stores.erasure_documents import (
    FLOOR,
    decoded_erasure,
    encoded_erasure,
    erasure_id,
)
from kato_service.knowledge.stores.sqlite_file import SqliteFile, transaction

TABLE = (
    "CREATE TABLE IF NOT EXISTS erasures"
    " (_id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID"
)


class SqliteErasures:
    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def begin(self, instance: str, erasure: Erasure) -> None:
        row = _row(encoded_erasure(instance, erasure))
        await self._file.write(
            lambda db: db.execute("INSERT OR IGNORE INTO erasures VALUES (?, ?)", row).rowcount
        )

    async def note(self, instance: str, erasure: Erasure) -> None:
        name, document = _row(encoded_erasure(instance, erasure))
        change = "UPDATE erasures SET document = ? WHERE _id = ?"
        await self._file.write(lambda db: db.execute(change, (document, name)).rowcount)

    async def since(self, instance: str, first: str) -> Sequence[Erasure]:
        between = (erasure_id(instance, first), f"{instance};")
        return await self._file.read(lambda db: _between(db, between))

    async def forget(self, instance: str, before: str) -> None:
        between = (f"{instance}:", erasure_id(instance, before))
        change = "DELETE FROM erasures WHERE _id >= ? AND _id < ? AND document ->> '$.kb' IS NULL"
        await self._file.write(lambda db: db.execute(change, between).rowcount)

    async def floor(self) -> int:
        return await self._file.write(stored_floor)

    async def raise_floor(self, revision: int) -> None:
        await self._file.write(lambda db: _raise_floor(db, revision))


def stored_floor(db: sqlite3.Connection) -> int:
    """The revision after which new logs begin."""
    found = db.execute("SELECT document FROM erasures WHERE _id = ?", (FLOOR,)).fetchone()
    return 0 if found is None else int(orjson.loads(found[0])["revision"])


def _raise_floor(db: sqlite3.Connection, revision: int) -> None:
    with transaction(db):
        row = _row({"_id": FLOOR, "revision": max(revision, stored_floor(db))})
        db.execute("INSERT OR REPLACE INTO erasures VALUES (?, ?)", row)


def _between(db: sqlite3.Connection, between: tuple[str, str]) -> Sequence[Erasure]:
    query = "SELECT document FROM erasures WHERE _id >= ? AND _id < ? ORDER BY _id"
    with closing(db.execute(query, between)) as cursor:
        return tuple(decoded_erasure(orjson.loads(text)) for (text,) in cursor)


def _row(document: Document) -> tuple[str, str]:
    return document["_id"], orjson.dumps(document).decode()
