"""What an import over HTTP leaves when it is interrupted, and what a repeat makes of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from vector_stores import vector_stores

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.domain.shares import Holder
from kato_service.errors import OutcomeUnknownError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Clear, Entry, Learn
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.portable.receiving import ReceivedKnowledge
from kato_service.users.imports import KnowledgeImport, KnowledgeImports, Progress, Wanted

VECTORS, PATTERNS = 101, 501
"""Three batches of vectors, and two groups of patterns."""
LAST_STEP = 5
EMBEDDED, QDRANT = "embedded", "qdrant and sqlite"
ME = Holder("address", "127.0.0.1")


def lines() -> list[dict[str, Any]]:
    """Patterns with a vector in each, and the vectors."""
    symbols = [f"VCTR|{number:040}" for number in range(VECTORS)]
    every = [[[symbols[number % VECTORS]], [f"n{number}"]] for number in range(PATTERNS)]
    patterns = [
        {"name": pattern_name(tuple(map(tuple, events))), "events": events, "frequency": 1}
        for events in every
    ]
    vectors = [{"vector": one, "components": [1.0, at]} for at, one in enumerate(symbols)]
    return [*patterns, *vectors]


class Instance:
    """The parts of one process that an import needs, and one knowledge base of it."""

    def __init__(
        self, bases: KnowledgeBases, vectors: VectorStore, directory: Path, kb: str
    ) -> None:
        self.vectors = vectors
        self.kb = kb
        self.bases = bases
        self._directory = directory
        self._imports = KnowledgeImports(bases, vectors, 2**20)

    @asynccontextmanager
    async def begun(self, wanted: Wanted) -> AsyncIterator[KnowledgeImport]:
        """An import of `lines`, of which nothing is in yet; as a request makes it."""
        received = ReceivedKnowledge(self._directory, lambda _: None, with_vectors=True)
        with closing(received):
            for number, line in enumerate(lines(), start=1):
                received.take(number, orjson.dumps(line) + b"\n")
            yield await self._imports.begin(
                (self.kb, None), received, wanted, caller=ME, timeout_s=60
            )

    async def steps(self, wanted: Wanted) -> AsyncIterator[Progress]:
        async with self.begun(wanted) as begun, aclosing(begun.put_in()) as steps:
            async for progress in steps:
                yield progress

    async def import_all(self, wanted: Wanted) -> Progress:
        return [progress async for progress in self.steps(wanted)][-1]

    async def interrupt(self, wanted: Wanted, after: int) -> None:
        """Begin an import that ends after so many steps, as with a kill."""
        async with aclosing(self.steps(wanted)) as steps:
            for _ in range(after):
                await anext(steps)

    async def append(self, entry: Entry) -> None:
        await self.bases.get(self.kb).append([entry], since=0)

    async def clear(self) -> None:
        await self.append(Clear(uuid4().hex))
        await self.vectors.drop_before(self.kb, (await self.reading()).cleared)

    async def reading(self) -> KnowledgeReading:
        async with self.bases.get(self.kb).reading(deadline=Deadline.after(60)) as reading:
            return reading

    async def missing_vectors(self) -> set[str]:
        """The symbols of vectors in patterns whose vectors are not stored."""
        reading = await self.reading()
        used = {
            symbol
            for pattern in reading.patterns.values()
            for event in pattern.events
            for symbol in event
            if symbol.startswith("VCTR|")
        }
        return used - set(await self.vectors.known(self.kb, reading.cleared, used))


NewInstance = Callable[[], Awaitable[Instance]]
"""Makes one more process with the same stores."""


@pytest.fixture
async def new_instance(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[NewInstance]:
    kind, kb = getattr(request, "param", EMBEDDED), f"kato-{uuid4().hex}"
    async with AsyncExitStack() as stack:
        new_store = await stack.enter_async_context(vector_stores(kind, request, tmp_path, "kato"))

        async def new() -> Instance:
            bases = KnowledgeBases(SqliteKnowledgeLog(tmp_path / "log.sqlite"), PlainPatterns)
            stack.push_async_callback(bases.close)
            await bases.start()
            return Instance(bases, new_store(), tmp_path, kb)

        yield new


@pytest.fixture
async def instance(new_instance: NewInstance) -> Instance:
    return await new_instance()


NAMED = Wanted(unique_id="one")


@pytest.mark.parametrize("after", range(1, LAST_STEP))
async def test_no_pattern_is_there_before_its_vectors(instance: Instance, after: int) -> None:
    await instance.interrupt(NAMED, after)
    assert await instance.missing_vectors() == set()
    done = await instance.import_all(NAMED)
    assert (done.imported + done.repeated, done.vectors) == (PATTERNS, VECTORS)
    assert await instance.missing_vectors() == set()
    assert len((await instance.reading()).patterns) == PATTERNS


@pytest.mark.parametrize(
    ("new_instance", "after"),
    [*((EMBEDDED, step) for step in range(1, LAST_STEP)), (QDRANT, 2)],
    indirect=["new_instance"],
)
async def test_a_clear_in_the_middle_of_an_import_is_reported_and_a_repeat_is_complete(
    instance: Instance, after: int
) -> None:
    async with aclosing(instance.steps(NAMED)) as steps:
        for _ in range(after):
            await anext(steps)
        await instance.clear()
        with pytest.raises(OutcomeUnknownError, match="was cleared while") as failure:
            async for _ in steps:
                pass
    assert "import it again" in failure.value.message
    assert await instance.missing_vectors() == set()
    assert (await instance.import_all(NAMED)).vectors == VECTORS
    assert await instance.missing_vectors() == set()
    assert len((await instance.reading()).patterns) == PATTERNS


REPLACING = Wanted("replace", "one")


def learned(symbol: str) -> Learn:
    events = ((symbol,), ("x",))
    return Learn(uuid4().hex, pattern_name(events), events, None, 5)


async def names(instance: Instance) -> set[str]:
    return set((await instance.reading()).patterns)


@pytest.mark.parametrize("after", range(1, LAST_STEP + 1))
async def test_a_replacement_clears_once_wherever_it_was_interrupted(
    new_instance: NewInstance, after: int
) -> None:
    instance, old, new = await new_instance(), learned("old"), learned("new")
    await instance.append(old)
    await instance.interrupt(REPLACING, after)
    await instance.append(new)
    other = await new_instance()
    done = await other.import_all(REPLACING)
    assert (done.cleared, done.imported + done.repeated) == (False, PATTERNS)
    assert {old.name, new.name} & await names(other) == {new.name}
    assert len(await names(other)) == PATTERNS + 1
    assert await other.missing_vectors() == set()


async def test_a_replacement_that_a_checkpoint_shows_does_not_clear_again(
    new_instance: NewInstance,
) -> None:
    instance, new = await new_instance(), learned("new")
    await instance.interrupt(REPLACING, 1)
    assert await instance.bases.get(instance.kb).materialise() == 0
    await instance.append(new)
    other = await new_instance()
    assert (await other.import_all(REPLACING)).cleared is False
    assert new.name in await names(other)


async def test_replacements_of_one_id_at_once_clear_once(new_instance: NewInstance) -> None:
    here, there, new = await new_instance(), await new_instance(), learned("new")
    async with here.begun(REPLACING) as our, there.begun(REPLACING) as their:
        ours, theirs = our.put_in(), their.put_in()
        both = await asyncio.gather(anext(ours), anext(theirs))
        assert sorted(one.cleared for one in both) == [False, True]
        await here.append(new)
        every = [[step async for step in steps] for steps in (ours, theirs)]
    assert sum(steps[-1].imported for steps in every) == PATTERNS
    assert len(await names(there)) == PATTERNS + 1


async def test_a_replacement_ends_with_its_content_whatever_was_imported_before(
    instance: Instance,
) -> None:
    for wanted in (Wanted(unique_id="one"), REPLACING, Wanted("replace", "two")):
        await instance.append(learned(f"before {wanted}"))
        await instance.import_all(wanted)
    assert len(await names(instance)) == PATTERNS
    frequencies = {one.frequency for one in (await instance.reading()).patterns.values()}
    assert frequencies == {1}
    new = learned("new")
    await instance.append(new)
    repeated = await instance.import_all(Wanted("replace", "two"))
    assert (repeated.imported, repeated.repeated, repeated.cleared) == (0, PATTERNS, False)
    assert new.name in await names(instance)
