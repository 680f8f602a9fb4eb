"""Views of patterns in SQLite, in the same file as the log."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import orjson

from kato_service.knowledge.model.index import StoredViews
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView, ViewPage
from kato_service.knowledge.stores import sqlite_rows
from kato_service.knowledge.stores.documents import Document
from kato_service.knowledge.stores.sqlite_file import SqliteFile, transaction
from kato_service.knowledge.stores.view_documents import (
    decoded_statistics,
    encoded_statistics,
    encoded_view,
    end_of_views,
    page_of,
    statistics_id,
    view_id,
)

TABLE = (
    "CREATE TABLE IF NOT EXISTS patterns"
    " (_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, document TEXT NOT NULL) WITHOUT ROWID"
)


class SqlitePatternViews:
    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def page(self, kb: str, after: str, *, limit: int) -> ViewPage:
        return await self._file.read(lambda db: _page(db, kb, after, limit))

    async def write(self, kb: str, views: Sequence[PatternView]) -> None:
        await self._file.write(lambda db: _write(db, [encoded_view(kb, view) for view in views]))

    async def statistics(self, kb: str) -> StatisticsView | None:
        return await self._file.read(lambda db: _statistics(db, kb))

    async def write_statistics(self, kb: str, view: StatisticsView) -> None:
        await self._file.write(lambda db: _write(db, [encoded_statistics(kb, view)]))

    async def discard(self, kb: str, cleared: int, *, limit: int) -> int:
        return await self._file.write(lambda db: _discard(db, kb, cleared, limit))


def _page(db: sqlite3.Connection, kb: str, after: str, limit: int) -> ViewPage:
    query = (
        "SELECT CAST(document AS BLOB) FROM patterns WHERE _id > ? AND _id < ? ORDER BY _id LIMIT ?"
    )
    with closing(db.execute(query, (view_id(kb, after), end_of_views(kb), limit))) as cursor:
        texts = tuple(text for (text,) in cursor.fetchall())
    return page_of(StoredViews(texts, is_bson=False), orjson.loads, limit)


def _statistics(db: sqlite3.Connection, kb: str) -> StatisticsView | None:
    query = "SELECT document FROM patterns WHERE _id = ?"
    found = db.execute(query, (statistics_id(kb),)).fetchone()
    return None if found is None else decoded_statistics(orjson.loads(found[0]))


def _write(db: sqlite3.Connection, documents: Sequence[Document]) -> None:
    rows = [(each["_id"], each["revision"], orjson.dumps(each).decode()) for each in documents]
    with transaction(db):
        sqlite_rows.insert(
            db,
            rows,
            "patterns",
            "ON CONFLICT (_id) DO UPDATE"
            " SET revision = excluded.revision, document = excluded.document"
            " WHERE excluded.revision > patterns.revision",
        )


def _discard(db: sqlite3.Connection, kb: str, cleared: int, limit: int) -> int:
    # The statistics at the clear itself say which import began with it.
    old = "_id > ? AND _id < ? AND revision <= ? OR _id = ? AND revision < ?"
    which = f"SELECT _id FROM patterns WHERE {old} LIMIT ?"
    ours = (view_id(kb, ""), end_of_views(kb), cleared)
    known = (*ours, statistics_id(kb), cleared, limit)
    return db.execute(f"DELETE FROM patterns WHERE _id IN ({which})", known).rowcount
