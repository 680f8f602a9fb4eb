"""Growth: patterns by when they were first learned, as far back as the log has entries."""

import random
from bisect import bisect_right
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, count
from uuid import uuid4

import pytest
from knowledge_stores import MemoryKnowledgeLog, Replica, Shelf

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Delete, Entry, Learn
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.users.growth import LENGTHS_S, Growth, PatternGrowth, intervals_of

START = datetime(2026, 1, 31, 12, 0, 30, tzinfo=UTC)


def learn(number: int) -> Learn:
    events = ((f"s{number}",), ("z",))
    return Learn(uuid4().hex, pattern_name(events), events, None, 5)


def forgotten(number: int) -> Delete:
    return Delete(uuid4().hex, learn(number).name)


async def grown(kb: str, bases: KnowledgeBases, now: datetime, most: int = 60) -> Growth:
    growth = PatternGrowth(bases, now.timestamp)
    return await growth.read(kb, most=most, deadline=Deadline.after(20))


async def put(shelf: Shelf, bases: KnowledgeBases, entry: Entry, seconds: float) -> None:
    """Append *entry* so many seconds after the start."""
    await bases.get("kato").append((entry,), since=0)
    shelf.went_in[entry.token] = START + timedelta(seconds=seconds)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def bases(shelf: Shelf) -> KnowledgeBases:
    return KnowledgeBases(MemoryKnowledgeLog(shelf), PlainPatterns)


async def test_every_store_tells_when_entries_went_in(replica: Replica, log: KnowledgeLog) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    await replica().get("kato").append([learn(number) for number in range(3)], since=0)
    times = await log.times("kato", {1, 3, 4})
    assert set(times) == {1, 3}
    assert before <= times[1] <= times[3] <= datetime.now(UTC)


async def test_patterns_are_counted_where_they_were_first_learned(
    shelf: Shelf, bases: KnowledgeBases
) -> None:
    learns = ((learn(1), 0), (learn(2), 40), (learn(1), 70), (learn(3), 80), (forgotten(2), 190))
    for entry, seconds in learns:
        await put(shelf, bases, entry, seconds)
    found = await grown("kato", bases, START + timedelta(seconds=200), most=5)
    assert (found.patterns, found.earlier, found.oldest) == (2, 0, START)
    assert found.interval_s == 60
    rows = [(one.first_learned, one.changes) for one in found.intervals]
    assert rows == [(1, 1), (1, 3), (0, 0), (0, 1)]
    assert found.intervals[0].began_at == START.replace(second=0)


@pytest.mark.parametrize("seed", range(5))
async def test_any_history_is_counted_as_a_plain_look_at_it_counts(
    shelf: Shelf, bases: KnowledgeBases, seed: int
) -> None:
    rng = random.Random(seed)
    seconds = sorted(rng.expovariate(0.002) for _ in range(120))
    first: dict[str, float] = {}
    for at in seconds:
        number, is_learn = rng.randrange(60), rng.random() < 0.8
        entry = learn(number) if is_learn else forgotten(number)
        await put(shelf, bases, entry, at)
        if is_learn:
            first.setdefault(entry.name, at)
        else:
            first.pop(entry.name, None)
    now = START + timedelta(seconds=seconds[-1] + 1)
    found = await grown("kato", bases, now, most=20)
    ends = [*[one.began_at for one in found.intervals][1:], now]
    cuts = [(end - START).total_seconds() for end in ends]
    assert len(found.intervals) <= 20
    by_end = accumulate(one.first_learned for one in found.intervals)
    assert list(by_end) == [bisect_right(sorted(first.values()), cut) for cut in cuts]
    changed = accumulate(one.changes for one in found.intervals)
    assert list(changed) == [bisect_right(seconds, cut) for cut in cuts]


@pytest.mark.parametrize("look", [1, 2, 3, 4])
async def test_what_was_trimmed_is_earlier_whenever_that_happens(
    shelf: Shelf, bases: KnowledgeBases, look: int
) -> None:
    looks = count(1)
    for number in range(8):
        await put(shelf, bases, learn(number), number * 100)

    async def trim(what: str) -> None:
        """Trim right before that look at times."""
        if what == "times" and next(looks) == look:
            shelf.heads["kato"] = replace(shelf.heads["kato"], trimmed=3)
            for revision in (1, 2, 3):
                shelf.entries["kato"].pop(revision, None)

    shelf.step = trim
    found = await grown("kato", bases, START + timedelta(seconds=750), most=100)
    assert (found.patterns, found.earlier) == (8, 3)
    assert found.oldest == START + timedelta(seconds=300)
    assert found.intervals[0].began_at <= found.oldest
    assert sum(one.first_learned for one in found.intervals) == 5
    assert sum(one.changes for one in found.intervals) == 5


async def test_a_log_without_entries_has_no_intervals(shelf: Shelf, bases: KnowledgeBases) -> None:
    nothing = await grown("kato", bases, START)
    assert (nothing.patterns, nothing.oldest, nothing.intervals) == (0, None, ())
    await put(shelf, bases, learn(1), 0)
    shelf.heads["kato"] = replace(shelf.heads["kato"], trimmed=1)
    del shelf.entries["kato"][1]
    trimmed = await grown("kato", bases, START)
    assert (trimmed.patterns, trimmed.earlier, trimmed.oldest) == (1, 1, None)
    assert trimmed.intervals == ()


@pytest.mark.parametrize("most", [2, 3, 60, 200])
@pytest.mark.parametrize("seconds", [0, 0.5, 59, 3600, 172_800, 1e7, 1e9, 1.7e9])
def test_intervals_have_a_common_length_and_begin_at_multiples_of_it(
    seconds: float, most: int
) -> None:
    length, times = intervals_of(START - timedelta(seconds=seconds), START, most)
    assert 1 <= len(times) <= most
    assert length in LENGTHS_S or length % LENGTHS_S[-1] == 0
    assert all(time.timestamp() % length == 0 for time in times)
    assert times[0] <= START - timedelta(seconds=seconds)
    assert timedelta(0) <= START - times[-1] < timedelta(seconds=length)
