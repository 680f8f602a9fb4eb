"""The log in one SQLite file that several processes may share."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from errno import errorcode
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import orjson

from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.documents import (
    decoded_head,
    document_id,
    encoded,
    encoded_head,
    head_id,
    tail_of,
)
from kato_service.knowledge.entries import Entry
from kato_service.knowledge.log import Head, Tail

T = TypeVar("T")
BUSY_TIMEOUT_S = 5.0
_WAYS_OUT = {
    "SQLITE_FULL": " (its disk is full: give it room)",
    "SQLITE_READONLY": " (make the file and its folder writable)",
    "EROFS": " (make the file and its folder writable)",
    "SQLITE_CANTOPEN": " (make the file and its folder writable)",
}
"""By how the name of an error begins."""


class SqliteKnowledgeLog:
    """One thread writes and one reads, each with its connection, so no commit delays a read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = _Connection(path, "knowledge-write")
        self._reader = _Connection(path, "knowledge-read")

    async def start(self) -> None:
        async with _mapped_errors():
            await self._writer.run(_set_up)

    async def create(self, kb: str) -> None:
        document = encoded_head(kb, Head(incarnation=uuid4().hex))
        async with _mapped_errors():
            await self._writer.run(lambda db: _insert(db, [document]))

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        now = datetime.now(UTC)
        async with _mapped_errors():
            return await self._writer.run(
                lambda db: _insert(
                    db, [encoded(kb, first + i, entry, now) for i, entry in enumerate(entries)]
                )
            )

    async def head(self, kb: str) -> Head | None:
        async with _mapped_errors():
            document = await self._reader.run(lambda db: _head(db, kb))
        return None if document is None else decoded_head(document)

    async def tail(self, kb: str, after: int, *, limit: int) -> Tail:
        async with _mapped_errors():
            return await self._reader.run(lambda db: _tail(db, kb, after, limit))

    async def delete(self, kb: str, tokens: Mapping[int, str]) -> None:
        async with _mapped_errors():
            await self._writer.run(lambda db: _delete(db, kb, tokens))

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()


class _Connection:
    """A connection and the only thread that uses it."""

    def __init__(self, path: Path, thread_name: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=thread_name)
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(self._opened()))

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None
            )
            self._connection.execute("PRAGMA synchronous=FULL")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@asynccontextmanager
async def _mapped_errors() -> AsyncIterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise StoreUnavailableError(f"the knowledge file cannot be used: {_reason(exc)}") from exc


def _reason(exc: sqlite3.Error | OSError) -> str:
    """A name and the way out: the text may hold a path, and clients read the message."""
    if isinstance(exc, OSError):
        name = errorcode.get(exc.errno or 0, type(exc).__name__)
    else:
        name = getattr(exc, "sqlite_errorname", type(exc).__name__)
    return name + next((way for known, way in _WAYS_OUT.items() if name.startswith(known)), "")


def _set_up(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    columns = "_id TEXT PRIMARY KEY, document TEXT NOT NULL"
    db.execute(f"CREATE TABLE IF NOT EXISTS log ({columns}) WITHOUT ROWID")


def _insert(db: sqlite3.Connection, documents: list[dict[str, Any]]) -> int:
    rows = [(document["_id"], orjson.dumps(document).decode()) for document in documents]
    db.execute("BEGIN IMMEDIATE")
    try:
        count = _insert_until_taken(db, rows)
    except sqlite3.Error:
        _roll_back(db)
        raise
    _commit(db)
    return count


def _insert_until_taken(db: sqlite3.Connection, rows: list[tuple[str, str]]) -> int:
    for count, row in enumerate(rows):
        changed = db.execute("INSERT OR IGNORE INTO log VALUES (?, ?)", row).rowcount
        if not changed:
            return count
    return len(rows)


def _commit(db: sqlite3.Connection) -> None:
    try:
        db.execute("COMMIT")
    except sqlite3.Error as exc:
        _roll_back(db)
        raise OutcomeUnknownError(
            f"the knowledge file did not confirm a write: {_reason(exc)}"
        ) from exc


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK")


def _documents(
    db: sqlite3.Connection, first_id: str, last_id: str, limit: int = 1
) -> list[dict[str, Any]]:
    query = "SELECT document FROM log WHERE _id BETWEEN ? AND ? ORDER BY _id LIMIT ?"
    with closing(db.execute(query, (first_id, last_id, limit))) as cursor:
        return [orjson.loads(text) for (text,) in cursor]


def _head(db: sqlite3.Connection, kb: str) -> dict[str, Any] | None:
    found = _documents(db, head_id(kb), head_id(kb))
    return found[0] if found else None


def _tail(db: sqlite3.Connection, kb: str, after: int, limit: int) -> Tail:
    documents = _documents(db, document_id(kb, after + 1), head_id(kb), limit)
    return tail_of(documents, _head(db, kb) if len(documents) == limit else None)


def _delete(db: sqlite3.Connection, kb: str, tokens: Mapping[int, str]) -> None:
    for revision, token in tokens.items():
        db.execute(
            "DELETE FROM log WHERE _id = ? AND document ->> '$.token' = ?",
            (document_id(kb, revision), token),
        )
