"""How MongoDB is asked: durable writes, confirmed reads of the primary, errors of our own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from pymongo import ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    CollectionInvalid,
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern

from kato_service.connections.circuit import Circuit
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.stores.documents import Document

DUPLICATE_KEY = 11000
NAMESPACE_EXISTS = 48
_DURABLE = WriteConcern(w="majority", j=True)
_UNANSWERED = {False: StoreUnavailableError, True: OutcomeUnknownError}


class MongoServer:
    def __init__(
        self, database: AsyncDatabase[Document], timeout_s: float, circuit: Circuit
    ) -> None:
        self._circuit = circuit
        self._database = database
        self._timeout_s = timeout_s

    def collection(self, name: str) -> AsyncCollection[Document]:
        """Written durably, read from the primary."""
        return self._database.get_collection(
            name, write_concern=_DURABLE, read_preference=ReadPreference.PRIMARY
        )

    def reading(self, name: str) -> AsyncCollection[Document]:
        """A primary that lost its set must not answer: only a linearizable read, which is one of
        a single document, finds out."""
        level = "linearizable" if self.is_replicated else "majority"
        return self.collection(name).with_options(read_concern=ReadConcern(level))

    def scanning(self, name: str) -> AsyncCollection[Document]:
        """For reads of many documents, from whoever is taken for the primary."""
        return self.collection(name).with_options(read_concern=ReadConcern("majority"))

    @property
    def is_replicated(self) -> bool:
        return len(self._database.client.topology_description.server_descriptions()) > 1

    @property
    def bounds(self) -> dict[str, Any]:
        return {"max_time_ms": int(self._timeout_s * 1000)}

    async def make_collection(self, name: str) -> None:
        """Unless it is there; others may do the same at once."""
        async with self.mapped_errors(probing=True):
            try:
                await self._database.create_collection(name, check_exists=False)
            except (CollectionInvalid, OperationFailure) as exc:
                if isinstance(exc, OperationFailure) and exc.code != NAMESPACE_EXISTS:
                    raise

    @asynccontextmanager
    async def mapped_errors(
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
        except ConnectionFailure as exc:
            lost = "mongodb closed a connection, or changes its primary: repeat later"
            raise _UNANSWERED[writing](lost) from exc
        except PyMongoError as exc:
            unknown = writing and _may_have_happened(exc)
            raise _UNANSWERED[unknown](f"mongodb failed: {_reason(exc)}") from exc
        except DocumentTooLarge as exc:  # no PyMongoError; what went before may be in
            raise _UNANSWERED[writing]("mongodb takes no document as large as that") from exc


def taken(exc: BulkWriteError) -> list[int]:
    """Which documents of an insert found their ``_id`` taken, where nothing else went wrong."""
    errors = exc.details["writeErrors"]
    found = [int(error["index"]) for error in errors if error["code"] == DUPLICATE_KEY]
    if len(found) != len(errors) or not found or exc.details.get("writeConcernErrors"):
        raise exc
    return found


def _is_unanswered(exc: Exception) -> bool:
    """Whether MongoDB did not answer, or could not be reached; a busy pool says nothing of it."""
    silent = isinstance(exc, (ConnectionFailure, TimeoutError))
    return silent and not isinstance(exc, WaitQueueTimeoutError)


def _may_have_happened(exc: PyMongoError) -> bool:
    if isinstance(exc, BulkWriteError):
        return bool(exc.details.get("nInserted") or exc.details.get("writeConcernErrors"))
    if isinstance(exc, WriteConcernError):
        return True
    return exc.timeout or exc.has_error_label("RetryableWriteError")


def _reason(exc: PyMongoError) -> str:
    code = exc.code if isinstance(exc, OperationFailure) else None
    return type(exc).__name__ if code is None else f"{type(exc).__name__} {code}"
