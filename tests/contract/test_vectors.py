"""What every store of vectors promises."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from vector_stores import KINDS, NewStore, qdrant_client, sqlite_dimensions, vector_stores

from kato_service.errors import (
    StoreUnavailableError,
    VectorDimensionError,
    VectorNotFoundError,
)
from kato_service.knowledge.vectors.embedded_vectors import EmbeddedVectors
from kato_service.knowledge.vectors.qdrant_calls import QdrantCalls
from kato_service.knowledge.vectors.qdrant_store import QdrantStore
from kato_service.knowledge.vectors.vector_scores import in_order
from kato_service.knowledge.vectors.vector_store import Near, VectorStore


@pytest.fixture
def kb() -> str:
    return f"kato-{uuid4().hex}"


@pytest.fixture(params=KINDS)
async def new_store(
    request: pytest.FixtureRequest, tmp_path: Path, kb: str
) -> AsyncIterator[NewStore]:
    async with vector_stores(request.param, request, tmp_path, kb) as new:
        yield new


@pytest.fixture
def store(new_store: NewStore) -> VectorStore:
    return new_store()


async def test_a_vector_comes_back_as_it_was_given(store: VectorStore, kb: str) -> None:
    given = (0.1, -0.0, 1e-300, 1e300, math.pi)
    await store.store(kb, 0, {"VCTR|x": given})
    back = (await store.get(kb, 0, "VCTR|x")).vector
    assert [component.hex() for component in back] == [component.hex() for component in given]


async def test_an_unknown_symbol_has_no_vector(store: VectorStore, kb: str) -> None:
    with pytest.raises(VectorNotFoundError):
        await store.get(kb, 0, "VCTR|x")
    await store.store(kb, 0, {"VCTR|x": (1.0, 2.0)})
    with pytest.raises(VectorNotFoundError):
        await store.get(kb, 0, "VCTR|y")


async def test_neighbors_come_best_first_and_equal_ones_by_symbol(
    store: VectorStore, kb: str
) -> None:
    await store.store(kb, 0, {"far": (0.0, 1.0), "b": (2.0, 0.0), "near": (5.0, 1.0)})
    await store.store(kb, 0, {"c": (0.1, 0.0), "a": (7.0, 0.0)})
    found = await store.neighbors(kb, 0, (3.0, 0.0), limit=4, min_score=0.9)
    assert [one.symbol for one in found] == ["a", "b", "c", "near"]
    assert [one.score for one in found[:3]] == [1.0, 1.0, 1.0]
    assert found[3].score == pytest.approx(5 / math.sqrt(26))


async def test_a_tie_is_fetched_to_its_end_before_it_is_cut(store: VectorStore, kb: str) -> None:
    await store.store(kb, 0, {f"v{n:03}": (n + 1.0, (n + 1.0) / 3, 0.5) for n in range(5)})
    await store.store(kb, 0, {f"w{n:03}": (0.3 * n, 0.1 * n, 0.7 * n) for n in range(199, 0, -1)})
    found = await store.neighbors(kb, 0, (3.0, 1.0, 7.0), limit=3, min_score=0.999)
    assert [one.symbol for one in found] == ["w001", "w002", "w003"]


async def test_scores_below_the_minimum_are_left_out(store: VectorStore, kb: str) -> None:
    await store.store(kb, 0, {"x": (1.0, 1.0), "y": (1.0, 0.0)})
    found = await store.neighbors(kb, 0, (1.0, 0.0), limit=5, min_score=0.71)
    assert found == (("y", 1.0, (1.0, 0.0), None),)
    assert await store.neighbors(kb, 0, (1.0, 0.0), limit=0, min_score=0.0) == ()


async def test_vectors_of_any_size_have_neighbors(store: VectorStore, kb: str) -> None:
    await store.store(kb, 0, {"small": (1e-200, 0.0), "large": (1e200, 0.0)})
    found = await store.neighbors(kb, 0, (1e-310, 0.0), limit=2, min_score=0.9)
    assert [one.symbol for one in found] == ["large", "small"]


async def test_the_first_vector_fixes_the_dimension(store: VectorStore, kb: str) -> None:
    assert await store.dimension(kb, 0) is None
    await store.store(kb, 0, {"x": (1.0, 2.0, 3.0)})
    assert await store.dimension(kb, 0) == 3
    with pytest.raises(VectorDimensionError, match=r"dimension 2 .* dimension 3"):
        await store.store(kb, 0, {"y": (1.0, 2.0)})
    with pytest.raises(VectorDimensionError, match=r"dimension 2 .* dimension 3"):
        await store.neighbors(kb, 0, (1.0, 2.0), limit=1, min_score=0.0)


async def test_an_observation_of_two_dimensions_stores_nothing(store: VectorStore, kb: str) -> None:
    with pytest.raises(VectorDimensionError, match=r"dimension 3 .* dimension 2"):
        await store.store(kb, 0, {"x": (1.0, 2.0), "y": (1.0, 2.0, 3.0)})
    with pytest.raises(VectorNotFoundError):
        await store.get(kb, 0, "x")


async def test_racing_replicas_store_their_first_vectors(new_store: NewStore, kb: str) -> None:
    stores = [new_store() for _ in range(8)]
    await asyncio.gather(
        *(each.store(kb, 0, {f"v{n}": (n + 1.0, 1.0)}) for n, each in enumerate(stores))
    )
    found = await stores[0].neighbors(kb, 0, (1.0, 1.0), limit=20, min_score=-1.0)
    assert len(found) == 8


async def test_racing_replicas_agree_on_one_dimension(new_store: NewStore, kb: str) -> None:
    stores = [new_store() for _ in range(6)]
    done = await asyncio.gather(
        *(each.store(kb, 0, {f"v{n}": (1.0,) * (2 + n % 3)}) for n, each in enumerate(stores)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in done) == 2 * ["NoneType"] + 4 * [
        "VectorDimensionError"
    ]
    assert len({await each.dimension(kb, 0) for each in stores}) == 1


async def test_a_clear_drops_what_is_older_and_its_own_only(store: VectorStore, kb: str) -> None:
    others = (f"{kb}_1", f"{kb}_", f"x_{kb}", f"{kb}~x", kb.upper())
    for base in (kb, *others):
        await store.store(base, 0, {"x": (1.0, 2.0)})
        await store.store(base, 7, {"x": (1.0, 2.0, 3.0)})
    await store.drop_before(kb, 7)
    assert await store.dimension(kb, 7) == 3
    assert await store.known(kb, 0, ["x"]) == {}
    assert (await store.get(kb, 7, "x")).vector == (1.0, 2.0, 3.0)
    for base in others:
        assert [await store.dimension(base, cleared) for cleared in (0, 7)] == [2, 3]
        assert (await store.get(base, 0, "x")).vector == (1.0, 2.0)


async def test_vectors_are_listed_in_an_order_that_their_symbols_give(
    store: VectorStore, kb: str
) -> None:
    for number in range(30):
        await store.store(kb, 0, {f"v{number}": (1.0, float(number))})
        await store.store(f"{kb}~other", 0, {f"o{number}": (1.0, float(number))})
    pages = [page async for page in store.pages(kb, 0)]
    symbols = [one.symbol for page in pages for one in page]
    assert symbols == in_order(f"v{number}" for number in range(30))
    assert [page async for page in store.pages(kb, 1)] == []


async def test_labels_stay_until_there_is_another(store: VectorStore, kb: str) -> None:
    await store.store(kb, 0, {"x": (1.0, 2.0), "y": (2.0, 1.0)}, {"x": "cat"})
    await store.store(kb, 0, {"x": (1.0, 2.0), "y": (2.0, 1.0)})
    assert [(await store.get(kb, 0, each)).label for each in "xy"] == ["cat", None]
    await store.store(kb, 0, {"x": (1.0, 2.0), "y": (2.0, 1.0)}, {"x": "Katze", "y": "dog"})
    found = await store.neighbors(kb, 0, (1.0, 2.0), limit=2, min_score=0.0)
    assert [one.label for one in found] == ["Katze", "dog"]
    assert [one.label async for page in store.pages(kb, 0) for one in page] in (
        ["Katze", "dog"],
        ["dog", "Katze"],
    )


async def test_embedded_vectors_survive_a_restart(tmp_path: Path, kb: str) -> None:
    first = EmbeddedVectors(tmp_path)
    await first.store(kb, 0, {"x": (0.1, 0.2)})
    await first.close()
    second = EmbeddedVectors(tmp_path)
    assert (await second.get(kb, 0, "x")).vector == (0.1, 0.2)
    assert [one.symbol for one in await near(second, kb)] == ["x"]
    await second.store(kb, 0, {"y": (0.1, 0.3)})
    assert [one.symbol for one in await near(second, kb)] == ["x", "y"]
    await second.store(kb, 0, {"y": (0.1, 0.2)})  # other components under the same name
    assert [one.score for one in await near(second, kb)] == [1.0, 1.0]
    await second.close()


async def near(store: VectorStore, kb: str) -> tuple[Near, ...]:
    return await store.neighbors(kb, 0, (0.1, 0.2), limit=9, min_score=0.0)


async def test_reading_embedded_vectors_makes_no_file(tmp_path: Path, kb: str) -> None:
    store = EmbeddedVectors(tmp_path / "vectors")
    await store.open()
    assert await store.known(kb, 0, ["x"]) == {}
    assert await near(store, kb) == ()
    await store.drop_before(kb, 4)
    await store.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_server_that_cannot_be_reached_is_unavailable(tmp_path: Path, kb: str) -> None:
    client = qdrant_client("http://127.0.0.1:1")
    async with sqlite_dimensions(tmp_path / "dimensions.sqlite") as dimensions:
        with pytest.raises(StoreUnavailableError):
            await QdrantStore(QdrantCalls(client), dimensions).store(kb, 0, {"x": (1.0, 2.0)})
    await client.close()
