"""Collections of earlier versions, ``kato_<kb>_<e>``: one for each knowledge base and clear.

They are taken over while the service runs (decision 0073). Until one is gone, whatever is read is
read from both places, so nobody waits, and what a replica of an earlier version stores meanwhile is
found. In the background they are copied, and dropped once nobody has written to them for so long
that those replicas are gone. Copying may stop anywhere: it is repeated from the start, and points
that were copied twice are the same.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog
from qdrant_client.models import VectorParams

from kato_service.errors import KatoError, StoreUnavailableError
from kato_service.knowledge.vectors.dimensions import Dimensions
from kato_service.knowledge.vectors.qdrant_calls import CollectionMissingError, QdrantCalls
from kato_service.knowledge.vectors.shared_collections import SharedCollections, stored_in
from kato_service.knowledge.vectors.vector_scores import id_of_symbol
from kato_service.knowledge.vectors.vector_store import Stored, Vector, page_size

log = structlog.get_logger()

_NAME = re.compile(r"kato_(?P<kb>.+)_(?P<cleared>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Watching:
    """How long collections of earlier versions are watched, and how often."""

    watched_s: float = 3600.0
    """Seconds without a write after which a collection that was copied is dropped; and after a
    start, seconds in which replicas of an earlier version may still create collections."""
    relisted_s: float = 5.0
    """Seconds after which Qdrant is asked which collections there are, while there may be more."""
    relisted_later_s: float = 300.0
    pass_s: float = 30.0
    """Seconds between two passes over all collections."""


WATCHING = Watching()


@dataclass(frozen=True, slots=True)
class _Copied:
    points: int
    """How many there were. Points are only ever added, so another number means new ones."""
    since: float


class OlderCollections:
    def __init__(
        self,
        calls: QdrantCalls,
        instance: str,
        shared: SharedCollections,
        dimensions: Dimensions,
        *,
        watching: Watching = WATCHING,
    ) -> None:
        self._calls = calls
        self._own = re.compile(re.escape(instance) + "(~.*)?")
        self._shared = shared
        self._dimensions = dimensions
        self._watching = watching
        self._started = time.monotonic()
        self._names: frozenset[str] = frozenset()
        self._listed_at = float("-inf")
        self._listing = asyncio.Lock()
        self._copied: dict[str, _Copied] = {}
        self._strays: set[str] = set()
        """Collections with another dimension than their knowledge base, which stay."""

    async def exists(self, kb: str, cleared: int) -> bool:
        return collection_name(kb, cleared) in await self._listed()

    async def dimension(self, kb: str, cleared: int) -> int | None:
        """Dimension of the collection; None: there is none."""
        if not await self.exists(kb, cleared):
            return None
        return await self._dimension(collection_name(kb, cleared))

    async def nearest(
        self, kb: str, cleared: int, towards: Vector, limit: int, min_score: float
    ) -> list[tuple[float, Stored]]:
        """Up to *limit* of its vectors by their score in float32, best first."""
        name = collection_name(kb, cleared)
        if await self.dimension(kb, cleared) != len(towards):
            return []
        found = await self._calls.nearest(name, towards, limit, min_score)
        return [(point.score, stored_in(point)) for point in found]

    async def known(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, Stored]:
        """What it holds under *symbols*."""
        if not symbols or not await self.exists(kb, cleared):
            return {}
        ids = [id_of_symbol(symbol) for symbol in symbols]
        try:
            async with self._calls.mapped_errors():
                found = await self._calls.client.retrieve(
                    collection_name(kb, cleared), ids, with_payload=True
                )
        except CollectionMissingError:
            return {}
        return {one.symbol: one for one in map(stored_in, found)}

    async def symbols(self, kb: str, cleared: int) -> AsyncIterator[list[str]]:
        """The symbols of all its vectors, a bounded number at a time."""
        if not await self.exists(kb, cleared):
            return
        with suppress(CollectionMissingError):
            async for page in self._pages(collection_name(kb, cleared)):
                yield [one.symbol for one in page]

    async def drop_before(self, kb: str, cleared: int) -> None:
        """Drop those of *kb* from before the clear at *cleared*."""
        for name in await self._listed():
            base, revision = _parsed(name)
            if base == kb and revision < cleared:
                await self._drop(name)

    async def run(self) -> None:
        """Take over all collections of the instance, until cancelled."""
        while True:
            try:
                await self.take_over()
            except KatoError as error:
                log.warning("vectors not taken over yet", reason=error.message)
            await asyncio.sleep(self._watching.pass_s)

    async def take_over(self) -> None:
        """One pass: copy what changed, drop what nobody writes to any more."""
        for name in sorted(await self._listed()):
            if name not in self._strays:
                with suppress(CollectionMissingError):
                    await self._taken_over(name, *_parsed(name))

    async def _taken_over(self, name: str, kb: str, cleared: int) -> None:
        points, now = await self._count(name), time.monotonic()
        copied = self._copied.get(name)
        if copied is None or copied.points != points:
            if await self._copy(name, kb, cleared):
                self._copied[name] = _Copied(points, now)
                log.info("vectors copied", processor_id=kb, vectors=points)
        elif now - copied.since >= self._watching.watched_s and await self._count(name) == points:
            await self._drop(name)
            log.info("vectors taken over", processor_id=kb, vectors=points)

    async def _copy(self, name: str, kb: str, cleared: int) -> bool:
        """Copy all points; False if they have another dimension than those of *kb*, and stay."""
        own = await self._dimension(name)
        if own is None or await self._dimensions.agree(kb, cleared, own) != own:
            self._strays.add(name)
            log.warning("vectors of another dimension stay where they are", processor_id=kb)
            return False
        async for page in self._pages(name):
            vectors = {one.symbol: one.vector for one in page}
            known = await self._shared.known(kb, cleared, own, vectors)
            missing = {symbol: vectors[symbol] for symbol in vectors.keys() - known.keys()}
            if missing:
                await self._shared.write(kb, cleared, missing, {})
        if await self._dimensions.of(kb, cleared) is None:
            # A clear swept the knowledge base meanwhile. It forgets the dimension first, so either
            # it is seen here, or the sweep meets the points of this copy.
            await self._shared.drop_before(kb, cleared + 1)
        return True

    async def _pages(self, name: str) -> AsyncIterator[list[Stored]]:
        dimension, offset = await self._dimension(name), None
        while dimension is not None:
            async with self._calls.mapped_errors():
                points, offset = await self._calls.client.scroll(
                    name, limit=page_size(dimension), offset=offset, with_payload=True
                )
            yield [stored_in(point) for point in points]
            if offset is None:
                return

    async def _listed(self) -> frozenset[str]:
        """Names of the instance's collections of earlier versions, as of a moment ago."""
        if self._is_listed:
            return self._names
        async with self._listing:
            if not self._is_listed:
                asked = time.monotonic()
                async with self._calls.mapped_errors():
                    answer = await self._calls.client.get_collections()
                names = (each.name for each in answer.collections)
                self._names = frozenset(filter(self._is_own, names))
                self._listed_at = asked
        return self._names

    def _is_own(self, name: str) -> bool:
        found = _NAME.fullmatch(name)
        return found is not None and self._own.fullmatch(found["kb"]) is not None

    @property
    def _is_listed(self) -> bool:
        now, watching = time.monotonic(), self._watching
        may_grow = bool(self._names) or now - self._started < watching.watched_s
        return now - self._listed_at < (
            watching.relisted_s if may_grow else watching.relisted_later_s
        )

    async def _count(self, name: str) -> int:
        async with self._calls.mapped_errors():
            return (await self._calls.client.count(name, exact=True)).count

    async def _dimension(self, name: str) -> int | None:
        try:
            async with self._calls.mapped_errors():
                collection = await self._calls.client.get_collection(name)
        except CollectionMissingError:
            return None
        vectors = collection.config.params.vectors
        if not isinstance(vectors, VectorParams):
            raise StoreUnavailableError(
                f"collection {name!r} in qdrant was not created by this service; use another"
                " PROCESSOR_ID, or delete the collection"
            )
        return vectors.size

    async def _drop(self, name: str) -> None:
        self._names -= {name}
        self._copied.pop(name, None)
        with suppress(CollectionMissingError):
            async with self._calls.mapped_errors():
                await self._calls.client.delete_collection(name)


def collection_name(kb: str, cleared: int) -> str:
    return f"kato_{kb}_{cleared}"


def _parsed(name: str) -> tuple[str, int]:
    """Knowledge base and revision of its last clear. Parsed, never matched by prefix: ids of
    knowledge bases may end like a revision."""
    kb, _, cleared = name.removeprefix("kato_").rpartition("_")
    return kb, int(cleared)
