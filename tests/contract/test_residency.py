"""Knowledge bases under a limit of memory, over a real file and with both engines."""

import asyncio
import random
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.model.log import Tail
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.search.pattern_searcher import PatternSearcher

Replica = Callable[..., KnowledgeBases]
EVENTS = (("a",), ("b",))
NAME = pattern_name(EVENTS)


class HeldLog(SqliteKnowledgeLog):
    """Its reads wait until it `continues`, and fail while it `fails`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.continues = asyncio.Event()
        self.continues.set()
        self.fails = False

    async def tail(self, kb: str, after: int, *, limit: int) -> Tail:
        await self.continues.wait()
        if self.fails:
            raise StoreUnavailableError("away")
        return await super().tail(kb, after, limit=limit)


@pytest.fixture(params=["c", "numpy"])
async def replica(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Replica]:
    """Makes replicas with a limit of bytes, over one file unless a log is given."""
    made: list[KnowledgeBases] = []

    def new(limit_bytes: float, log: SqliteKnowledgeLog | None = None) -> KnowledgeBases:
        log = log or SqliteKnowledgeLog(tmp_path / "knowledge.sqlite")
        new_index = PatternSearcher(request.param).new_index
        limits = KnowledgeLimits(memory_bytes=limit_bytes)
        made.append(KnowledgeBases(log, new_index, limits=limits))
        return made[-1]

    await new(1).start()
    yield new
    for bases in made:
        await bases.close()


@pytest.fixture
def held_log(tmp_path: Path) -> HeldLog:
    return HeldLog(tmp_path / "knowledge.sqlite")


def soon() -> Deadline:
    return Deadline.after(20)


def learn(*events: str) -> Learn:
    symbols = tuple((event,) for event in events) or EVENTS
    return Learn(uuid4().hex, pattern_name(symbols), symbols, None, 5)


async def learned(base: SuperKnowledgeBase) -> None:
    """Learn as a request does: get the tail, register the entry, append it."""
    entry = learn()
    since = await base.tail(deadline=soon())
    with base.register([entry], since=since):
        await asyncio.sleep(0)
        await base.append([entry], since=since)


async def frequency(base: SuperKnowledgeBase) -> int:
    async with base.reading(deadline=soon()) as reading:
        known = reading.patterns.get(NAME)
        return known.frequency if known else 0


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def size_of_one(replica: Replica) -> int:
    bases = replica(1e12)
    await learned(bases.get("measured"))
    return bases.get("measured").memory_bytes


async def test_many_knowledge_bases_answer_right_in_the_room_of_five(replica: Replica) -> None:
    limit = 5 * await size_of_one(replica)
    bases = replica(limit)
    for _ in range(3):
        for number in range(40):
            await learned(bases.get(f"kb{number}"))
    assert [await frequency(bases.get(f"kb{number}")) for number in range(40)] == [3] * 40
    await settled()
    usage = bases.usage()
    assert usage.used_bytes <= limit
    assert 4 <= usage.bases <= 5
    assert usage.patterns == usage.bases
    assert usage.unloads >= 3 * 35


async def test_sums_equal_a_recount_after_any_learns_and_unloads(replica: Replica) -> None:
    rng = random.Random(11)
    bases = replica(6 * await size_of_one(replica))
    for step in range(300):
        base = bases.get(f"kb{rng.randrange(20)}")
        match rng.randrange(4):
            case 0:
                await base.materialise()
            case 1:
                await frequency(base)
            case _:
                entries = [learn(*rng.choices("abcdef", k=3)) for _ in range(rng.randint(1, 9))]
                await base.append(entries, since=0)
        if step % 10 == 0:
            await settled()
            all_of_them, usage = list(bases._bases.values()), bases.usage()
            counts = [one.pattern_count for one in all_of_them if one.pattern_count is not None]
            assert (usage.bases, usage.patterns) == (len(counts), sum(counts))
            assert usage.checkpoint_lag == max(one.checkpoint_lag for one in all_of_them)
            sizes = sum(one.memory_bytes for one in all_of_them if one.pattern_count is not None)
            assert bases._residency.totals.size_bytes == sizes
    assert bases.usage().unloads > 20


async def test_a_prepared_knowledge_base_is_loaded_before_its_first_use(replica: Replica) -> None:
    await learned(replica(1e12).get("one"))
    one = replica(1e12).get("one")
    one.prepare()
    async with asyncio.timeout(20):
        while one.pattern_count is None:
            await asyncio.sleep(0.001)
    assert one.pattern_count == 1


async def test_nothing_is_prepared_unless_half_of_the_memory_is_free(replica: Replica) -> None:
    bases = replica(1.5 * await size_of_one(replica))
    await learned(bases.get("one"))
    bases.get("measured").prepare()
    assert not bases.get("measured").in_use


async def test_a_preparation_that_fails_leaves_the_load_to_the_first_use(
    replica: Replica, held_log: HeldLog
) -> None:
    await learned(replica(1e12).get("one"))
    held_log.fails = True
    one = replica(1e12, held_log).get("one")
    one.prepare()
    async with asyncio.timeout(20):
        while one.in_use:
            await asyncio.sleep(0.001)
    held_log.fails = False
    assert one.pattern_count is None
    assert await frequency(one) == 1


async def test_the_least_recently_used_is_unloaded_first(replica: Replica) -> None:
    bases = replica(2.5 * await size_of_one(replica))
    one, two, three = (bases.get(name) for name in ("one", "two", "three"))
    for base in (one, two, one, three):
        await learned(base)
    await settled()
    assert [base.pattern_count for base in (one, two, three)] == [1, None, 1]
    await learned(two)
    await settled()
    assert [base.pattern_count for base in (one, two, three)] == [None, 1, 1]


async def test_upkeep_does_not_count_as_a_use(replica: Replica) -> None:
    bases = replica(2.5 * await size_of_one(replica))
    one, two, three = (bases.get(name) for name in ("one", "two", "three"))
    for base in (one, two):
        await learned(base)
    assert await one.materialise() == 1
    await one.check()
    await one.save_snapshot()
    await learned(three)
    await settled()
    assert [base.pattern_count for base in (one, two, three)] == [None, 1, 1]


async def test_a_knowledge_base_stays_loaded_while_a_reading_is_held(replica: Replica) -> None:
    bases = replica(1)
    held, others = bases.get("held"), [bases.get(f"other{number}") for number in range(5)]
    await learned(held)
    async with held.reading(deadline=soon()) as reading:
        for other in others:
            await learned(other)
        await settled()
        assert held.pattern_count == 1
        assert reading.patterns[NAME].frequency == 1
        assert [other.pattern_count for other in others] == [None] * 4 + [1]
    await learned(others[0])
    await settled()
    assert held.pattern_count is None
    assert await frequency(held) == 1


async def test_a_knowledge_base_above_the_limit_stays_while_no_other_is_needed(
    replica: Replica,
) -> None:
    bases = replica(1)
    for _ in range(5):
        await learned(bases.get("large"))
    await settled()
    assert (bases.usage().bases, bases.usage().unloads) == (1, 0)


async def test_learns_that_race_with_unloads_count_once_each(replica: Replica) -> None:
    here, there = replica(1), replica(3 * await size_of_one(replica))
    done: Counter[str] = Counter()

    async def client(seed: int, bases: KnowledgeBases) -> None:
        rng = random.Random(seed)
        for _ in range(15):
            name = f"kb{rng.randrange(6)}"
            await learned(bases.get(name))
            done[name] += 1
            await frequency(bases.get(f"kb{rng.randrange(6)}"))

    clients = (client(seed, bases) for seed in range(6) for bases in (here, there))
    await asyncio.gather(*clients)
    assert here.usage().unloads > 20
    assert there.usage().unloads > 5
    for bases in (here, there):
        assert {name: await frequency(bases.get(name)) for name in done} == dict(done)
    assert done.total() == 6 * 2 * 15


async def test_a_knowledge_base_with_a_registered_entry_stays_loaded(replica: Replica) -> None:
    bases = replica(1)
    base, entry = bases.get("kato"), learn()
    since = await base.tail(deadline=soon())
    with base.register([entry], since=since):
        await learned(bases.get("other"))
        await settled()
        assert base.pattern_count == 0
        (applied,) = await base.append([entry], since=since)
    assert (applied.revision, applied.frequency) == (1, 1)


@pytest.mark.parametrize("completed_by_another", [False, True])
async def test_an_unload_between_registration_and_append_loses_and_duplicates_nothing(
    replica: Replica, *, completed_by_another: bool
) -> None:
    here, there = replica(1).get("kato"), replica(1).get("kato")
    await learned(here)
    entry = learn()
    since = await here.tail(deadline=soon())
    with here.register([entry], since=since):
        if completed_by_another:
            await there.append([entry], since=since, lookup=True)
        here.unload()
        (applied,) = await here.append([entry], since=since)
    assert (applied.revision, applied.frequency) == (2, 2)
    assert [await frequency(here), await frequency(there)] == [2, 2]


async def test_an_unload_while_entries_are_written_loses_and_duplicates_nothing(
    replica: Replica,
) -> None:
    base = replica(1).get("kato")
    clients = [asyncio.create_task(learned(base)) for _ in range(50)]
    while not all(client.done() for client in clients):
        base.unload()
        await asyncio.sleep(0.003)
    await asyncio.gather(*clients)
    assert await frequency(base) == 50


async def test_an_id_has_one_object_while_anything_refers_to_it(
    replica: Replica,
) -> None:
    bases = replica(1)
    base = bases.get("kato")
    await learned(base)
    await learned(bases.get("other"))
    await settled()
    assert base.pattern_count is None
    assert bases.get("kato") is base
    await learned(bases.get("kato"))
    assert await frequency(base) == 2


async def test_an_unloaded_knowledge_base_leaves_nothing_behind(replica: Replica) -> None:
    bases = replica(1)
    left = []
    for number in range(5):
        await learned(bases.get(f"kb{number}"))
        left.append(weakref.ref(bases.get(f"kb{number}")))
    await settled()
    assert [ref() is None for ref in left] == [True] * 4 + [False]


async def test_an_append_whose_client_left_keeps_its_knowledge_base_loaded(
    replica: Replica,
) -> None:
    bases = replica(1)
    waiting = asyncio.create_task(bases.get("kato").append([learn()], since=0))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    before = bases.get("kato")
    assert before.in_use
    await learned(bases.get("other"))
    async with asyncio.timeout(60):
        while await frequency(bases.get("kato")) != 1:  # nobody was told that it is in
            await asyncio.sleep(0.001)
    assert bases.get("kato") is before


async def test_a_load_whose_client_left_unloads_others_when_it_ends(
    replica: Replica, held_log: HeldLog
) -> None:
    writer = replica(1e12).get("large")
    await writer.append([learn(f"s{number}", "z") for number in range(2000)], since=0)
    bases = replica(2 * await size_of_one(replica), held_log)
    small, large = bases.get("small"), bases.get("large")
    await learned(small)
    held_log.continues.clear()
    waiting = asyncio.create_task(large.tail(deadline=soon()))
    await settled()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await settled()
    assert large.in_use
    assert (small.pattern_count, large.pattern_count) == (1, None)
    held_log.continues.set()
    async with asyncio.timeout(60):
        while large.in_use:
            await asyncio.sleep(0.001)
    await settled()
    assert (small.pattern_count, large.pattern_count) == (None, 2000)
