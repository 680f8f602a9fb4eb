"""Collections of earlier versions are taken over while replicas of both versions run."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from qdrant_client import AsyncQdrantClient
from vector_stores import qdrant_client, sqlite_dimensions

from kato_service.errors import StoreUnavailableError, VectorDimensionError, VectorNotFoundError
from kato_service.knowledge.vectors.dimensions import Dimensions
from kato_service.knowledge.vectors.older_collections import Watching
from kato_service.knowledge.vectors.qdrant_calls import QdrantCalls
from kato_service.knowledge.vectors.qdrant_store import QdrantStore
from kato_service.knowledge.vectors.vector_store import VectorStore
from support.older_vectors import Vector, store_as_before

VECTORS: dict[str, Vector] = {f"v{n:02}": (1.0, n / 10, 0.5) for n in range(11)}


def quick(watched_s: float) -> Watching:
    """Collections are listed at every look, and dropped after so many seconds without a write."""
    return Watching(watched_s=watched_s, relisted_s=0.0, relisted_later_s=0.0)


AT_ONCE, NEVER = quick(0.0), quick(3600.0)


@pytest.fixture
def kb() -> str:
    return f"kato-{uuid4().hex}"


@pytest.fixture
async def client(qdrant_url: str) -> AsyncIterator[AsyncQdrantClient]:
    """The client of a replica of an earlier version."""
    client = qdrant_client(qdrant_url)
    yield client
    await client.close()


@pytest.fixture
async def dimensions(tmp_path: Path) -> AsyncIterator[Dimensions]:
    async with sqlite_dimensions(tmp_path / "dimensions.sqlite") as made:
        yield made


NewReplica = Callable[[Watching], QdrantStore]


@pytest.fixture
async def new_replica(
    qdrant_url: str, dimensions: Dimensions, kb: str
) -> AsyncIterator[NewReplica]:
    """Makes replicas of this version."""
    async with AsyncExitStack() as stack:

        def new(watching: Watching) -> QdrantStore:
            client = qdrant_client(qdrant_url)
            stack.push_async_callback(client.close)
            return QdrantStore(QdrantCalls(client), dimensions, instance=kb, watching=watching)

        yield new


async def symbols_of(store: VectorStore, kb: str, cleared: int = 0) -> list[str]:
    return sorted([one.symbol async for page in store.pages(kb, cleared) for one in page])


async def check_all(store: VectorStore, kb: str, symbols: Iterable[str] = VECTORS) -> None:
    """Every way to read finds exactly these vectors."""
    wanted = {symbol: VECTORS[symbol] for symbol in symbols}
    assert await symbols_of(store, kb) == sorted(wanted)
    known = await store.known(kb, 0, [*VECTORS, "none"])
    assert {symbol: one.vector for symbol, one in known.items()} == wanted
    near = await store.neighbors(kb, 0, (1.0, 1.0, 0.5), limit=99, min_score=-1.0)
    assert sorted(one.symbol for one in near) == sorted(wanted)
    best = await store.neighbors(kb, 0, (1.0, 1.0, 0.5), limit=1, min_score=-1.0)
    assert best == near[:1]
    assert await store.dimension(kb, 0) == 3


async def exists(client: AsyncQdrantClient, name: str) -> bool:
    return name in {one.name for one in (await client.get_collections()).collections}


async def test_vectors_are_there_before_during_and_after_their_takeover(
    client: AsyncQdrantClient, new_replica: NewReplica, kb: str
) -> None:
    name = await store_as_before(client, kb, 0, VECTORS)
    here, there = new_replica(AT_ONCE), new_replica(NEVER)
    await check_all(here, kb)
    await here.take_over()
    await check_all(here, kb)
    await check_all(there, kb)
    assert await exists(client, name)
    await here.take_over()
    assert not await exists(client, name)
    await check_all(here, kb)
    await check_all(there, kb)
    await check_all(new_replica(NEVER), kb)


async def test_new_vectors_are_found_next_to_older_ones(
    client: AsyncQdrantClient, new_replica: NewReplica, kb: str
) -> None:
    older, newer = dict(list(VECTORS.items())[::2]), dict(list(VECTORS.items())[1::2])
    await store_as_before(client, kb, 0, older)
    here = new_replica(AT_ONCE)
    await here.store(kb, 0, newer)
    await check_all(here, kb)
    for _ in range(2):
        await here.take_over()
        await check_all(here, kb)


async def test_what_a_replica_of_an_earlier_version_stores_meanwhile_is_found_and_copied(
    client: AsyncQdrantClient, new_replica: NewReplica, kb: str
) -> None:
    given = list(VECTORS)
    here = new_replica(AT_ONCE)
    await check_none(here, kb)
    await store_as_before(client, kb, 0, {symbol: VECTORS[symbol] for symbol in given[:5]})
    await check_all(here, kb, given[:5])
    await here.take_over()
    name = await store_as_before(client, kb, 0, {one: VECTORS[one] for one in given[5:9]})
    await check_all(here, kb, given[:9])
    await here.take_over()  # it copies again, instead of dropping what it did not see
    assert await exists(client, name)
    await here.take_over()
    assert not await exists(client, name)
    await check_all(new_replica(NEVER), kb, given[:9])
    await store_as_before(client, kb, 0, {one: VECTORS[one] for one in given[9:]})
    await check_all(here, kb)


async def check_none(store: VectorStore, kb: str) -> None:
    assert await store.dimension(kb, 0) is None
    assert await symbols_of(store, kb) == []
    assert await store.known(kb, 0, VECTORS) == {}


async def test_a_collection_in_use_is_kept(
    client: AsyncQdrantClient, new_replica: NewReplica, kb: str
) -> None:
    name = await store_as_before(client, kb, 0, VECTORS)
    here = new_replica(NEVER)
    for _ in range(3):
        await here.take_over()
    assert await exists(client, name)


class Stopping:
    """A client whose process ends before its nth call, or after it."""

    def __init__(self, client: AsyncQdrantClient, calls: int, *, after: bool) -> None:
        self._client = client
        self._left = calls
        self._after = after
        self.ended = False

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Awaitable[Any]] = getattr(self._client, name)

        async def stopping(*given: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                self.ended = True
            if self.ended and not (self._after and self._left == -1):
                raise StoreUnavailableError("the process ended")
            answer = await call(*given, **named)
            if self.ended:
                raise StoreUnavailableError("the process ended")
            return answer

        return stopping


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
async def test_a_takeover_may_end_at_any_step(
    client: AsyncQdrantClient,
    new_replica: NewReplica,
    dimensions: Dimensions,
    kb: str,
    after: bool,
) -> None:
    watching, step, ended = new_replica(NEVER), 0, True
    while ended:
        base = f"{kb}~{step}"
        name = await store_as_before(client, base, 0, VECTORS)
        stopping = Stopping(client, step, after=after)
        calls = QdrantCalls(stopping)  # type: ignore[arg-type]  # the same methods
        replica = QdrantStore(calls, dimensions, instance=kb, watching=AT_ONCE)
        try:
            for _ in range(2):
                await replica.take_over()
        except StoreUnavailableError:
            pass
        ended = stopping.ended
        await check_all(watching, base)
        again = QdrantStore(QdrantCalls(client), dimensions, instance=kb, watching=AT_ONCE)
        for _ in range(2):
            await again.take_over()
        assert not await exists(client, name)
        await check_all(again, base)
        await check_all(watching, base)
        step += 1
    assert step > 10


async def test_several_replicas_may_take_over_at_once(
    client: AsyncQdrantClient, new_replica: NewReplica, kb: str
) -> None:
    name = await store_as_before(client, kb, 0, VECTORS)
    replicas = [new_replica(AT_ONCE) for _ in range(4)]
    for _ in range(3):
        await asyncio.gather(*(one.take_over() for one in replicas), check_all(replicas[0], kb))
    assert not await exists(client, name)
    for one in replicas:
        await check_all(one, kb)


async def test_the_dimension_of_older_vectors_holds(
    client: AsyncQdrantClient, new_replica: NewReplica, kb: str
) -> None:
    await store_as_before(client, kb, 0, VECTORS)
    here = new_replica(AT_ONCE)
    with pytest.raises(VectorDimensionError, match=r"dimension 2 .* dimension 3"):
        await here.store(kb, 0, {"x": (1.0, 2.0)})
    for _ in range(2):
        await here.take_over()
    with pytest.raises(VectorDimensionError, match=r"dimension 2 .* dimension 3"):
        await here.store(kb, 0, {"x": (1.0, 2.0)})


async def test_vectors_that_two_versions_stored_in_two_dimensions_are_all_kept(
    client: AsyncQdrantClient, new_replica: NewReplica, kb: str
) -> None:
    here = new_replica(AT_ONCE)
    await here.store(kb, 0, {"new": (1.0, 2.0)})
    name = await store_as_before(client, kb, 0, {"old": (1.0, 2.0, 3.0)})
    for _ in range(3):
        await here.take_over()
        assert (await here.get(kb, 0, "old")).vector == (1.0, 2.0, 3.0)
        near = await here.neighbors(kb, 0, (1.0, 2.0), limit=9, min_score=-1.0)
        assert [one.symbol for one in near] == ["new"]
    assert await exists(client, name)
    await here.drop_before(kb, 3)
    assert not await exists(client, name)


async def test_a_clear_drops_older_vectors_also_while_they_are_copied(
    client: AsyncQdrantClient, new_replica: NewReplica, dimensions: Dimensions, kb: str
) -> None:
    name = await store_as_before(client, kb, 0, VECTORS)
    here, there = new_replica(AT_ONCE), new_replica(AT_ONCE)
    agree = dimensions.agree

    async def cleared_meanwhile(base: str, cleared: int, dimension: int) -> int:
        agreed = await agree(base, cleared, dimension)
        await there.drop_before(kb, 7)
        return agreed

    dimensions.agree = cleared_meanwhile  # type: ignore[method-assign]  # what comes in between
    await here.take_over()
    dimensions.agree = agree  # type: ignore[method-assign]  # as it was
    assert not await exists(client, name)
    assert await here._shared.known(kb, 0, 3, VECTORS) == {}
    await here.store(kb, 7, {"x": (1.0, 2.0)})
    assert await symbols_of(there, kb, 7) == ["x"]
    with pytest.raises(VectorNotFoundError):
        await there.get(kb, 7, "v00")


async def test_collections_of_other_instances_are_left_alone(
    client: AsyncQdrantClient, new_replica: NewReplica, kb: str
) -> None:
    others = (f"{kb}_0", f"{kb}-2", f"x{kb}", f"{kb}.1~user", kb[:-1])
    names = [await store_as_before(client, other, 0, VECTORS) for other in others]
    own = await store_as_before(client, f"{kb}~user", 0, VECTORS)
    here = new_replica(AT_ONCE)
    for _ in range(2):
        await here.take_over()
    assert not await exists(client, own)
    for name in names:
        assert (await client.count(name)).count == len(VECTORS)
