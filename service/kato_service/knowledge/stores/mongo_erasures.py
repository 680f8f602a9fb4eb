"""Erasures in MongoDB."""

from collections.abc import Sequence

from pymongo.errors import DuplicateKeyError

from kato_service.knowledge.model.erasures import Erasure
from kato_service.knowledge.stores.erasure_documents import (
    FLOOR,
    decoded_erasure,
    encoded_erasure,
    erasure_id,
)
from kato_service.knowledge.stores.mongo_server import MongoServer

COLLECTION = "erasures"


class MongoErasures:
    def __init__(self, server: MongoServer) -> None:
        self._server = server
        self._erasures = server.collection(COLLECTION)

    async def begin(self, instance: str, erasure: Erasure) -> None:
        async with self._server.mapped_errors(writing=True):
            try:
                await self._erasures.insert_one(encoded_erasure(instance, erasure))
            except DuplicateKeyError:
                return  # an earlier try, whose answer was lost

    async def note(self, instance: str, erasure: Erasure) -> None:
        document = encoded_erasure(instance, erasure)
        async with self._server.mapped_errors(writing=True):
            await self._erasures.replace_one({"_id": document["_id"]}, document)

    async def since(self, instance: str, first: str) -> Sequence[Erasure]:
        which = {"_id": {"$gte": erasure_id(instance, first), "$lt": f"{instance};"}}
        async with self._server.mapped_errors():
            found = self._server.scanning(COLLECTION).find(
                which, sort=[("_id", 1)], **self._server.bounds
            )
            return tuple(map(decoded_erasure, await found.to_list()))

    async def forget(self, instance: str, before: str) -> None:
        which = {"_id": {"$gte": f"{instance}:", "$lt": erasure_id(instance, before)}}
        async with self._server.mapped_errors(writing=True):
            await self._erasures.delete_many({**which, "kb": {"$exists": False}})

    async def floor(self) -> int:
        async with self._server.mapped_errors():
            found = await self._server.reading(COLLECTION).find_one(
                {"_id": FLOOR}, **self._server.bounds
            )
        return 0 if found is None else int(found["revision"])

    async def raise_floor(self, revision: int) -> None:
        async with self._server.mapped_errors(writing=True):
            try:
                await self._erasures.insert_one({"_id": FLOOR, "revision": revision})
            except DuplicateKeyError:
                await self._erasures.update_one({"_id": FLOOR}, {"$max": {"revision": revision}})
