"""Configurations of users in MongoDB."""

from collections.abc import Sequence

from pymongo.errors import DuplicateKeyError

from kato_service.knowledge.model.configurations import ConfigurationEntry, StoredEntry
from kato_service.knowledge.stores.configuration_documents import (
    configuration_id,
    decoded_configurations,
    encoded_configuration,
    end_of_configurations,
    revision_in,
)
from kato_service.knowledge.stores.documents import Document
from kato_service.knowledge.stores.mongo_server import MongoServer

COLLECTION = "configurations"
FORGOTTEN_AT_ONCE = 1000


class MongoConfigurations:
    def __init__(self, server: MongoServer) -> None:
        self._server = server
        self._entries = server.collection(COLLECTION)

    async def start(self) -> None:
        """Set the collection up; may be repeated."""
        await self._server.make_collection(COLLECTION)
        async with self._server.mapped_errors(probing=True):
            await self._entries.create_index("kb")

    async def insert(self, instance: str, revision: int, entry: ConfigurationEntry) -> None:
        async with self._server.mapped_errors(writing=True):
            try:
                await self._entries.insert_one(encoded_configuration(instance, revision, entry))
            except DuplicateKeyError:
                return

    async def since(self, instance: str, first: int, *, limit: int) -> Sequence[StoredEntry]:
        found = await self._range(instance, first, limit)
        while len(found) < limit and await self._has(instance, _after(found, first)):
            # A primary that lost its set has not seen it; a read of one document finds out.
            found = await self._range(instance, first, limit)
        return decoded_configurations(found)

    async def blank(self, instance: str, kb: str, before: int) -> None:
        which = {**_between(instance, 0, before), "kb": kb}
        async with self._server.mapped_errors(writing=True):
            found = (
                await self._server.scanning(COLLECTION)
                .find(which, {"_id": 1}, sort=[("_id", 1)], **self._server.bounds)
                .to_list()
            )
            for each in found:
                await self._entries.update_one(each, {"$unset": {"kb": "", "genes": ""}})

    async def forget(self, instance: str, before: int, until: float) -> None:
        which = {**_between(instance, 0, before), "kb": None, "at": {"$lte": until}}
        async with self._server.mapped_errors(writing=True):
            old = (
                await self._server.scanning(COLLECTION)
                .find(which, {"removes": 1}, limit=FORGOTTEN_AT_ONCE, **self._server.bounds)
                .to_list()
            )
            removed = [
                configuration_id(instance, each["removes"]) for each in old if "removes" in each
            ]
            left = (
                await self._server.scanning(COLLECTION)
                .find(
                    {"_id": {"$in": removed}, "kb": {"$ne": None}},
                    {"_id": 1},
                    **self._server.bounds,
                )
                .to_list()
            )
            kept = {revision_in(each) for each in left}
            done = [each["_id"] for each in old if each.get("removes") not in kept]
            await self._entries.delete_many({"_id": {"$in": done}})

    async def _range(self, instance: str, first: int, limit: int) -> list[Document]:
        async with self._server.mapped_errors():
            return (
                await self._server.scanning(COLLECTION)
                .find(
                    _between(instance, first), sort=[("_id", 1)], limit=limit, **self._server.bounds
                )
                .to_list()
            )

    async def _has(self, instance: str, revision: int) -> bool:
        if not self._server.is_replicated:
            return False
        async with self._server.mapped_errors():
            found = await self._server.reading(COLLECTION).find_one(
                {"_id": configuration_id(instance, revision)}, {"_id": 1}, **self._server.bounds
            )
        return found is not None


def _between(instance: str, first: int, before: int | None = None) -> Document:
    end = end_of_configurations(instance) if before is None else configuration_id(instance, before)
    return {"_id": {"$gte": configuration_id(instance, first), "$lt": end}}


def _after(found: Sequence[Document], first: int) -> int:
    """The revision after the last one of *found*, which was read from *first* on."""
    return revision_in(found[-1]) + 1 if found else max(first, 1)
