"""The log in MongoDB: one document per entry, one ordered insert per group, no transactions."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError

from kato_service.connections.circuit import Circuit
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import Entry
from kato_service.knowledge.model.log import LONGEST_LEASE_S, Head, Named, Tail
from kato_service.knowledge.stores.documents import (
    LEARNING,
    Document,
    after_kb,
    bounds_of_users,
    decoded_head,
    document_id,
    encoded,
    encoded_figures,
    encoded_head,
    head_id,
    kb_of,
    lease_id,
    moment,
    old_run,
    revision_of,
    tail_of,
)
from kato_service.knowledge.stores.mongo_configurations import MongoConfigurations
from kato_service.knowledge.stores.mongo_erasures import COLLECTION, MongoErasures
from kato_service.knowledge.stores.mongo_server import MongoServer, duplicates
from kato_service.knowledge.stores.mongo_views import MongoPatternViews

OPERATION_TIMEOUT_S = 10.0
"""Seconds that one call may take, retries of the driver included."""
CONFIRMATIONS = 3
"""Attempts to read a range whose end is disputed, before the primary counts as changing."""
ORDERED = 100
"""Documents of one insert. FerretDB keeps the order inside of so many only: after one that is
refused, it goes on with the next hundred."""
DECODED_INLINE = 100
"""Entries that are decoded on the event loop; more of them would block it."""


class MongoKnowledgeLog:
    def __init__(
        self,
        database: AsyncDatabase[Document],
        *,
        timeout_s: float = OPERATION_TIMEOUT_S,
        circuit: Circuit | None = None,
        limits: KnowledgeLimits = DEFAULT_LIMITS,
    ) -> None:
        """*circuit*: the circuit breaker of this server, if something probes the server."""
        self._server = MongoServer(database, timeout_s, circuit or Circuit("mongodb"))
        self._log = self._server.collection("log")
        self.views = MongoPatternViews(self._server, limits.statistics_piece_bytes)
        self.erasures = MongoErasures(self._server)
        self.configurations = MongoConfigurations(self._server)

    async def start(self) -> None:
        for name in ("log", "patterns", COLLECTION):
            await self._server.make_collection(name)
        await self.configurations.start()

    async def create(self, kb: str, user: str | None = None) -> None:
        head = Head.of_new_log(uuid4().hex, await self.erasures.floor(), user)
        async with self._server.mapped_errors(writing=True):
            await self._insert_new(encoded_head(kb, head))

    async def name(self, kb: str, incarnation: str, user: str) -> None:
        which = {"_id": head_id(kb), "incarnation": incarnation}
        async with self._server.mapped_errors(writing=True):
            await self._log.update_one(which, {"$set": {"user": user}})

    async def heads(self, instance: str, after: str, *, limit: int) -> Sequence[tuple[str, Head]]:
        kbs = [instance] if not after else []
        first, last = bounds_of_users(instance)
        place = max(first, after_kb(after)) if after else first
        while len(kbs) < limit and (found := await self._next_kb(place, last)) is not None:
            kbs.append(found)
            place = after_kb(found)
        which = {"_id": {"$in": [head_id(kb) for kb in kbs]}}
        async with self._server.mapped_errors():
            documents = (
                await self._server.scanning("log").find(which, **self._server.bounds).to_list()
            )
        heads = {kb_of(each["_id"]): decoded_head(each) for each in documents}
        return [(kb, heads[kb]) for kb in kbs if kb in heads]

    async def _next_kb(self, after: str, before: str) -> str | None:
        """The knowledge base of the first document between two places of the log.

        One look-up in the index for each: a scan would read every entry of all logs.
        """
        async with self._server.mapped_errors():
            which = {"_id": {"$gt": after, "$lt": before}}
            found = await self._server.scanning("log").find_one(
                which, {"_id": 1}, sort=[("_id", 1)], **self._server.bounds
            )
        return None if found is None else kb_of(found["_id"])

    async def last(self, kb: str) -> int:
        which = {"_id": {"$gte": document_id(kb, 0), "$lt": head_id(kb)}}
        async with self._server.mapped_errors():
            found = await self._server.scanning("log").find_one(
                which, {"_id": 1}, sort=[("_id", -1)], **self._server.bounds
            )
        return 0 if found is None else revision_of(found["_id"])

    async def times(self, kb: str, revisions: Collection[int]) -> Mapping[int, datetime]:
        which = {"_id": {"$in": [document_id(kb, revision) for revision in revisions]}}
        async with self._server.mapped_errors():
            log = self._server.scanning("log")
            found = await log.find(which, {"at": 1}, **self._server.bounds).to_list()
        return {revision_of(each["_id"]): moment(each["at"]) for each in found}

    async def learned_at(self, kb: str, after: int, until: int) -> datetime | None:
        which = {
            "_id": {"$gt": document_id(kb, after), "$lte": document_id(kb, until)},
            "kind": {"$in": LEARNING},
        }
        async with self._server.mapped_errors():
            found = await self._server.scanning("log").find_one(
                which, {"at": 1}, sort=[("_id", -1)], **self._server.bounds
            )
        return None if found is None else moment(found["at"])

    async def remove_head(self, kb: str, head: Head) -> bool:
        which = {
            "_id": head_id(kb),
            "incarnation": head.incarnation,
            "checkpoint": head.checkpoint,
        }
        async with self._server.mapped_errors(writing=True):
            if await self._next_kb(document_id(kb, head.checkpoint), head_id(kb)) is not None:
                return False
            return (await self._log.delete_one(which)).deleted_count == 1

    async def sweep(self, kb: str, revision: int, *, limit: int) -> int:
        async with self._server.mapped_errors(writing=True):
            await self._log.delete_one({"_id": lease_id(kb)})
        return await self.delete_until(kb, revision, limit=limit)

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        now = datetime.now(UTC)
        documents = [encoded(kb, first + i, entry, now) for i, entry in enumerate(entries)]
        done = 0
        for batch in (documents[i : i + ORDERED] for i in range(0, len(documents), ORDERED)):
            try:
                count = await self._insert_in_order(batch)
            except StoreUnavailableError as error:
                if done and not isinstance(error, OutcomeUnknownError):
                    raise OutcomeUnknownError(error.message) from error
                raise
            done += count
            if count < len(batch):
                break
        return done

    async def _insert_in_order(self, documents: Sequence[Document]) -> int:
        """Insert them up to the first whose revision is taken, so that the log has no gaps."""
        async with self._server.mapped_errors(writing=True):
            try:
                await self._log.insert_many(documents, ordered=True)
            except BulkWriteError as exc:
                return duplicates(exc)[0]
        return len(documents)

    async def head(self, kb: str) -> Head | None:
        async with self._server.mapped_errors():
            log = self._server.reading("log")
            document = await log.find_one({"_id": head_id(kb)}, **self._server.bounds)
        return None if document is None else decoded_head(document)

    async def raise_head(self, kb: str, head: Head) -> None:
        numbers = {"checkpoint": head.checkpoint, "cleared": head.cleared, "trimmed": head.trimmed}
        if head.erased:
            numbers["erased"] = head.erased
        which = {"_id": head_id(kb), "incarnation": head.incarnation}
        async with self._server.mapped_errors(writing=True):
            if head.figures is not None:
                older = {**which, "checkpoint": {"$lt": head.checkpoint}}
                figures = {"figures": encoded_figures(head.figures)}
                done = await self._log.update_one(older, {"$max": numbers, "$set": figures})
                if done.matched_count:
                    return
            await self._log.update_one(which, {"$max": numbers})

    async def claim(self, kb: str, owner: str, *, lease_s: float) -> bool:
        now = datetime.now(UTC)
        lease = {"_id": lease_id(kb), "owner": owner, "until": now + timedelta(seconds=lease_s)}
        async with self._server.mapped_errors(writing=True):
            if await self._insert_new(lease):
                return True
            known = await self._log.find_one({"_id": lease_id(kb)}, **self._server.bounds)
            latest = now + timedelta(seconds=LONGEST_LEASE_S)
            if known is not None and now < known["until"].replace(tzinfo=UTC) <= latest:
                return False
            # Delete and insert instead of an update, which not every server does atomically: of
            # several that find the lease expired, the insert lets one through.
            if known is not None:
                await self._log.delete_one({"_id": lease_id(kb), "owner": known["owner"]})
            return await self._insert_new(lease)

    async def release(self, kb: str, owner: str) -> None:
        async with self._server.mapped_errors(writing=True):
            await self._log.delete_one({"_id": lease_id(kb), "owner": owner})

    async def tail(self, kb: str, after: int, *, limit: int) -> Tail:
        if limit == 1 and (single := await self._single(kb, after + 1)) is not None:
            return single
        if self._server.is_replicated:
            return await self._confirmed_tail(kb, after, limit)
        # One scan in order of _id meets the head last, so the head is no older than any entry, and
        # every entry that was acknowledged before the scan started is met.
        which = {"_id": {"$gte": document_id(kb, after + 1), "$lte": head_id(kb)}}
        bounds = self._server.bounds
        async with self._server.mapped_errors():
            log = self._server.scanning("log")
            found = log.find(which, sort=[("_id", 1)], limit=limit, **bounds)
            documents = await found.to_list()
            head = None
            if len(documents) == limit:
                head = await log.find_one({"_id": head_id(kb)}, **bounds)
        if len(documents) <= DECODED_INLINE:
            return tail_of(documents, head)
        return await asyncio.to_thread(tail_of, documents, head)

    async def _single(self, kb: str, revision: int) -> Tail | None:
        """The entry at *revision*, then the head; None: there is no such entry.

        Most tails of one entry ask whether a fold is still of this log, for every knowledge base in
        memory again and again. Two documents found by their ids cost less than a range.
        """
        log, bounds = self._server.reading("log"), self._server.bounds
        async with self._server.mapped_errors():
            entry = await log.find_one({"_id": document_id(kb, revision)}, **bounds)
            if entry is None:
                return None
            head = await log.find_one({"_id": head_id(kb)}, **bounds)
        return tail_of((entry,), head)

    async def _insert_new(self, document: Document) -> bool:
        """Insert it; False if there is one of its ``_id`` already."""
        try:
            await self._log.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    async def _confirmed_tail(self, kb: str, after: int, limit: int) -> Tail:
        """The same from a replica set, whose linearizable reads confirm single documents only."""
        for _ in range(CONFIRMATIONS):
            tail = await self._tail_if_confirmed(kb, after, limit)
            if tail is not None:
                return tail
        raise StoreUnavailableError("mongodb is changing its primary")

    async def _tail_if_confirmed(self, kb: str, after: int, limit: int) -> Tail | None:
        """Read the range from the presumed primary, then ask the confirmed primary whether there is
        an entry after the range, and for the head.

        Returns:
            None if the range was empty, but there is an entry after it: it came in just now, or the
            presumed primary was not the primary any more.
        """
        bounds = self._server.bounds
        async with self._server.mapped_errors():
            which = {"_id": {"$gte": document_id(kb, after + 1), "$lt": head_id(kb)}}
            log, confirmed = self._server.scanning("log"), self._server.reading("log")
            found = log.find(which, sort=[("_id", 1)], limit=limit, **bounds)
            documents = await found.to_list()
            end = revision_of(documents[-1]["_id"]) if documents else after
            following = {"_id": document_id(kb, end + 1)}
            more = await confirmed.find_one(following, **bounds) is not None
            head = await confirmed.find_one({"_id": head_id(kb)}, **bounds)
        if more and not documents:
            return None
        if head is None:
            return tail_of((), None)
        if more:
            return await asyncio.to_thread(tail_of, documents, head)
        return await asyncio.to_thread(tail_of, [*documents, head], None)

    async def tokens(self, kb: str, after: int, until: int, *, limit: int) -> Sequence[Named]:
        which = {"_id": {"$gte": document_id(kb, after + 1), "$lte": document_id(kb, until)}}
        async with self._server.mapped_errors():
            found = self._server.scanning("log").find(
                which,
                {"token": 1, "name": 1},
                sort=[("_id", 1)],
                limit=limit,
                **self._server.bounds,
            )
            documents = await found.to_list()
        return [
            Named(revision_of(each["_id"]), each["token"], each.get("name", ""))
            for each in documents
        ]

    async def delete(self, kb: str, tokens: Mapping[int, str]) -> None:
        async with self._server.mapped_errors(writing=True):
            for revision, token in tokens.items():
                await self._log.delete_one({"_id": document_id(kb, revision), "token": token})

    async def old(self, kb: str, after: int, before: int, until: datetime, *, limit: int) -> int:
        which = {"_id": {"$gte": document_id(kb, after + 1), "$lt": document_id(kb, before)}}
        async with self._server.mapped_errors():
            found = self._server.scanning("log").find(
                which, {"at": 1}, sort=[("_id", 1)], limit=limit, **self._server.bounds
            )
            return old_run(after, await found.to_list(), until)

    async def delete_until(self, kb: str, revision: int, *, limit: int) -> int:
        first, last = document_id(kb, 0), document_id(kb, revision)
        async with self._server.mapped_errors(writing=True):
            which = {"_id": {"$gte": first, "$lte": last}}
            found = self._log.find(which, {"_id": 1}, sort=[("_id", 1)], limit=limit)
            documents = await found.to_list()
            if not documents:
                return 0
            some = {"_id": {"$gte": first, "$lte": documents[-1]["_id"]}}
            return (await self._log.delete_many(some)).deleted_count

    async def scrub(self) -> None:
        """Nothing to do: the files belong to the server."""

    async def close(self) -> None:
        """Nothing to close: the client belongs to the connection pool."""
