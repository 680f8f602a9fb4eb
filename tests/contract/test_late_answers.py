"""Changes that were made although the deadline passed are answered as done, not as failed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.errors import OutcomeUnknownError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Entry, Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.processing.limits import ObservationLimits
from kato_service.processing.pattern_operations import PatternOperations
from kato_service.processing.vector_processor import VectorProcessor
from kato_service.search.pattern_searcher import PatternSearcher

EVENTS = (("a",), ("b",))
NAME = pattern_name(EVENTS)
TIME_S = 1.5


class SlowLog(SqliteKnowledgeLog):
    """Acknowledges inserts after a deadline."""

    deadline: Deadline | None = None

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        count = await super().insert(kb, first, entries)
        while self.deadline is not None and not self.deadline.passed:
            await asyncio.sleep(self.deadline.remaining_s() + 0.01)
        return count


class UnansweringLog(SlowLog):
    """Does not acknowledge inserts while it is silent."""

    silent = False

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        if self.silent:
            raise OutcomeUnknownError("no reply")
        return await super().insert(kb, first, entries)


class HangingQdrant:
    async def drop_before(self, kb: str, cleared: int) -> None:
        await asyncio.sleep(60)


@pytest.fixture
def log(tmp_path: Path) -> UnansweringLog:
    return UnansweringLog(tmp_path / "log.sqlite")


@pytest.fixture
async def knowledge(log: SlowLog) -> AsyncIterator[KnowledgeBases]:
    hasty = KnowledgeLimits(append_retry_s=0.1)
    bases = KnowledgeBases(log, PatternSearcher().new_index, limits=hasty)
    await bases.start()
    await bases.get("kato").append([Learn("token", NAME, EVENTS, None, 5)], since=0)
    yield bases
    await bases.close()


async def test_an_update_that_took_too_long_is_answered_as_done(
    log: SlowLog, knowledge: KnowledgeBases
) -> None:
    log.deadline = Deadline.after(TIME_S)
    updated = await PatternOperations(knowledge).update_pattern(
        "kato",
        NAME,
        frequency=9,
        emotives=None,
        persistence=5,
        deadline=log.deadline,
    )
    assert (updated.frequency, updated.events) == (9, EVENTS)


async def test_an_edit_with_an_unknown_outcome_says_that_a_repeat_is_safe(
    log: UnansweringLog, knowledge: KnowledgeBases
) -> None:
    patterns = PatternOperations(knowledge)
    log.silent = True
    with pytest.raises(OutcomeUnknownError, match="outcome unknown, repeating is safe"):
        await patterns.delete_pattern("kato", NAME, deadline=Deadline.after(5))
    log.silent = False
    await patterns.delete_pattern("kato", NAME, deadline=Deadline.after(5))


async def test_a_clear_is_done_while_qdrant_hangs(knowledge: KnowledgeBases) -> None:
    hanging: Any = HangingQdrant()
    vectors = VectorProcessor(knowledge, hanging, ObservationLimits())
    await vectors.sweep("kato", deadline=Deadline.after(TIME_S))
