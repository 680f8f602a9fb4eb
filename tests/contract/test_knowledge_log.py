"""The log and its knowledge bases over every backend."""

import asyncio
import threading
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge_stores import Replica, Store, mongo_store, sqlite_store

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Pattern, flatten, pattern_name
from kato_service.domain.statistics import Corrections, SymbolStatistics
from kato_service.errors import DeadlineExceededError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import (
    Clear,
    Delete,
    Entry,
    Import,
    Learn,
    Statistics,
    Update,
)
from kato_service.knowledge.model.log import Head, KnowledgeLog, Tail
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase


@pytest.fixture
def store(knowledge_store: Store) -> Store:
    return knowledge_store


def soon() -> Deadline:
    return Deadline.after(20)


def learn(*events: str, **more: object) -> Learn:
    symbols = tuple(tuple(event) for event in events)
    defaults: dict[str, object] = {"emotives": None, "persistence": 5, "metadata": {}}
    return Learn(uuid4().hex, pattern_name(symbols), symbols, **{**defaults, **more})  # type: ignore[arg-type]  # a test's shorthand


async def added(kb: SuperKnowledgeBase, *entries: Entry) -> list[tuple[int, int | None]]:
    applied = await kb.append(entries, since=0)
    return [(each.revision, each.frequency) for each in applied]


async def known(kb: SuperKnowledgeBase) -> dict[str, int]:
    async with kb.reading(deadline=soon()) as reading:
        return {name: pattern.frequency for name, pattern in reading.patterns.items()}


async def test_an_unknown_knowledge_base_is_empty_and_reading_it_writes_nothing(
    replica: Replica, store: Store
) -> None:
    kb = replica().get("kato")
    async with kb.reading(deadline=soon()) as reading:
        assert (reading.patterns, reading.revision, reading.cleared, reading.stale) == (
            {},
            0,
            0,
            False,
        )
        assert reading.page(after=0, limit=10).patterns == ()
    log = store.new_log()
    assert await log.head("kato") is None
    await log.close()


async def test_nothing_goes_in_after_a_revision_that_is_taken(
    replica: Replica, log: KnowledgeLog
) -> None:
    kb = replica().get("kato")
    await added(kb, *(learn("a", "b") for _ in range(120)))
    entries = [learn("c", "d") for _ in range(350)]
    assert await log.insert("kato", 120, entries) == 0
    assert await log.insert("kato", 121, entries[:230]) == 230
    assert await log.insert("kato", 340, entries[230:]) == 0
    assert await log.insert("kato", 351, entries[230:]) == 120
    tail = await log.tail("kato", 0, limit=1000)
    assert [revision for revision, _ in tail.entries] == list(range(1, 471))


async def test_each_learn_returns_the_frequency_at_its_own_revision(replica: Replica) -> None:
    kb = replica().get("kato")
    first, other = learn("a", "b"), learn("b", "c")
    assert await added(kb, first, other, learn("a", "b")) == [(1, 1), (2, 1), (3, 2)]
    assert await known(kb) == {first.name: 2, other.name: 1}


async def test_another_replica_reads_an_append_at_once(replica: Replica) -> None:
    here, there = replica().get("kato"), replica().get("kato")
    assert await known(there) == {}
    for count in range(1, 4):
        entry = learn("a", "b")
        await added(here, entry)
        assert await known(there) == {entry.name: count}


async def test_knowledge_bases_in_one_store_are_isolated(replica: Replica) -> None:
    bases = replica()
    names = ["kato", "kato-1", "kato.1", "KATO", f"kato~{'0' * 40}"]
    for name in names:
        await added(bases.get(name), learn("a", name))
    for name in names:
        assert await known(replica().get(name)) == {learn("a", name).name: 1}


async def test_concurrent_writers_lose_and_duplicate_nothing(replica: Replica) -> None:
    kbs = [replica().get("kato"), replica().get("kato"), replica().get("kato")]

    async def learned(kb: SuperKnowledgeBase) -> list[tuple[int, int | None]]:
        return [each for _ in range(10) for each in await added(kb, learn("a", "b"))]

    done = await asyncio.gather(*(learned(kb) for kb in kbs for _ in range(3)))
    revisions = sorted(revision for each in done for revision, _ in each)
    assert revisions == list(range(1, 91))
    assert all(revision == frequency for each in done for revision, frequency in each)
    assert [await known(kb) for kb in kbs] == [{learn("a", "b").name: 90}] * 3


async def test_an_entry_that_is_appended_twice_is_stored_once(replica: Replica) -> None:
    kb = replica().get("kato")
    entry = learn("a", "b")
    together = await asyncio.gather(added(kb, entry), added(kb, entry))
    assert together == [[(1, 1)], [(1, 1)]]
    assert await known(kb) == {entry.name: 1}


async def test_a_completed_intent_is_found_by_its_tokens_on_any_replica(replica: Replica) -> None:
    entries = (learn("a", "b"), learn("a", "b"), learn("c", "d"))
    await added(replica().get("kato"), learn("a", "b"))
    await replica().get("kato").append(entries[:2], since=1)
    await added(replica().get("kato"), learn("a", "b"), learn("a", "b"))
    there = replica().get("kato")
    await known(there)
    applied = await there.append(entries, since=1, lookup=True)
    assert [(each.revision, each.frequency) for each in applied] == [(2, 2), (3, 3), (6, 1)]
    assert await known(there) == {entries[0].name: 5, entries[2].name: 1}


async def test_the_outcome_of_a_learn_after_an_import_is_found_by_its_token(
    replica: Replica,
) -> None:
    learned, other = learn("a", "b"), learn("c", "d")
    await added(
        replica().get("kato"),
        Import("1", "source", 0, other.name, other.events, 4, 4),
        Import("2", "source", 1, learned.name, learned.events, 7, 7),
        Statistics("3", "source", 2, Corrections({"a": (1, 1)}, 1, 1, 1)),
        learned,
        learn("a", "b"),
    )
    there = replica().get("kato")
    await known(there)
    (applied,) = await there.append([learned], since=0, lookup=True)
    assert (applied.revision, applied.frequency) == (4, 8)


async def test_an_intent_completed_by_another_replica_is_noticed_while_registered(
    replica: Replica,
) -> None:
    here, there = replica().get("kato"), replica().get("kato")
    entry = learn("a", "b")
    since = await here.tail(deadline=soon())
    with here.register([entry], since=since):
        await there.append([entry], since=since, lookup=True)
        await known(here)
        applied = await here.append([entry], since=since)
    assert [(each.revision, each.frequency) for each in applied] == [(1, 1)]
    assert await known(here) == {entry.name: 1}


async def test_a_cancelled_append_is_in_once_nevertheless(replica: Replica) -> None:
    kb = replica().get("kato")
    entry = learn("a", "b")
    waiting = asyncio.create_task(added(kb, entry))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [each.revision for each in await kb.append([entry], since=0, lookup=True)] == [1]
    assert await known(kb) == {entry.name: 1}


async def test_a_relearned_pattern_is_listed_last_and_keeps_its_statistics(
    replica: Replica,
) -> None:
    kb, there = replica().get("kato"), replica().get("kato")
    a, b = learn("a", "x", emotives={"joy": 1.0}), learn("b", "x")
    gone = Delete(uuid4().hex, a.name)
    again = learn("a", "x", emotives={"joy": 2.0})
    assert await added(kb, a, b, gone, again) == [(1, 1), (2, 1), (3, 0), (4, 1)]
    async with there.reading(deadline=soon()) as reading:
        assert [p.name for p in reading.page(after=0, limit=9).patterns] == [b.name, a.name]
        assert [p.name for p in reading.page(after=2, limit=9).patterns] == [a.name]
        pattern = reading.patterns[a.name]
        assert (pattern.first, pattern.learns, pattern.emotives) == (4, 2, ({"joy": 2.0},))
        assert reading.statistics.symbol_frequency == {"a": 2, "b": 1, "x": 3}
        assert reading.index.patterns == reading.patterns  # type: ignore[attr-defined]  # PlainPatterns


async def test_update_and_delete_report_whether_they_found_a_pattern(replica: Replica) -> None:
    kb = replica().get("kato")
    a = learn("a", "b")
    await added(kb, a)
    applied = await kb.append(
        [
            Update("1", a.name, frequency=7, emotives=({"a.b": 1.0, "$x": -0.5},)),
            Update("2", a.name, frequency=0),
            Delete("3", a.name),
            Delete("4", a.name),
            Update("5", a.name, frequency=3),
        ],
        since=0,
    )
    assert [(each.frequency, each.met) for each in applied] == [
        *((7, True), (0, True)),
        *((0, True), (0, False), (0, False)),
    ]


async def test_clear_empties_everything_on_every_replica(replica: Replica) -> None:
    here, there = replica().get("kato"), replica().get("kato")
    await added(here, learn("a", "b"), learn("c"))
    await known(there)
    await added(here, Clear("clear"))
    async with there.reading(deadline=soon()) as reading:
        assert (reading.patterns, reading.cleared, reading.revision) == ({}, 3, 3)
        assert reading.statistics.total_learns == 0
        assert reading.statistics.distinct_symbols == 0
    assert await added(there, learn("a", "b")) == [(4, 1)]


async def test_any_text_is_a_valid_symbol_and_key(replica: Replica) -> None:
    nasty = ("", ".", "$", "a.b", "$set", "ключ", "🙂", "a\x00b", "\n", "'", "k" * 300)
    entry = learn(
        nasty,  # type: ignore[arg-type]  # one event of these symbols
        emotives=dict.fromkeys(nasty, 0.1),
        metadata=dict.fromkeys(nasty, ('{"$a.b":[1]}', '""')),
    )
    await added(replica().get("kato"), entry)
    async with replica().get("kato").reading(deadline=soon()) as reading:
        pattern = reading.patterns[entry.name]
    assert pattern.events == (nasty,)
    assert pattern.emotives == (entry.emotives,)
    assert pattern.metadata == entry.metadata


async def test_a_log_longer_than_one_page_is_read_whole(replica: Replica) -> None:
    sevens = KnowledgeLimits(page_entries=7)
    here, there = replica(sevens).get("kato"), replica(sevens).get("kato")
    await known(there)
    entries = [learn("a", str(number)) for number in range(30)]
    await here.append(entries, since=0)
    assert len(await known(here)) == 30
    assert len(await known(there)) == 30
    assert len(await known(replica(sevens).get("kato"))) == 30
    applied = await there.append(entries[20:21], since=0, lookup=True)
    assert (applied[0].revision, applied[0].frequency) == (21, 1)


async def test_a_large_learn_is_folded_in_a_thread_and_a_small_one_on_the_event_loop(
    knowledge_store: Store,
) -> None:
    threads: dict[int, threading.Thread] = {}

    class Watched(PlainPatterns):
        def put(self, pattern: Pattern, *, learns: int = 0) -> None:
            threads[len(flatten(pattern.events))] = threading.current_thread()
            super().put(pattern, learns=learns)

    replicas = [KnowledgeBases(knowledge_store.new_log(), Watched) for _ in range(2)]
    await replicas[0].start()
    writer, reader = (each.get("kato") for each in replicas)
    large = [[str(number)] for number in range(2000)]
    assert await added(writer, learn("ab", "c"), learn(*large)) == [(1, 1), (2, 1)]
    for kb in (writer, reader):
        async with kb.reading(deadline=soon()) as reading:
            assert reading.statistics.total_symbols == 2003
        assert threads.pop(3) is threading.main_thread()
        assert threads.pop(2000) is not threading.main_thread()
    for each in replicas:
        await each.close()


async def test_nothing_changes_while_a_reading_is_held(replica: Replica) -> None:
    kb = replica().get("kato")
    async with kb.reading(deadline=soon()) as reading:
        waiting = asyncio.create_task(added(kb, learn("a", "b")))
        done, _ = await asyncio.wait((waiting,), timeout=0.2)
        assert not done
        assert reading.patterns == {}
    assert await waiting == [(1, 1)]


async def test_a_look_up_that_does_not_end_before_its_deadline_fails(replica: Replica) -> None:
    kb = replica().get("kato")
    async with kb.reading(deadline=soon()):
        waiting = asyncio.create_task(added(kb, learn("a", "b")))
        async with asyncio.timeout(60):
            while not await is_kept_out(kb):
                await asyncio.sleep(0.01)  # the change does not wait for the reader yet
    await waiting


async def is_kept_out(kb: SuperKnowledgeBase) -> bool:
    """Whether a reader fails at its deadline: it may not overtake a change that waits."""
    try:
        await kb.tail(deadline=Deadline.after(0.5))
    except DeadlineExceededError:
        return True
    return False


async def test_a_store_that_was_re_created_is_another_history(
    replica: Replica, store: Store
) -> None:
    kb = replica().get("kato")
    await added(kb, learn("a"), learn("b"))
    await store.forget()
    assert await known(kb) == {}
    assert await added(kb, learn("c")) == [(1, 1)]


async def test_a_store_that_was_re_created_between_two_appends_is_another_history(
    replica: Replica, store: Store
) -> None:
    kb = replica().get("kato")
    await added(kb, learn("a"), learn("b"))
    await store.forget()
    await added(replica().get("kato"), learn("d"))
    entry = learn("c")
    await added(kb, entry)
    assert await known(kb) == {entry.name: 1, learn("d").name: 1}


async def test_a_delete_drops_documents_with_its_tokens_only(store: Store) -> None:
    log = store.new_log()
    await log.start()
    await log.create("kato")
    entries = [learn("a"), learn("b"), learn("c")]
    assert await log.insert("kato", 1, entries) == 3
    await log.delete("kato", {1: entries[0].token, 2: "somebody else's"})
    tail = await log.tail("kato", 0, limit=9)
    assert tail.entries == ((2, entries[1]), (3, entries[2]))
    await log.close()


async def test_a_tail_of_one_entry_is_the_start_of_a_longer_one(
    replica: Replica, store: Store
) -> None:
    log, here = store.new_log(), replica().get("kato")
    assert await log.tail("kato", 0, limit=1) == Tail((), None, more=False)
    await added(here, *(learn("a", f"b{number}") for number in range(4)))
    head = await log.head("kato")
    assert head is not None
    await log.raise_head("kato", Head(head.incarnation, checkpoint=3, trimmed=2))
    for after in range(6):
        whole, single = [await log.tail("kato", after, limit=limit) for limit in (99, 1)]
        present = [each for each in whole.entries if each[0] == after + 1]
        assert list(single.entries) == present
        assert single.head == whole.head == await log.head("kato")
        assert single.more or after >= 4


async def test_a_head_keeps_its_incarnation_and_an_insert_stops_at_a_taken_revision(
    store: Store,
) -> None:
    log = store.new_log()
    await asyncio.gather(log.start(), log.start())
    assert await log.head("kato") is None
    await asyncio.gather(log.create("kato"), log.create("kato"))
    head = await log.head("kato")
    await log.create("kato")
    assert await log.head("kato") == head
    first, second = learn("a"), learn("b")
    assert await log.insert("kato", 2, [second]) == 1
    assert await log.insert("kato", 1, [first, learn("c"), learn("d")]) == 1
    assert (await log.tail("kato", 0, limit=9)).entries == ((1, first), (2, second))
    cut = await log.tail("kato", 0, limit=1)
    assert (cut.entries, cut.head, cut.more) == (((1, first),), head, True)
    assert await log.tail("nobody", 0, limit=9) == Tail((), None, more=False)
    await log.close()


EVENTS = ((("a",), ("b",)), (("",),), (("$", "."), ("a.b", "\x00"), ("🙂",)))
emotives = st.dictionaries(
    st.sampled_from(["joy", "a.b", "$"]), st.floats(allow_nan=False, allow_infinity=False)
)
tokens = st.uuids().map(lambda token: token.hex)
names = st.sampled_from([pattern_name(events) for events in EVENTS])


@st.composite
def any_entry(draw: st.DrawFn) -> Entry:
    events, token = draw(st.sampled_from(EVENTS)), draw(tokens)
    kind = draw(st.sampled_from([Learn, Learn, Import, Statistics, Update, Delete, Clear]))
    if kind is Import:
        maps = tuple(draw(st.lists(emotives, max_size=2)))
        counts = (draw(st.integers(0, 9)), draw(st.integers(0, 9)))
        felt = draw(emotives)
        name = pattern_name(events)
        return Import(token, "source", 0, name, events, *counts, maps, affinity=felt)
    if kind is Statistics:
        few = st.integers(-(2**53), 2**53)
        symbols = st.dictionaries(st.sampled_from(["a", "", "$.", "\x00"]), st.tuples(few, few))
        totals = (draw(few), draw(few), draw(few))
        return Statistics(token, "source", 0, Corrections(draw(symbols), *totals))
    if kind is Learn:
        texts = draw(st.dictionaries(st.text(max_size=3), st.tuples(st.just('{"a":1}'))))
        how = draw(st.none() | emotives)
        return Learn(token, pattern_name(events), events, how, draw(st.integers(1, 3)), texts)
    if kind is Update:
        frequency = draw(st.none() | st.integers(0, 2**31 - 1))
        return Update(token, draw(names), frequency, draw(st.none() | st.tuples(emotives)))
    return Delete(token, draw(names)) if kind is Delete else Clear(token)


@settings(max_examples=20)
@given(histories=st.lists(st.lists(any_entry(), max_size=6), max_size=4))
def test_both_backends_return_exactly_the_same_history(
    mongo_url: str, tmp_path_factory: pytest.TempPathFactory, histories: list[list[Entry]]
) -> None:
    history = [entry for group in histories for entry in group]
    expected = Fold(PlainPatterns())
    for revision, entry in enumerate(history, start=1):
        expected.apply(revision, entry)
    folds = asyncio.run(_folds(mongo_url, tmp_path_factory.mktemp("fold"), histories))
    for patterns, statistics in folds:
        assert list(patterns.items()) == list(expected.patterns.items())
        assert statistics == expected.statistics


async def _folds(
    mongo_url: str, directory: Path, histories: list[list[Entry]]
) -> list[tuple[dict[str, Pattern], SymbolStatistics]]:
    folds = []
    for opened in (sqlite_store(directory), mongo_store(mongo_url)):
        async with opened as store:
            here, there = (KnowledgeBases(store.new_log(), PlainPatterns) for _ in range(2))
            await here.start()
            for number, group in enumerate(histories):
                await (here, there)[number % 2].get("kato").append(group, since=0)
            async with here.get("kato").reading(deadline=soon()) as reading:
                folds.append((dict(reading.patterns), reading.statistics))
            await here.close()
            await there.close()
    return folds


async def test_the_outcome_of_entries_that_the_fold_has_passed_is_known_while_the_log_is_short(
    replica: Replica,
) -> None:
    entries = [learn("a", "x"), learn("b", "x"), learn("a", "x")]
    await replica().get("kato").append(entries, since=0)
    for most, expected in ((3, [1, 1, 2]), (2, [None, None, None])):
        kb = replica(KnowledgeLimits(replayed_entries=most)).get("kato")
        async with kb.reading(deadline=soon()):
            pass
        applied = await kb.append(entries, since=0, lookup=True)
        assert [one.revision for one in applied] == [1, 2, 3]
        assert [one.frequency for one in applied] == expected
    async with replica().get("kato").reading(deadline=soon()) as reading:
        assert reading.revision == 3
