"""Vectors over a Qdrant server and the client's local mode."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from qdrant_client import AsyncQdrantClient

from kato_service.errors import (
    StoreUnavailableError,
    VectorDimensionError,
    VectorNotFoundError,
    VectorsClearedError,
)
from kato_service.knowledge.stores.qdrant_store import QdrantStore


@pytest.fixture(params=["local mode", "server"])
async def client(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[AsyncQdrantClient]:
    if request.param == "local mode":
        made = AsyncQdrantClient(path=str(tmp_path / "vectors"))
    else:
        url = request.getfixturevalue("qdrant_url")
        made = AsyncQdrantClient(url=url, check_compatibility=False, timeout=60)
    yield made
    await made.close()


@pytest.fixture
def store(client: AsyncQdrantClient) -> QdrantStore:
    return QdrantStore(client)


@pytest.fixture
def kb() -> str:
    return f"kato-{uuid4().hex}"


async def test_a_vector_comes_back_as_it_was_given(store: QdrantStore, kb: str) -> None:
    given = (0.1, -0.0, 1e-300, 1e300, math.pi)
    await store.store(kb, 0, {"VCTR|x": given})
    back = await store.get(kb, 0, "VCTR|x")
    assert [component.hex() for component in back] == [component.hex() for component in given]


async def test_an_unknown_symbol_has_no_vector(store: QdrantStore, kb: str) -> None:
    with pytest.raises(VectorNotFoundError):
        await store.get(kb, 0, "VCTR|x")
    await store.store(kb, 0, {"VCTR|x": (1.0, 2.0)})
    with pytest.raises(VectorNotFoundError):
        await store.get(kb, 0, "VCTR|y")


async def test_neighbors_come_best_first_and_equal_ones_by_symbol(
    store: QdrantStore, kb: str
) -> None:
    await store.store(kb, 0, {"far": (0.0, 1.0), "b": (2.0, 0.0), "near": (5.0, 1.0)})
    await store.store(kb, 0, {"c": (0.1, 0.0), "a": (7.0, 0.0)})
    found = await store.neighbors(kb, 0, (3.0, 0.0), limit=4, min_score=0.9)
    assert [one.symbol for one in found] == ["a", "b", "c", "near"]
    assert [one.score for one in found[:3]] == [1.0, 1.0, 1.0]
    assert found[3].score == pytest.approx(5 / math.sqrt(26))


async def test_a_tie_is_fetched_to_its_end_before_it_is_cut(store: QdrantStore, kb: str) -> None:
    await store.store(kb, 0, {f"v{n:03}": (n + 1.0, (n + 1.0) / 3, 0.5) for n in range(5)})
    await store.store(kb, 0, {f"w{n:03}": (0.3 * n, 0.1 * n, 0.7 * n) for n in range(199, 0, -1)})
    found = await store.neighbors(kb, 0, (3.0, 1.0, 7.0), limit=3, min_score=0.999)
    assert [one.symbol for one in found] == ["w001", "w002", "w003"]


async def test_scores_below_the_minimum_are_left_out(store: QdrantStore, kb: str) -> None:
    await store.store(kb, 0, {"x": (1.0, 1.0), "y": (1.0, 0.0)})
    found = await store.neighbors(kb, 0, (1.0, 0.0), limit=5, min_score=0.71)
    assert found == (("y", 1.0, (1.0, 0.0)),)
    assert await store.neighbors(kb, 0, (1.0, 0.0), limit=0, min_score=0.0) == ()


async def test_vectors_of_any_size_have_neighbors(store: QdrantStore, kb: str) -> None:
    await store.store(kb, 0, {"small": (1e-200, 0.0), "large": (1e200, 0.0)})
    found = await store.neighbors(kb, 0, (1e-310, 0.0), limit=2, min_score=0.9)
    assert [one.symbol for one in found] == ["large", "small"]


async def test_the_first_vector_fixes_the_dimension(store: QdrantStore, kb: str) -> None:
    assert await store.dimension(kb, 0) is None
    await store.store(kb, 0, {"x": (1.0, 2.0, 3.0)})
    assert await store.dimension(kb, 0) == 3
    with pytest.raises(VectorDimensionError, match=r"dimension 2 .* dimension 3"):
        await store.store(kb, 0, {"y": (1.0, 2.0)})
    with pytest.raises(VectorDimensionError, match=r"dimension 2 .* dimension 3"):
        await store.neighbors(kb, 0, (1.0, 2.0), limit=1, min_score=0.0)


async def test_an_observation_of_two_dimensions_stores_nothing(store: QdrantStore, kb: str) -> None:
    with pytest.raises(VectorDimensionError, match=r"dimension 3 .* dimension 2"):
        await store.store(kb, 0, {"x": (1.0, 2.0), "y": (1.0, 2.0, 3.0)})
    with pytest.raises(VectorNotFoundError):
        await store.get(kb, 0, "x")


async def test_a_collection_is_created_once_by_racing_replicas(
    client: AsyncQdrantClient, kb: str
) -> None:
    stores = [QdrantStore(client) for _ in range(8)]
    await asyncio.gather(
        *(each.store(kb, 0, {f"v{n}": (n + 1.0, 1.0)}) for n, each in enumerate(stores))
    )
    found = await stores[0].neighbors(kb, 0, (1.0, 1.0), limit=20, min_score=-1.0)
    assert len(found) == 8


async def test_a_clear_starts_a_collection_and_drops_only_its_own_older_ones(
    store: QdrantStore, kb: str
) -> None:
    for base in (kb, f"{kb}_1", f"{kb}_", f"x_{kb}"):
        await store.store(base, 0, {"x": (1.0, 2.0)})
        await store.store(base, 7, {"x": (1.0, 2.0, 3.0)})
    await store.drop_before(kb, 7)
    assert await store.dimension(kb, 0) is None
    assert await store.dimension(kb, 7) == 3
    for base in (f"{kb}_1", f"{kb}_", f"x_{kb}"):
        assert [await store.dimension(base, cleared) for cleared in (0, 7)] == [2, 3]


async def test_a_write_whose_collection_was_dropped_fails(
    client: AsyncQdrantClient, kb: str
) -> None:
    here, there = QdrantStore(client), QdrantStore(client)
    await here.store(kb, 0, {"x": (1.0, 2.0)})
    await there.drop_before(kb, 4)
    with pytest.raises(VectorsClearedError):
        await here.store(kb, 0, {"y": (1.0, 2.0)})
    await here.store(kb, 4, {"y": (1.0, 2.0)})
    assert await there.get(kb, 4, "y") == (1.0, 2.0)
    assert await here.neighbors(kb, 0, (1.0, 2.0), limit=3, min_score=0.0) == ()


async def test_local_vectors_survive_a_restart(tmp_path: Path, kb: str) -> None:
    first = AsyncQdrantClient(path=str(tmp_path))
    await QdrantStore(first).store(kb, 0, {"x": (0.1, 0.2)})
    await first.close()
    second = AsyncQdrantClient(path=str(tmp_path))
    assert await QdrantStore(second).get(kb, 0, "x") == (0.1, 0.2)
    await second.close()


async def test_a_server_that_cannot_be_reached_is_unavailable(kb: str) -> None:
    client = AsyncQdrantClient(url="http://127.0.0.1:1", check_compatibility=False)
    with pytest.raises(StoreUnavailableError):
        await QdrantStore(client).store(kb, 0, {"x": (1.0, 2.0)})
    await client.close()
