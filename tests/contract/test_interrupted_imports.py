"""What an import over HTTP leaves when it is interrupted, and what a repeat makes of it."""

from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from vector_stores import KINDS, vector_stores

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.domain.shares import Holder
from kato_service.errors import OutcomeUnknownError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Clear
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.portable.receiving import ReceivedKnowledge
from kato_service.users.imports import KnowledgeImports, Progress, Wanted

VECTORS, PATTERNS = 101, 501
"""Three batches of vectors, and two groups of patterns."""
LAST_STEP = 5
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

    def __init__(self, bases: KnowledgeBases, vectors: VectorStore, directory: Path) -> None:
        self.vectors = vectors
        self.kb = f"kato-{uuid4().hex}"
        self._bases = bases
        self._directory = directory
        self._imports = KnowledgeImports(bases, vectors, 2**20)

    async def steps(self, wanted: Wanted) -> AsyncIterator[Progress]:
        """An import of `lines`; a new one for whoever calls, as a new request makes it."""
        received = ReceivedKnowledge(self._directory, lambda _: None, with_vectors=True)
        with closing(received):
            for number, line in enumerate(lines(), start=1):
                received.take(number, orjson.dumps(line) + b"\n")
            begun = await self._imports.begin(
                (self.kb, None), received, wanted, caller=ME, timeout_s=60
            )
            async with aclosing(begun.put_in()) as steps:
                async for progress in steps:
                    yield progress

    async def import_all(self, wanted: Wanted) -> Progress:
        return [progress async for progress in self.steps(wanted)][-1]

    async def interrupt(self, wanted: Wanted, after: int) -> None:
        """Begin an import that ends after so many steps, as with a kill."""
        async with aclosing(self.steps(wanted)) as steps:
            for _ in range(after):
                await anext(steps)

    async def clear(self) -> None:
        await self._bases.get(self.kb).append([Clear(uuid4().hex)], since=0)
        await self.vectors.drop_before(self.kb, (await self.reading()).cleared)

    async def reading(self) -> KnowledgeReading:
        async with self._bases.get(self.kb).reading(deadline=Deadline.after(60)) as reading:
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


@pytest.fixture(params=KINDS[:2])
async def instance(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Instance]:
    bases = KnowledgeBases(SqliteKnowledgeLog(tmp_path / "log.sqlite"), PlainPatterns)
    await bases.start()
    async with vector_stores(request.param, request, tmp_path, "kato") as new:
        yield Instance(bases, new(), tmp_path)
    await bases.close()


NAMED = Wanted(unique_id="one")


@pytest.mark.parametrize("after", range(1, LAST_STEP))
async def test_no_pattern_is_there_before_its_vectors(instance: Instance, after: int) -> None:
    await instance.interrupt(NAMED, after)
    assert await instance.missing_vectors() == set()
    done = await instance.import_all(NAMED)
    assert (done.imported + done.repeated, done.vectors) == (PATTERNS, VECTORS)
    assert await instance.missing_vectors() == set()
    assert len((await instance.reading()).patterns) == PATTERNS


@pytest.mark.parametrize("after", range(1, LAST_STEP))
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
