"""The log on the MongoDB protocol: one document per entry, one ordered insert per group."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pymongo import ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    CollectionInvalid,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern

from kato_service.connections.circuit import Circuit
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.documents import (
    Document,
    decoded_head,
    document_id,
    encoded,
    encoded_head,
    head_id,
    revision_of,
    tail_of,
)
from kato_service.knowledge.entries import Entry
from kato_service.knowledge.log import Head, Tail

OPERATION_TIMEOUT_S = 10.0
DECODED_AT_ONCE = 100
"""Entries; more of them would hold the event loop up."""
DUPLICATE_KEY = 11000
NAMESPACE_EXISTS = 48
_DURABLE = WriteConcern(w="majority", j=True)
_UNANSWERED = {False: StoreUnavailableError, True: OutcomeUnknownError}


class MongoKnowledgeLog:
    def __init__(
        self,
        database: AsyncDatabase[Document],
        *,
        timeout_s: float = OPERATION_TIMEOUT_S,
        circuit: Circuit | None = None,
    ) -> None:
        self._circuit = circuit or Circuit("mongodb")
        self._database = database
        self._timeout_s = timeout_s
        self._log = database.get_collection(
            "log", write_concern=_DURABLE, read_preference=ReadPreference.PRIMARY
        )

    async def start(self) -> None:
        async with self._mapped_errors(probing=True):
            try:
                await self._database.create_collection("log", check_exists=False)
            except (CollectionInvalid, OperationFailure) as exc:
                if isinstance(exc, OperationFailure) and exc.code != NAMESPACE_EXISTS:
                    raise

    async def create(self, kb: str) -> None:
        async with self._mapped_errors(writing=True):
            try:
                await self._log.insert_one(encoded_head(kb, Head(incarnation=uuid4().hex)))
            except DuplicateKeyError:
                return

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        now = datetime.now(UTC)
        documents = [encoded(kb, first + i, entry, now) for i, entry in enumerate(entries)]
        async with self._mapped_errors(writing=True):
            try:
                await self._log.insert_many(documents, ordered=True)
            except BulkWriteError as exc:
                return _inserted(exc)
        return len(documents)

    async def head(self, kb: str) -> Head | None:
        async with self._mapped_errors():
            document = await self._reading().find_one({"_id": head_id(kb)}, **self._bounds())
        return None if document is None else decoded_head(document)

    async def tail(self, kb: str, after: int, *, limit: int) -> Tail:
        if self._is_replicated:
            return await self._confirmed_tail(kb, after, limit)
        # One scan in order of _id meets the head last, so the head is no older than any entry,
        # and every entry acknowledged before the scan began is met.
        wanted = {"_id": {"$gte": document_id(kb, after + 1), "$lte": head_id(kb)}}
        async with self._mapped_errors():
            log = self._reading()
            found = log.find(wanted, sort=[("_id", 1)], limit=limit, **self._bounds())
            documents = await found.to_list()
            head = None
            if len(documents) == limit:
                head = await log.find_one({"_id": head_id(kb)}, **self._bounds())
        if len(documents) <= DECODED_AT_ONCE:
            return tail_of(documents, head)
        return await asyncio.to_thread(tail_of, documents, head)

    async def _confirmed_tail(self, kb: str, after: int, limit: int) -> Tail:
        """The same from a replica set, where a linearizable read confirms single documents only.

        So the range comes first, from whoever is taken for the primary; then the primary says
        whether the entry behind it exists, and the head.
        """
        async with self._mapped_errors():
            confirmed = self._reading()
            log = confirmed.with_options(read_concern=ReadConcern("majority"))
            wanted = {"_id": {"$gte": document_id(kb, after + 1), "$lt": head_id(kb)}}
            found = log.find(wanted, sort=[("_id", 1)], limit=limit, **self._bounds())
            documents = await found.to_list()
            end = revision_of(documents[-1]["_id"]) if documents else after
            following = {"_id": document_id(kb, end + 1)}
            more = await confirmed.find_one(following, **self._bounds()) is not None
            head = await confirmed.find_one({"_id": head_id(kb)}, **self._bounds())
        if more and not documents:
            raise StoreUnavailableError("mongodb is changing its primary")
        if head is None:
            return tail_of((), None)
        if more:
            return await asyncio.to_thread(tail_of, documents, head)
        return await asyncio.to_thread(tail_of, [*documents, head], None)

    async def delete(self, kb: str, tokens: Mapping[int, str]) -> None:
        async with self._mapped_errors(writing=True):
            for revision, token in tokens.items():
                await self._log.delete_one({"_id": document_id(kb, revision), "token": token})

    async def close(self) -> None:
        """The client belongs to the connections; nothing is open here."""

    def _reading(self) -> AsyncCollection[Document]:
        """A primary that lost its set must not answer: only a linearizable read finds out."""
        level = "linearizable" if self._is_replicated else "majority"
        return self._log.with_options(read_concern=ReadConcern(level))

    @property
    def _is_replicated(self) -> bool:
        return len(self._database.client.topology_description.server_descriptions()) > 1

    def _bounds(self) -> dict[str, Any]:
        return {"max_time_ms": int(self._timeout_s * 1000)}

    @asynccontextmanager
    async def _mapped_errors(
        self, *, writing: bool = False, probing: bool = False
    ) -> AsyncIterator[None]:
        """Through the circuit, unless *probing* whether it may close."""
        guard = nullcontext() if probing else self._circuit.guarding(_is_unanswered)
        try:
            with guard:
                async with asyncio.timeout(self._timeout_s):
                    yield
        except WaitQueueTimeoutError as exc:
            busy = "every connection to mongodb is in use: repeat later"
            raise StoreUnavailableError(busy) from exc
        except ServerSelectionTimeoutError as exc:
            raise StoreUnavailableError("mongodb cannot be reached") from exc
        except TimeoutError as exc:
            raise _UNANSWERED[writing]("mongodb did not answer in time") from exc
        except PyMongoError as exc:
            unknown = writing and _may_have_happened(exc)
            raise _UNANSWERED[unknown](f"mongodb failed: {_reason(exc)}") from exc


def _inserted(exc: BulkWriteError) -> int:
    """How many documents are in, where all that went wrong is a taken ``_id``."""
    errors = exc.details["writeErrors"]
    taken = [error["index"] for error in errors if error["code"] == DUPLICATE_KEY]
    if not taken or exc.details.get("writeConcernErrors"):
        raise exc
    return int(taken[0])


def _is_unanswered(exc: Exception) -> bool:
    """Whether MongoDB did not answer, or could not be reached; a busy pool says nothing of it."""
    silent = isinstance(exc, (ConnectionFailure, TimeoutError))
    return silent and not isinstance(exc, WaitQueueTimeoutError)


def _may_have_happened(exc: PyMongoError) -> bool:
    if isinstance(exc, BulkWriteError):
        return bool(exc.details.get("nInserted") or exc.details.get("writeConcernErrors"))
    if isinstance(exc, (ConnectionFailure, WriteConcernError)):
        return True
    return exc.timeout or exc.has_error_label("RetryableWriteError")


def _reason(exc: PyMongoError) -> str:
    code = exc.code if isinstance(exc, OperationFailure) else None
    return type(exc).__name__ if code is None else f"{type(exc).__name__} {code}"
