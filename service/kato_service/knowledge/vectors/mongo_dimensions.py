"""Dimensions of knowledge bases in MongoDB: one document each, inserted or found to be there."""

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from kato_service.connections.circuit import Circuit
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.stores.documents import Document
from kato_service.knowledge.stores.mongo_server import MongoServer
from kato_service.knowledge.vectors.dimensions import (
    dimension_id,
    ids_before,
    knowledge_base_in,
    ranges_of,
)

COLLECTION = "vector_dimensions"
OPERATION_TIMEOUT_S = 10.0


class MongoDimensions:
    def __init__(
        self,
        database: AsyncDatabase[Document],
        *,
        timeout_s: float = OPERATION_TIMEOUT_S,
        circuit: Circuit | None = None,
    ) -> None:
        """*circuit*: the circuit breaker of this server, if something probes the server."""
        self._server = MongoServer(database, timeout_s, circuit or Circuit("mongodb"))
        self._documents = self._server.collection(COLLECTION)

    async def of(self, kb: str, cleared: int) -> int | None:
        which = {"_id": dimension_id(kb, cleared)}
        async with self._server.mapped_errors():
            reading = self._server.reading(COLLECTION)
            found = await reading.find_one(which, **self._server.bounds)
        return None if found is None else int(found["dimension"])

    async def agree(self, kb: str, cleared: int, dimension: int) -> int:
        # An insert: of several at once, every server lets one through.
        async with self._server.mapped_errors(writing=True):
            try:
                document = {"_id": dimension_id(kb, cleared), "dimension": dimension}
                await self._documents.insert_one(document)
            except DuplicateKeyError:
                pass
            else:
                return dimension
        known = await self.of(kb, cleared)
        if known is None:
            raise StoreUnavailableError("this knowledge base was cleared just now; retry later")
        return known

    async def drop_before(self, kb: str, cleared: int) -> None:
        async with self._server.mapped_errors(writing=True):
            await self._documents.delete_many(_between(ids_before(kb, cleared)))

    async def count(self, instance: str) -> int:
        async with self._server.mapped_errors():
            return sum(
                [
                    await self._documents.count_documents(
                        _between(each), maxTimeMS=self._server.bounds["max_time_ms"]
                    )
                    for each in ranges_of(instance)
                ]
            )

    async def knowledge_bases(self, instance: str) -> set[str]:
        found: set[str] = set()
        for each in ranges_of(instance):
            async with self._server.mapped_errors():
                documents = self._documents.find(_between(each), {"_id": 1}, **self._server.bounds)
                found |= {knowledge_base_in(one["_id"]) for one in await documents.to_list()}
        return found

    async def close(self) -> None:
        """Nothing to close: the client belongs to the connection pool."""


def _between(ends: tuple[str, str]) -> Document:
    first, end = ends
    return {"_id": {"$gte": first, "$lt": end}}
