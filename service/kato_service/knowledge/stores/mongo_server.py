"""How MongoDB is used: durable writes, reads of a confirmed primary, errors of the service."""

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
        """For reads of single documents that only a true primary may answer.

        A primary that lost its set does not know it yet. A linearizable read finds out, and MongoDB
        allows it for a single document only.
        """
        level = "linearizable" if self.is_replicated else "majority"
        return self.collection(name).with_options(read_concern=ReadConcern(level))

    def scanning(self, name: str) -> AsyncCollection[Document]:
        """For reads of many documents, from the presumed primary."""
        return self.collection(name).with_options(read_concern=ReadConcern("majority"))

    @property
    def is_replicated(self) -> bool:
        """Whether the driver knows more than one member."""
        return len(self._database.client.topology_description.server_descriptions()) > 1

    @property
    def bounds(self) -> dict[str, Any]:
        """Options of every read: the server stops it when nobody waits for it any more."""
        return {"max_time_ms": int(self._timeout_s * 1000)}

    async def make_collection(self, name: str) -> None:
        """Create a collection, unless it exists; several processes may do so at once."""
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
        """Map errors of the driver to those of the service, and bound the time inside.

        Args:
            writing: An unanswered call may have been carried out: its outcome is unknown.
            probing: Try the server even while its circuit is open, to find out whether to close it.

        Raises:
            StoreUnavailableError: MongoDB did not answer, or refused.
            OutcomeUnknownError: The same, of a write that may have been carried out.
        """
        guard = nullcontext() if probing else self._circuit.guarding(_is_unanswered)
        try:
            with guard:
                async with asyncio.timeout(self._timeout_s):
                    yield
        except WaitQueueTimeoutError as exc:
            busy = "every connection to mongodb is in use; retry later"
            raise StoreUnavailableError(busy) from exc
        except ServerSelectionTimeoutError as exc:
            raise StoreUnavailableError("mongodb cannot be reached") from exc
        except TimeoutError as exc:
            raise _UNANSWERED[writing]("mongodb did not answer in time") from exc
        except ConnectionFailure as exc:
            lost = "mongodb closed a connection, or is changing its primary; retry later"
            raise _UNANSWERED[writing](lost) from exc
        except PyMongoError as exc:
            unknown = writing and _may_have_happened(exc)
            raise _UNANSWERED[unknown](f"mongodb failed: {_reason(exc)}") from exc
        except DocumentTooLarge as exc:  # not a PyMongoError; documents before it may be in
            raise _UNANSWERED[writing]("mongodb accepts no document as large as that") from exc


def duplicates(exc: BulkWriteError) -> list[int]:
    """The indexes of the documents of an insert whose ``_id`` was taken.

    Raises:
        BulkWriteError: *exc* itself, if anything else went wrong, too.
    """
    errors = exc.details["writeErrors"]
    found = [int(error["index"]) for error in errors if error["code"] == DUPLICATE_KEY]
    if len(found) != len(errors) or not found or exc.details.get("writeConcernErrors"):
        raise exc
    return found


def _is_unanswered(exc: Exception) -> bool:
    """Whether MongoDB did not answer, or could not be reached; a busy pool proves neither."""
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
