"""Vectors of observations during clears and with other replicas, over a server and local mode."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from vector_stores import KINDS, NewStore, vector_stores

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.errors import VectorDimensionError, VectorNotFoundError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Clear
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.vectors.vector_store import Vector, VectorStore
from kato_service.processing.limits import ObservationLimits
from kato_service.processing.vector_processor import VectorProcessor
from kato_service.processing.vectors.vector_names import vector_symbol

GENES = Genes(vector_neighbors=3, vector_min_score=0.9, sort_symbols=False)


def soon() -> Deadline:
    return Deadline.after(30)


class Replica:
    """One process, as far as vectors are concerned."""

    def __init__(self, store: VectorStore, log: SqliteKnowledgeLog, kb: str) -> None:
        self._kb = kb
        self.knowledge = KnowledgeBases(log, PlainPatterns)
        self.store = store
        self._vectors = VectorProcessor(self.knowledge, self.store, ObservationLimits())

    def interrupted_by(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Run *meanwhile* between the look-up of the last clear and the next write."""
        store = self.store.store

        async def interrupted(
            kb: str, cleared: int, vectors: Mapping[str, Vector], labels: Mapping[str, str] = {}
        ) -> None:
            self.store.store = store  # type: ignore[method-assign]  # as it was
            await meanwhile()
            await store(kb, cleared, vectors, labels)

        self.store.store = interrupted  # type: ignore[method-assign]  # for one call

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


@pytest.fixture(params=KINDS)
async def new_store(
    request: pytest.FixtureRequest, tmp_path: Path, kb: str
) -> AsyncIterator[NewStore]:
    async with vector_stores(request.param, request, tmp_path, kb) as new:
        yield new


@pytest.fixture
def kb() -> str:
    return f"kato-{uuid4().hex}"


@pytest.fixture
async def new_replica(
    new_store: NewStore, tmp_path: Path, kb: str
) -> AsyncIterator[Callable[[], Awaitable[Replica]]]:
    async with AsyncExitStack() as stack:

        async def new() -> Replica:
            log = SqliteKnowledgeLog(tmp_path / "log.sqlite")
            replica = Replica(new_store(), log, kb)
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


async def test_a_vector_that_is_stored_during_a_clear_is_there_after_it(
    new_replica: NewReplica,
) -> None:
    here, there = await new_replica(), await new_replica()
    await here.observe((1.0, 0.0))
    here.interrupted_by(there.clear)
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


async def test_what_an_interrupted_clear_left_is_dropped_at_the_first_use_by_a_process(
    new_replica: NewReplica, kb: str
) -> None:
    here = await new_replica()
    await here.clear()
    for base in (kb, f"{kb}_0"):  # as an interrupted clear, or a late write, left it
        await here.store.store(base, 0, {"x": (1.0, 2.0)})
    restarted = await new_replica()
    await restarted.observe((1.0, 2.0))
    assert await restarted.store.known(kb, 0, ["x"]) == {}
    assert (await restarted.store.get(f"{kb}_0", 0, "x")).vector == (1.0, 2.0)
    assert await restarted.get((1.0, 2.0)) == (1.0, 2.0)


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


async def test_neighbours_depend_neither_on_insertion_order_nor_on_the_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    chance = random.Random(11)
    directions = [tuple(chance.choice((-1.0, 0.0, 0.5, 1.0)) for _ in range(4)) for _ in range(30)]
    given = [tuple(x * scale for x in each) for each in directions if any(each) for scale in (1, 3)]
    symbols = {vector_symbol(vector): vector for vector in given}
    answers = []
    for kind in ("embedded", "qdrant and sqlite", "qdrant and sqlite"):
        name = f"kato-{uuid4().hex}"
        async with vector_stores(kind, request, tmp_path / name, name) as new:
            store = new()
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
    assert answers[0] == answers[1] == answers[2]
    assert any(len({one.score for one in found}) < len(found) for found in answers[0])
