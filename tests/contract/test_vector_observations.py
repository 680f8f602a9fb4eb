"""Vectors of observations during clears and with other replicas, over a server and local mode."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from qdrant_client import AsyncQdrantClient

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.errors import StoreUnavailableError, VectorDimensionError, VectorNotFoundError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Clear
from kato_service.knowledge.stores.qdrant_store import QdrantStore, Vector, collection_name
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.processing.limits import ObservationLimits
from kato_service.processing.vector_names import vector_symbol
from kato_service.processing.vector_processor import VectorProcessor

GENES = Genes(vector_neighbors=3, vector_min_score=0.9, sort_symbols=False)
NewClient = Callable[[], AsyncQdrantClient]


def soon() -> Deadline:
    return Deadline.after(30)


class InterruptedStore(QdrantStore):
    """Runs *meanwhile* between the look-up of the last clear and the first write."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def store(self, kb: str, cleared: int, vectors: Mapping[str, Vector]) -> None:
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            await happen()
        await super().store(kb, cleared, vectors)


class Replica:
    """One process, as far as vectors are concerned."""

    def __init__(self, client: AsyncQdrantClient, log: SqliteKnowledgeLog, kb: str) -> None:
        self._kb = kb
        self.knowledge = KnowledgeBases(log, PlainPatterns)
        self.store = InterruptedStore(client)
        self._vectors = VectorProcessor(self.knowledge, self.store, ObservationLimits())

    async def observe(self, *vectors: Vector, genes: Genes = GENES) -> tuple[str, ...]:
        self._vectors.check(vectors)
        await self._vectors.check_known(self._kb, vectors, deadline=soon())
        return await self._vectors.symbols(self._kb, vectors, genes, deadline=soon())

    async def get(self, vector: Vector) -> Vector:
        return await self._vectors.get(self._kb, vector_symbol(vector), deadline=soon())

    async def clear(self) -> None:
        base = self.knowledge.get(self._kb)
        since = await base.tail(deadline=soon())
        await base.append([Clear(uuid4().hex)], since=since)
        await self._vectors.sweep(self._kb, deadline=soon())


@pytest.fixture(params=["local mode", "server"])
async def new_client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[NewClient]:
    """Makes a client: a new one for the server each time, because every process has its own."""
    async with AsyncExitStack() as stack:
        local = AsyncQdrantClient(path=str(tmp_path / "vectors"))
        stack.push_async_callback(local.close)

        def new() -> AsyncQdrantClient:
            if request.param == "local mode":
                return local
            url = request.getfixturevalue("qdrant_url")
            client = AsyncQdrantClient(url=url, check_compatibility=False, timeout=60)
            stack.push_async_callback(client.close)
            return client

        yield new


@pytest.fixture
def kb() -> str:
    return f"kato-{uuid4().hex}"


@pytest.fixture
async def new_replica(
    new_client: NewClient, tmp_path: Path, kb: str
) -> AsyncIterator[Callable[[], Awaitable[Replica]]]:
    async with AsyncExitStack() as stack:

        async def new() -> Replica:
            log = SqliteKnowledgeLog(tmp_path / "log.sqlite")
            replica = Replica(new_client(), log, kb)
            stack.push_async_callback(replica.knowledge.close)
            await replica.knowledge.start()
            return replica

        yield new


NewReplica = Callable[[], Awaitable[Replica]]


async def test_a_vector_is_found_by_others_once_its_symbol_is_acknowledged(
    new_replica: NewReplica,
) -> None:
    here, there = await new_replica(), await new_replica()
    (symbol,) = await here.observe((1.0, 0.0))
    assert await there.get((1.0, 0.0)) == (1.0, 0.0)
    assert await there.observe((2.0, 0.0)) == (vector_symbol((2.0, 0.0)), symbol)


async def test_each_symbol_enters_once_and_before_its_neighbours(
    new_replica: NewReplica,
) -> None:
    replica = await new_replica()
    near = ((1.0, 0.0), (1.0, 0.1), (1.0, 0.2))
    await replica.observe(*near)
    names = [vector_symbol(vector) for vector in near]
    found = await replica.observe(near[0], near[1])
    assert found == (names[0], names[1], names[2])
    ordered = await replica.observe(near[2], genes=Genes(vector_neighbors=1, sort_symbols=False))
    assert ordered == (names[2], names[1])
    sorted_ones = await replica.observe(near[0], genes=Genes(sort_symbols=True))
    assert sorted_ones == tuple(sorted(names))


async def test_a_write_to_a_collection_that_a_clear_dropped_goes_to_the_new_one(
    new_replica: NewReplica,
) -> None:
    here, there = await new_replica(), await new_replica()
    await here.observe((1.0, 0.0))
    here.store.meanwhile = there.clear
    assert await here.observe((0.0, 1.0)) == (vector_symbol((0.0, 1.0)),)
    assert await there.get((0.0, 1.0)) == (0.0, 1.0)
    with pytest.raises(VectorNotFoundError):
        await there.get((1.0, 0.0))


async def test_after_a_clear_another_dimension_is_accepted(new_replica: NewReplica) -> None:
    here, there = await new_replica(), await new_replica()
    await here.observe((1.0, 0.0))
    with pytest.raises(VectorDimensionError, match=r"dimension 3 .* dimension 2"):
        await there.observe((1.0, 0.0, 0.0))
    await there.clear()
    await here.observe((1.0, 0.0, 0.0))
    assert await there.get((1.0, 0.0, 0.0)) == (1.0, 0.0, 0.0)


async def test_leftover_collections_are_dropped_at_the_first_use_by_a_process(
    new_replica: NewReplica, new_client: NewClient, kb: str
) -> None:
    here = await new_replica()
    await here.clear()
    client = new_client()
    for base, cleared in (
        (kb, 0),
        (f"{kb}_0", 0),
    ):  # as an interrupted clear, or a late write, left it
        await QdrantStore(client).store(base, cleared, {"x": (1.0, 2.0)})
    restarted = await new_replica()
    await restarted.observe((1.0, 2.0))
    names = {collection.name for collection in (await client.get_collections()).collections}
    assert collection_name(kb, 0) not in names
    assert {collection_name(kb, 1), collection_name(f"{kb}_0", 0)} <= names


async def test_concurrent_first_vectors_of_two_dimensions_leave_one_dimension(
    new_replica: NewReplica,
) -> None:
    replicas = [await new_replica() for _ in range(6)]
    given: list[Vector] = [(1.0,) * (2 + n % 2) for n in range(6)]
    found = await asyncio.gather(
        *(one.observe(vector) for one, vector in zip(replicas, given, strict=True)),
        return_exceptions=True,
    )
    refused = [each for each in found if isinstance(each, BaseException)]
    assert [type(each) for each in refused] == [VectorDimensionError] * 3
    assert len({str(each) for each in refused}) == 1
    stored = {vector for vector, each in zip(given, found, strict=True) if each not in refused}
    assert len(stored) == 1
    assert await replicas[0].get(stored.pop())


async def test_neighbours_depend_neither_on_insertion_order_nor_on_the_client(
    tmp_path: Path, qdrant_url: str
) -> None:
    chance = random.Random(11)
    directions = [tuple(chance.choice((-1.0, 0.0, 0.5, 1.0)) for _ in range(4)) for _ in range(30)]
    given = [tuple(x * scale for x in each) for each in directions if any(each) for scale in (1, 3)]
    symbols = {vector_symbol(vector): vector for vector in given}
    local = AsyncQdrantClient(path=str(tmp_path))
    server = AsyncQdrantClient(url=qdrant_url, check_compatibility=False, timeout=60)
    answers = []
    for client in (local, server, server):
        store, name = QdrantStore(client), f"kato-{uuid4().hex}"
        order = chance.sample(sorted(symbols), len(symbols))
        for batch in (order[:7], order[7:19], order[19:]):
            await store.store(name, 0, {symbol: symbols[symbol] for symbol in batch})
        answers.append(
            [
                await store.neighbors(name, 0, vector, limit=limit, min_score=0.3)
                for vector in given[:8]
                for limit in (1, 4, 9)
            ]
        )
        await client.close() if client is local else None
    await server.close()
    assert answers[0] == answers[1] == answers[2]
    assert any(len({one.score for one in found}) < len(found) for found in answers[0])


async def test_a_collection_that_cannot_be_written_to_the_files_does_not_count_as_created(
    tmp_path: Path, kb: str
) -> None:
    client = AsyncQdrantClient(path=str(tmp_path / "vectors"))
    store = QdrantStore(client)
    (tmp_path / "vectors" / "meta.json.tmp").mkdir()  # writing it fails
    with pytest.raises(StoreUnavailableError):
        await store.store(kb, 0, {"x": (1.0, 2.0)})
    (tmp_path / "vectors" / "meta.json.tmp").rmdir()
    await store.store(kb, 0, {"x": (1.0, 2.0)})
    await client.close()
    again = AsyncQdrantClient(path=str(tmp_path / "vectors"))
    assert await QdrantStore(again).get(kb, 0, "x") == (1.0, 2.0)
    await again.close()
