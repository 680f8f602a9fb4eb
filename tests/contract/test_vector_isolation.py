"""No knowledge base sees, changes or drops vectors of another one in the collection they share."""

from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from qdrant_client import AsyncQdrantClient
from qdrant_client.models import FieldCondition, Filter, FilterSelector
from vector_stores import KINDS, NewStore, qdrant_client, sqlite_dimensions, vector_stores

from kato_service.domain.identity import processor_id_of
from kato_service.errors import VectorNotFoundError
from kato_service.knowledge.vectors.qdrant_calls import QdrantCalls
from kato_service.knowledge.vectors.qdrant_store import QdrantStore
from kato_service.knowledge.vectors.vector_store import Vector, VectorStore

SYMBOLS = ("VCTR|x", "VCTR|y", "0:VCTR|x", "x", "%", "_", "*", "VCTR|X", "VCTR|x ")
"""Symbols that are the same in every knowledge base, some easily confused with others."""


@pytest.fixture
def instance() -> str:
    return f"k.-_{uuid4().hex}"


def look_alikes(instance: str) -> list[str]:
    users = ("a", "A", "a ", "a%", "a_", "*", "ａ", "é", "e\u0301", f"{instance}~a")
    return [instance, *(processor_id_of(instance, user) for user in users)]


def vector_of(number: int, kb: int) -> Vector:
    """Nearly the same in every knowledge base, so that others' would be among the neighbours."""
    return (1.0, number / 100, kb / 1000)


@pytest.fixture(params=KINDS)
async def new_store(
    request: pytest.FixtureRequest, tmp_path: Path, instance: str
) -> AsyncIterator[NewStore]:
    async with vector_stores(request.param, request, tmp_path, instance) as new:
        yield new


async def filled(store: VectorStore, kbs: list[str]) -> None:
    for place, kb in enumerate(kbs):
        vectors = {symbol: vector_of(n, place) for n, symbol in enumerate(SYMBOLS)}
        labels = {symbol: f"{place} {symbol}" for symbol in SYMBOLS}
        await store.store(kb, 0, vectors, labels)


async def check_own(store: VectorStore, kb: str, place: int) -> None:
    """Whatever is asked for *kb*, the answer is its own vectors."""
    own = {symbol: vector_of(n, place) for n, symbol in enumerate(SYMBOLS)}
    near = await store.neighbors(kb, 0, (1.0, 0.0, 0.0), limit=1000, min_score=-1.0)
    assert {one.symbol: one.vector for one in near} == own
    assert {one.label for one in near} == {f"{place} {symbol}" for symbol in SYMBOLS}
    (nearest,) = await store.neighbors(kb, 0, (1.0, 0.0, 0.005), limit=1, min_score=-1.0)
    assert nearest.vector in own.values()
    known = await store.known(kb, 0, [*SYMBOLS, "z"])
    assert {symbol: one.vector for symbol, one in known.items()} == own
    listed = chain.from_iterable([page async for page in store.pages(kb, 0)])
    assert {one.symbol: one.vector for one in listed} == own


async def test_knowledge_bases_with_similar_ids_share_nothing(
    new_store: NewStore, instance: str
) -> None:
    here, there, kbs = new_store(), new_store(), look_alikes(instance)
    await filled(here, kbs)
    for place, kb in enumerate(kbs):
        await check_own(there, kb, place)
    await here.drop_before(kbs[0], 5)
    await there.drop_before(kbs[3], 12)
    for place, kb in enumerate(kbs):
        if place in (0, 3):
            assert await here.known(kb, 0, SYMBOLS) == {}
            with pytest.raises(VectorNotFoundError):
                await here.get(kb, 0, SYMBOLS[0])
        else:
            await check_own(here, kb, place)
    for stranger in (f"{instance}~", instance[:-1], f"{instance}~{'0' * 40}", instance.upper()):
        assert await there.known(stranger, 0, SYMBOLS) == {}
        near = await there.neighbors(stranger, 0, (1.0, 0.0, 0.0), limit=9, min_score=-1.0)
        assert near == ()
        assert [page async for page in there.pages(stranger, 0)] == []


async def test_dimensions_of_one_size_are_not_compared(new_store: NewStore, instance: str) -> None:
    store, kbs = new_store(), look_alikes(instance)[:4]
    for dimension, kb in enumerate(kbs, start=1):
        await store.store(kb, 0, {"x": (1.0,) * dimension})
    for dimension, kb in enumerate(kbs, start=1):
        near = await store.neighbors(kb, 0, (1.0,) * dimension, limit=9, min_score=-1.0)
        assert [(one.symbol, one.score, len(one.vector)) for one in near] == [("x", 1.0, dimension)]


class Recording:
    """A client that notes the filter of every call that meets points by anything but their ids."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        async def noted(*given: Any, **named: Any) -> Any:
            if name in ("query_points", "scroll", "delete", "count", "search"):
                which = named.get("query_filter", named.get("scroll_filter"))
                selector = named.get("points_selector")
                which = selector.filter if isinstance(selector, FilterSelector) else which
                self.calls.append((name, which))
            return await call(*given, **named)

        return noted


def _values(which: Filter) -> Iterator[tuple[str, Any]]:
    assert isinstance(which.must, list)
    for one in which.must:
        assert isinstance(one, FieldCondition)
        yield one.key, getattr(one.match, "value", one.range)


async def test_every_call_names_the_knowledge_base(
    qdrant_url: str, tmp_path: Path, instance: str
) -> None:
    client, kbs = qdrant_client(qdrant_url), look_alikes(instance)[:3]
    recording = Recording(client)
    async with sqlite_dimensions(tmp_path / "dimensions.sqlite") as dimensions:
        calls = QdrantCalls(recording)  # type: ignore[arg-type]  # the same methods
        store = QdrantStore(calls, dimensions, instance=instance)
        await filled(store, kbs)
        for place, kb in enumerate(kbs):
            recording.calls.clear()
            await check_own(store, kb, place)
            await store.drop_before(kb, 3)
            assert {name for name, _ in recording.calls} == {"query_points", "scroll", "delete"}
            for name, which in recording.calls:
                assert which is not None, f"{name} without a filter"
                values = dict(_values(which))
                assert values["kb"] == kb
                assert name == "delete" or values == {"kb": kb, "cleared": 0, "dimension": 3}
    await client.close()
