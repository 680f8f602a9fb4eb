"""The log in one SQLite file that several processes may share."""

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import Entry
from kato_service.knowledge.model.log import LAST_REVISION, LONGEST_LEASE_S, Head, Named, Tail
from kato_service.knowledge.stores import (
    sqlite_configurations,
    sqlite_erasures,
    sqlite_rows,
    sqlite_views,
)
from kato_service.knowledge.stores.documents import (
    LEARNING,
    UNDECODABLE,
    after_kb,
    bounds_of_users,
    decoded_head,
    document_id,
    encoded,
    encoded_head,
    head_id,
    kb_of,
    lease_id,
    moment,
    old_run,
    revision_of,
    tail_of,
    unreadable,
)
from kato_service.knowledge.stores.sqlite_file import SqliteFile, transaction


class SqliteKnowledgeLog:
    def __init__(self, path: Path, limits: KnowledgeLimits = DEFAULT_LIMITS) -> None:
        self._file = SqliteFile(path, busy_timeout_s=limits.busy_timeout_s)
        self.views = sqlite_views.SqlitePatternViews(self._file)
        self.erasures = sqlite_erasures.SqliteErasures(self._file)
        self.configurations = sqlite_configurations.SqliteConfigurations(self._file)

    async def start(self) -> None:
        await self._file.write(_set_up)

    async def create(self, kb: str, user: str | None = None) -> None:
        await self._file.write(lambda db: _create(db, kb, user))

    async def name(self, kb: str, incarnation: str, user: str) -> None:
        await self._file.write(lambda db: _name(db, kb, incarnation, user))

    async def heads(self, instance: str, after: str, *, limit: int) -> Sequence[tuple[str, Head]]:
        return await self._file.read(lambda db: _heads(db, instance, after, limit))

    async def last(self, kb: str) -> int:
        return await self._file.read(lambda db: _last(db, kb))

    async def times(self, kb: str, revisions: Collection[int]) -> Mapping[int, datetime]:
        return await self._file.read(lambda db: _times(db, kb, revisions))

    async def learned_at(self, kb: str, after: int, until: int) -> datetime | None:
        return await self._file.read(lambda db: _learned_at(db, kb, after, until))

    async def remove_head(self, kb: str, head: Head) -> bool:
        return await self._file.write(lambda db: _remove_head(db, kb, head))

    async def sweep(self, kb: str, revision: int, *, limit: int) -> int:
        return await self._file.write(lambda db: _sweep(db, kb, revision, limit))

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        now = datetime.now(UTC)
        return await self._file.write(
            lambda db: _insert(
                db, [encoded(kb, first + i, entry, now) for i, entry in enumerate(entries)]
            )
        )

    async def head(self, kb: str) -> Head | None:
        document = await self._file.read(lambda db: _head(db, kb))
        return None if document is None else decoded_head(document)

    async def raise_head(self, kb: str, head: Head) -> None:
        await self._file.write(lambda db: _raise(db, kb, head))

    async def claim(self, kb: str, owner: str, *, lease_s: float) -> bool:
        return await self._file.write(lambda db: _claim(db, kb, owner, lease_s))

    async def release(self, kb: str, owner: str) -> None:
        await self._file.write(lambda db: _release(db, kb, owner))

    async def tail(self, kb: str, after: int, *, limit: int) -> Tail:
        return await self._file.read(lambda db: _tail(db, kb, after, limit))

    async def tokens(self, kb: str, after: int, until: int, *, limit: int) -> Sequence[Named]:
        return await self._file.read(lambda db: _tokens(db, kb, (after, until), limit))

    async def delete(self, kb: str, tokens: Mapping[int, str]) -> None:
        await self._file.write(lambda db: _delete(db, kb, tokens))

    async def old(self, kb: str, after: int, before: int, until: datetime, *, limit: int) -> int:
        return await self._file.read(lambda db: _old(db, kb, (after, before), until, limit))

    async def delete_until(self, kb: str, revision: int, *, limit: int) -> int:
        return await self._file.write(lambda db: _delete_until(db, kb, revision, limit))

    async def scrub(self) -> None:
        await self._file.write(_scrub)

    async def close(self) -> None:
        await self._file.close()


def _set_up(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    columns = "_id TEXT PRIMARY KEY, document TEXT NOT NULL"
    db.execute(f"CREATE TABLE IF NOT EXISTS log ({columns}) WITHOUT ROWID")
    db.execute(sqlite_views.TABLE)
    db.execute(sqlite_erasures.TABLE)
    db.execute(sqlite_configurations.TABLE)
    db.execute(sqlite_configurations.INDEX)


def _create(db: sqlite3.Connection, kb: str, user: str | None) -> None:
    with transaction(db):
        head = Head.of_new_log(uuid4().hex, sqlite_erasures.stored_floor(db), user)
        _insert_until_taken(db, [_row(encoded_head(kb, head))])


def _name(db: sqlite3.Connection, kb: str, incarnation: str, user: str) -> None:
    with transaction(db):
        document = _head(db, kb)
        if document is not None and document["incarnation"] == incarnation:
            _replace_head(db, kb, replace(decoded_head(document), user=user))


def _heads(
    db: sqlite3.Connection, instance: str, after: str, limit: int
) -> Sequence[tuple[str, Head]]:
    kbs = [instance] if not after else []
    first, last = bounds_of_users(instance)
    place = max(first, after_kb(after)) if after else first
    # One look-up in the index for each: a scan would read every entry of all logs.
    query = "SELECT _id FROM log WHERE _id > ? AND _id < ? ORDER BY _id LIMIT 1"
    while len(kbs) < limit and (found := db.execute(query, (place, last)).fetchone()) is not None:
        kbs.append(kb_of(found[0]))
        place = after_kb(kbs[-1])
    heads = ((kb, _head(db, kb)) for kb in kbs)
    return [(kb, decoded_head(head)) for kb, head in heads if head is not None]


def _last(db: sqlite3.Connection, kb: str) -> int:
    query = "SELECT _id FROM log WHERE _id >= ? AND _id < ? ORDER BY _id DESC LIMIT 1"
    found = db.execute(query, (document_id(kb, 0), head_id(kb))).fetchone()
    return 0 if found is None else revision_of(found[0])


def _times(db: sqlite3.Connection, kb: str, revisions: Collection[int]) -> Mapping[int, datetime]:
    query = "SELECT document ->> '$.at' FROM log WHERE _id = ?"
    found = {
        revision: db.execute(query, (document_id(kb, revision),)).fetchone()
        for revision in revisions
    }
    return {revision: moment(row[0]) for revision, row in found.items() if row is not None}


def _learned_at(db: sqlite3.Connection, kb: str, after: int, until: int) -> datetime | None:
    query = (
        "SELECT document ->> '$.at' FROM log WHERE _id > ? AND _id <= ?"
        " AND document ->> '$.kind' IN (?, ?) ORDER BY _id DESC LIMIT 1"
    )
    known = (document_id(kb, after), document_id(kb, until), *LEARNING)
    found = db.execute(query, known).fetchone()
    return None if found is None else moment(found[0])


def _remove_head(db: sqlite3.Connection, kb: str, head: Head) -> bool:
    with transaction(db):
        document = _head(db, kb)
        if document is None or not _is_same(decoded_head(document), head):
            return False
        if _documents(db, document_id(kb, head.checkpoint + 1), _last_id(kb)):
            return False
        db.execute("DELETE FROM log WHERE _id = ?", (head_id(kb),))
    return True


def _last_id(kb: str) -> str:
    """Sorts after every revision, and before the head."""
    return document_id(kb, LAST_REVISION)


def _is_same(one: Head, other: Head) -> bool:
    return (one.incarnation, one.checkpoint) == (other.incarnation, other.checkpoint)


def _sweep(db: sqlite3.Connection, kb: str, revision: int, limit: int) -> int:
    db.execute("DELETE FROM log WHERE _id = ?", (lease_id(kb),))
    return _delete_until(db, kb, revision, limit)


def _scrub(db: sqlite3.Connection) -> None:
    # Dropped content is overwritten in its pages (secure_delete). The write-ahead log still has it,
    # until everything in there is in the file.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _replace_head(db: sqlite3.Connection, kb: str, head: Head) -> None:
    text = orjson.dumps(encoded_head(kb, head)).decode()
    db.execute("UPDATE log SET document = ? WHERE _id = ?", (text, head_id(kb)))


def _insert(db: sqlite3.Connection, documents: list[dict[str, Any]]) -> int:
    rows = list(map(_row, documents))
    with transaction(db):
        return _insert_until_taken(db, rows)


def _insert_until_taken(db: sqlite3.Connection, rows: Sequence[sqlite_rows.Row]) -> int:
    """Insert rows up to the first whose id is taken; gives how many."""
    done = 0
    try:
        for block in sqlite_rows.blocks(rows):
            sqlite_rows.insert(db, block, "log")
            done += len(block)
    except sqlite3.IntegrityError:
        return done + _insert_one_by_one(db, rows[done:])
    return done


def _insert_one_by_one(db: sqlite3.Connection, rows: Sequence[sqlite_rows.Row]) -> int:
    for count, row in enumerate(rows):
        changed = db.execute("INSERT OR IGNORE INTO log VALUES (?, ?)", row).rowcount
        if not changed:
            return count
    return len(rows)


def _documents(
    db: sqlite3.Connection, first_id: str, last_id: str, limit: int = 1
) -> list[dict[str, Any]]:
    query = "SELECT document FROM log WHERE _id BETWEEN ? AND ? ORDER BY _id LIMIT ?"
    with closing(db.execute(query, (first_id, last_id, limit))) as cursor:
        try:
            return [orjson.loads(text) for (text,) in cursor]
        except UNDECODABLE as exc:
            raise unreadable("an entry of the log") from exc


def _head(db: sqlite3.Connection, kb: str) -> dict[str, Any] | None:
    found = _documents(db, head_id(kb), head_id(kb))
    return found[0] if found else None


def _raise(db: sqlite3.Connection, kb: str, head: Head) -> None:
    with transaction(db):
        document = _head(db, kb)
        if document is None or document["incarnation"] != head.incarnation:
            return
        _replace_head(db, kb, decoded_head(document).raised(head))


def _claim(db: sqlite3.Connection, kb: str, owner: str, lease_s: float) -> bool:
    now = time.time()
    lease = {"_id": lease_id(kb), "owner": owner, "until": now + lease_s}
    with transaction(db):
        db.execute(
            "DELETE FROM log WHERE _id = ?"
            " AND (document ->> '$.until' <= ? OR document ->> '$.until' > ?)",
            (lease_id(kb), now, now + LONGEST_LEASE_S),
        )
        return _insert_until_taken(db, [_row(lease)]) == 1


def _release(db: sqlite3.Connection, kb: str, owner: str) -> None:
    db.execute(
        "DELETE FROM log WHERE _id = ? AND document ->> '$.owner' = ?", (lease_id(kb), owner)
    )


def _row(document: dict[str, Any]) -> tuple[str, str]:
    return document["_id"], orjson.dumps(document).decode()


def _tail(db: sqlite3.Connection, kb: str, after: int, limit: int) -> Tail:
    documents = _documents(db, document_id(kb, after + 1), head_id(kb), limit)
    return tail_of(documents, _head(db, kb) if len(documents) == limit else None)


def _tokens(db: sqlite3.Connection, kb: str, between: tuple[int, int], limit: int) -> list[Named]:
    after, until = between
    # In one row: see sqlite_rows. None of the texts has a space.
    query = (
        "SELECT group_concat(_id || ' ' || (document ->> '$.token') || ' '"
        " || coalesce(document ->> '$.name', ''), char(10)) FROM"
        " (SELECT _id, document FROM log WHERE _id BETWEEN ? AND ? ORDER BY _id LIMIT ?)"
    )
    known = (document_id(kb, after + 1), document_id(kb, until), limit)
    (found,) = db.execute(query, known).fetchone()
    rows = (row.rsplit(" ", 2) for row in found.split("\n")) if found else ()
    return sorted(Named(revision_of(name), token, about) for name, token, about in rows)


def _delete(db: sqlite3.Connection, kb: str, tokens: Mapping[int, str]) -> None:
    for revision, token in tokens.items():
        db.execute(
            "DELETE FROM log WHERE _id = ? AND document ->> '$.token' = ?",
            (document_id(kb, revision), token),
        )


def _old(
    db: sqlite3.Connection, kb: str, between: tuple[int, int], until: datetime, limit: int
) -> int:
    after, before = between
    query = (
        "SELECT _id, document ->> '$.at' FROM log WHERE _id > ? AND _id < ? ORDER BY _id LIMIT ?"
    )
    known = (document_id(kb, after), document_id(kb, before), limit)
    with closing(db.execute(query, known)) as cursor:
        return old_run(after, ({"_id": name, "at": at} for name, at in cursor), until)


def _delete_until(db: sqlite3.Connection, kb: str, revision: int, limit: int) -> int:
    which = "SELECT _id FROM log WHERE _id BETWEEN ? AND ? ORDER BY _id LIMIT ?"
    known = (document_id(kb, 0), document_id(kb, revision), limit)
    return db.execute(f"DELETE FROM log WHERE _id IN ({which})", known).rowcount
