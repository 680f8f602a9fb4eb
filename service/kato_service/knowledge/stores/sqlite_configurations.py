"""Configurations of users in the SQLite file of knowledge."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import orjson

from kato_service.knowledge.model.configurations import ConfigurationEntry, StoredEntry
from kato_service.knowledge.stores.configuration_documents import (
    configuration_id,
    decoded_configurations,
    encoded_configuration,
    end_of_configurations,
)
from kato_service.knowledge.stores.sqlite_file import SqliteFile, transaction

TABLE = (
    "CREATE TABLE IF NOT EXISTS configurations"
    " (_id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID"
)
INDEX = "CREATE INDEX IF NOT EXISTS configurations_kb ON configurations (document ->> '$.kb')"
_BLANK = (
    "UPDATE configurations SET document = json_remove(document, '$.kb', '$.genes')"
    " WHERE document ->> '$.kb' = ? AND _id >= ? AND _id < ?"
)
_FORGET = (
    "DELETE FROM configurations WHERE document ->> '$.kb' IS NULL AND _id >= ? AND _id < ?"
    " AND document ->> '$.at' <= ? AND NOT EXISTS (SELECT 1 FROM configurations AS removed"
    " WHERE removed._id = printf('%s:%012d', ?, configurations.document ->> '$.removes')"
    " AND removed.document ->> '$.kb' IS NOT NULL)"
)


class SqliteConfigurations:
    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def insert(self, instance: str, revision: int, entry: ConfigurationEntry) -> None:
        document = encoded_configuration(instance, revision, entry)
        row = (document["_id"], orjson.dumps(document).decode())
        await self._file.write(lambda db: _changed(db, _INSERT, row))

    async def since(self, instance: str, first: int, *, limit: int) -> Sequence[StoredEntry]:
        between = (configuration_id(instance, first), end_of_configurations(instance), limit)
        return decoded_configurations(await self._file.read(lambda db: _found(db, between)))

    async def blank(self, instance: str, kb: str, before: int) -> None:
        which = (kb, configuration_id(instance, 0), configuration_id(instance, before))
        await self._file.write(lambda db: _changed(db, _BLANK, which))

    async def forget(self, instance: str, before: int, until: float) -> None:
        between = (configuration_id(instance, 0), configuration_id(instance, before))
        which = (*between, until, instance)
        await self._file.write(lambda db: _changed(db, _FORGET, which))


_INSERT = "INSERT OR IGNORE INTO configurations VALUES (?, ?)"


def _changed(db: sqlite3.Connection, change: str, values: tuple[object, ...]) -> None:
    with transaction(db):
        db.execute(change, values)


def _found(db: sqlite3.Connection, between: tuple[str, str, int]) -> list[dict[str, object]]:
    query = "SELECT document FROM configurations WHERE _id >= ? AND _id < ? ORDER BY _id LIMIT ?"
    with closing(db.execute(query, between)) as cursor:
        return [orjson.loads(text) for (text,) in cursor]
