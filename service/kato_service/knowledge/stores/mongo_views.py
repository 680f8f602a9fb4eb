"""Views of patterns in MongoDB: no upserts, no transactions, every write guarded by a revision.

A guarded upsert would insert a duplicate wherever the guard does not match. So a write has two
steps: replace what is older, insert what is missing. What others changed meanwhile is tried again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

import bson
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.model.index import StoredViews
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView, ViewPage
from kato_service.knowledge.stores.documents import Document, head_id
from kato_service.knowledge.stores.mongo_server import MongoServer, duplicates
from kato_service.knowledge.stores.view_documents import (
    cut_statistics,
    decoded_statistics,
    encoded_statistics,
    encoded_view,
    end_of_views,
    page_of,
    statistics_id,
    view_id,
)

UPDATES_AT_ONCE = 20
"""Updates per call, which has a time-out: a server without indexes takes milliseconds for each."""
ATTEMPTS = 3
"""Attempts to read or write what others write or discard meanwhile."""
Address = tuple[str, int | None]


class MongoPatternViews:
    def __init__(self, server: MongoServer, statistics_piece_bytes: int) -> None:
        self._server = server
        self._piece_bytes = statistics_piece_bytes
        self._patterns = server.collection("patterns")

    async def page(self, kb: str, after: str, *, limit: int) -> ViewPage:
        which = {"_id": {"$gt": view_id(kb, after), "$lt": end_of_views(kb)}}
        async with self._server.mapped_errors():
            primary = await self._confirmed_primary(kb)
            found = self._server.scanning("patterns").find_raw_batches(
                which, sort=[("_id", 1)], limit=limit, batch_size=limit, **self._server.bounds
            )
            batches = tuple([cast(bytes, batch) async for batch in found])  # raw bytes
        _require_same(primary, found.address)
        encoded = StoredViews(batches, is_bson=True)
        return await asyncio.to_thread(page_of, encoded, bson.decode, limit)

    async def write(self, kb: str, views: Sequence[PatternView]) -> None:
        await self._write(await asyncio.to_thread(lambda: [encoded_view(kb, v) for v in views]))

    async def statistics(self, kb: str) -> StatisticsView | None:
        for _ in range(ATTEMPTS):
            document = await self._document(kb, statistics_id(kb))
            if document is None:
                return None
            rows = await self._rows(kb, document.get("pieces", ()))
            if rows is not None:
                whole = {**document, "corrections": [*document["corrections"], *rows]}
                return await asyncio.to_thread(decoded_statistics, whole)
        raise StoreUnavailableError(
            "pieces of an import's statistics are missing, or are being replaced"
        )

    async def write_statistics(self, kb: str, view: StatisticsView) -> None:
        """Write new pieces, then the document that refers to them, then drop the old pieces."""
        header, pieces = await asyncio.to_thread(
            lambda: cut_statistics(encoded_statistics(kb, view), self._piece_bytes)
        )
        known = await self._revisions([header])
        if known.get(header["_id"], -1) >= view.revision:
            return
        for piece in pieces:
            await self._insert([piece])
        await self._write([header])
        await self._discard_pieces(kb, before=view.revision)

    async def discard(self, kb: str, cleared: int, *, limit: int) -> int:
        which = {
            "_id": {"$gt": view_id(kb, ""), "$lt": end_of_views(kb)},
            "revision": {"$lte": cleared},
        }
        async with self._server.mapped_errors(writing=True):
            found = self._patterns.find(which, {"_id": 1}, limit=limit, **self._server.bounds)
            names = [each["_id"] for each in await found.to_list()]
            some = {"_id": {"$in": names}, "revision": {"$lte": cleared}}
            count = (await self._patterns.delete_many(some)).deleted_count if names else 0
        if len(names) < limit:
            await self._discard_statistics(kb, cleared)
        return count

    async def _document(self, kb: str, identifier: str) -> Document | None:
        """The document, no older than what was acknowledged before this read."""
        async with self._server.mapped_errors():
            primary = await self._confirmed_primary(kb)
            found = self._server.scanning("patterns").find(
                {"_id": identifier}, limit=1, **self._server.bounds
            )
            documents = await found.to_list()
        _require_same(primary, found.address)
        return documents[0] if documents else None

    async def _rows(self, kb: str, pieces: Sequence[str]) -> list[Document] | None:
        """The corrections in *pieces*; None if one is gone, since the view was replaced."""
        rows: list[Document] = []
        for identifier in pieces:
            piece = await self._document(kb, identifier)
            if piece is None:
                return None
            rows += piece["corrections"]
        return rows

    async def _discard_statistics(self, kb: str, cleared: int) -> None:
        # Those at the clear itself say which import began with it.
        header = {"_id": statistics_id(kb), "revision": {"$lt": cleared}}
        async with self._server.mapped_errors(writing=True):
            await self._patterns.delete_one(header)
        await self._discard_pieces(kb, before=cleared)

    async def _discard_pieces(self, kb: str, *, before: int) -> None:
        first, last = statistics_id(kb) + ":", statistics_id(kb) + ";"
        async with self._server.mapped_errors(writing=True):
            await self._patterns.delete_many(
                {"_id": {"$gt": first, "$lt": last}, "revision": {"$lt": before}}
            )

    async def _write(self, documents: Sequence[Document]) -> None:
        """Write until all are stored, or newer ones: others write and discard meanwhile."""
        for _ in range(ATTEMPTS):
            known = await self._revisions(documents)
            older = [each for each in documents if _is_older(known, each)]
            missing = [each for each in documents if each["_id"] not in known]
            documents = [*await self._replace(older), *await self._insert(missing)]
            if not documents:
                return
        raise StoreUnavailableError("other processes keep replacing the views")

    async def _confirmed_primary(self, kb: str) -> Address | None:
        """The member that has just confirmed to be the primary, so that what is read from it next
        contains every view that a head vouches for; None if there is a single server."""
        if not self._server.is_replicated:
            return None
        log = self._server.reading("log")
        found = log.find({"_id": head_id(kb)}, limit=1, **self._server.bounds)
        await found.to_list()
        return found.address

    async def _revisions(self, documents: Sequence[Document]) -> Mapping[str, int]:
        """The stored revisions, so that no update is sent in vain. They may be outdated at once:
        that a write is right depends on its guard alone."""
        which = {"_id": {"$in": [document["_id"] for document in documents]}}
        patterns = self._server.scanning("patterns")
        async with self._server.mapped_errors():
            found = patterns.find(which, {"revision": 1}, **self._server.bounds)
            return {each["_id"]: each["revision"] for each in await found.to_list()}

    async def _replace(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Replace documents that were older in the store; gives those of batches in which some were
        newer, or gone."""
        doubtful: list[Document] = []
        for start in range(0, len(documents), UPDATES_AT_ONCE):
            some = documents[start : start + UPDATES_AT_ONCE]
            changes = [ReplaceOne(_older_than(each), each) for each in some]
            async with self._server.mapped_errors(writing=True):
                done = await self._patterns.bulk_write(changes, ordered=False)
            if done.matched_count < len(some):
                doubtful += some
        return doubtful

    async def _insert(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Insert documents that were missing; gives those that others have inserted since."""
        if not documents:
            return ()
        async with self._server.mapped_errors(writing=True):
            try:
                await self._patterns.insert_many(documents, ordered=False)
            except BulkWriteError as exc:
                return [documents[index] for index in duplicates(exc)]
        return ()


def _require_same(primary: Address | None, answered: Address | None) -> None:
    if primary not in (None, answered):
        raise StoreUnavailableError("mongodb is changing its primary")


def _older_than(document: Document) -> Document:
    return {"_id": document["_id"], "revision": {"$lt": document["revision"]}}


def _is_older(known: Mapping[str, int], document: Document) -> bool:
    return bool(known.get(document["_id"], document["revision"]) < document["revision"])
