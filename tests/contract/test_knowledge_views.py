"""One suite for the materialised views over every backend: written, loaded, never wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from uuid import uuid4

import pytest
from knowledge_stores import Replica, Store, mongo_store

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Pattern, pattern_name
from kato_service.domain.statistics import Corrections
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import (
    Clear,
    Delete,
    Entry,
    Import,
    Learn,
    Statistics,
    Update,
)
from kato_service.knowledge.model.log import Head, KnowledgeLog
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView, ViewPage
from kato_service.knowledge.replica.current_fold import CurrentFold
from kato_service.knowledge.replica.pending_entries import PendingEntries
from kato_service.knowledge.stores import view_documents
from kato_service.knowledge.stores.mongo_log import MongoKnowledgeLog
from kato_service.knowledge.stores.view_documents import cut_statistics, encoded_statistics
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.search.pattern_searcher import PatternSearcher

NASTY = ("", ".", "$", "a.b", "$set", "ключ", "🙂", "a\x00b", "\n", "'", "k" * 300)


def soon() -> Deadline:
    return Deadline.after(20)


def token() -> str:
    return uuid4().hex


def learn(*events: str, **more: object) -> Learn:
    symbols = tuple(tuple(event) for event in events)
    defaults: dict[str, object] = {"emotives": None, "persistence": 5, "metadata": {}}
    return Learn(token(), pattern_name(symbols), symbols, **{**defaults, **more})  # type: ignore[arg-type]  # a test's shorthand


def view(event: str, revision: int, *, deleted: bool = False, **more: object) -> PatternView:
    events = ((event,),)
    pattern = Pattern(pattern_name(events), events, first=1, revision=revision, **more)  # type: ignore[arg-type]  # a test's shorthand
    return PatternView(pattern, deleted=deleted)


def in_order(*views: PatternView) -> tuple[PatternView, ...]:
    return tuple(sorted(views, key=lambda view: view.pattern.name))


async def stored(log: KnowledgeLog, kb: str = "kato") -> tuple[PatternView, ...]:
    return (await log.views.page(kb, "", limit=99)).views


async def added(kb: SuperKnowledgeBase, *entries: Entry) -> None:
    await kb.append(entries, since=0)


async def fold_of(log: KnowledgeLog, kb: str = "kato") -> Fold:
    """As a process makes it that starts now."""
    return await CurrentFold(kb, log, PlainPatterns, PendingEntries()).loaded()


def replayed(*entries: Entry) -> Fold:
    fold = Fold(PlainPatterns())
    for revision, entry in enumerate(entries, start=1):
        fold.apply(revision, entry)
    return fold


def facts(fold: Fold) -> dict[str, object]:
    """All of it, field for field, the order of patterns included."""
    return {
        "patterns": list(fold.patterns.items()),
        "tombstones": fold.tombstones,
        "statistics": fold.statistics,
        "corrections": fold.corrections,
        "imports": fold.imports.parts,
        "revision": fold.revision,
        "cleared": fold.cleared,
        "token": fold.token,
    }


async def drop_what_views_show(log: KnowledgeLog, *entries: Entry) -> None:
    """Leave only the entry of the checkpoint in the log, so that nobody can use the others."""
    head = await log.head("kato")
    assert head is not None
    assert head.checkpoint > 1
    shown = enumerate(entries[: head.checkpoint - 1], start=1)
    await log.raise_head("kato", Head(head.incarnation, trimmed=head.checkpoint - 1))
    await log.delete("kato", {revision: entry.token for revision, entry in shown})


async def test_views_are_given_back_as_they_were(log: KnowledgeLog) -> None:
    events = (NASTY, ("a", "a"))
    emotives = dict.fromkeys(NASTY, 0.1)
    rich = Pattern(
        name=pattern_name(events),
        events=events,
        frequency=2**31 - 1,
        learns=2**33,
        emotives=(emotives, {}, {"joy": -1.5}),
        metadata=dict.fromkeys(NASTY, ('{"$a.b":[1]}', '""')),
        first=7,
        revision=2**40,
    )
    views = in_order(PatternView(rich), view("b", 9, deleted=True, frequency=0))
    await log.views.write("kato", views)
    assert await stored(log) == views


async def test_views_come_in_pages_by_name_and_of_one_knowledge_base(log: KnowledgeLog) -> None:
    views = in_order(*(view(event, 3) for event in "abcdefg"))
    others = ["kato-1", "KATO", "kat", "kato.", f"kato~{'0' * 40}"]
    for kb in others:
        await log.views.write(kb, [view("x", 3)])
    await log.views.write("kato", views)
    found = await log.views.page("kato", "", limit=3)
    assert (found.views, found.more) == (views[:3], True)
    found = await log.views.page("kato", views[2].pattern.name, limit=4)
    assert found.views == views[3:]
    found = await log.views.page("kato", views[-1].pattern.name, limit=4)
    assert (found.views, found.more) == ((), False)
    for kb in others:
        assert await stored(log, kb) == (view("x", 3),)
    assert await stored(log, "nobody") == ()


async def test_an_older_view_never_replaces_a_newer_one(log: KnowledgeLog) -> None:
    await log.views.write("kato", [view("a", 5, frequency=5), view("b", 5), view("c", 5)])
    await log.views.write(
        "kato",
        [view("a", 4, frequency=4), view("b", 5, frequency=9), view("c", 6), view("d", 1)],
    )
    await log.views.write("kato", [])
    assert await stored(log) == in_order(
        view("a", 5, frequency=5), view("b", 5), view("c", 6), view("d", 1)
    )


async def test_the_newest_of_views_written_at_once_stays(
    knowledge_store: Store, request: pytest.FixtureRequest
) -> None:
    if "mongodb" in request.node.name:
        pytest.skip("the stand-in for MongoDB updates a document in two steps, MongoDB in one")
    logs = [knowledge_store.new_log() for _ in range(4)]
    await asyncio.gather(*(each.start() for each in logs))
    for events in ("abc", "bcd"):
        await asyncio.gather(
            *(
                each.views.write("kato", [view(event, number + 1) for event in events])
                for number, each in enumerate(logs)
            )
        )
    assert await stored(logs[0]) == in_order(*(view(event, 4) for event in "abcd"))
    for each in logs:
        await each.close()


async def test_a_view_that_mongodb_discards_while_it_is_replaced_is_there_anew(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite looks and replaces in one transaction."""
    async with mongo_store(mongo_url) as store:
        log = store.new_log()
        await log.start()
        await log.views.write("kato", [view("a", 1), view("b", 1), view("c", 1)])
        look: Callable[..., Awaitable[Mapping[str, int]]] = log.views._revisions
        discarded: list[int] = []

        async def look_then_clear(documents: Sequence[object]) -> Mapping[str, int]:
            known = await look(documents)
            if not discarded:
                discarded.append(await log.views.discard("kato", 2, limit=10))
            return known

        monkeypatch.setattr(log.views, "_revisions", look_then_clear)
        await log.views.write("kato", [view("a", 3), view("b", 3)])
        assert discarded == [3]
        assert await stored(log) == in_order(view("a", 3), view("b", 3))
        await log.close()


async def test_one_at_a_time_is_advised_to_write_until_its_lease_ends(log: KnowledgeLog) -> None:
    assert await log.claim("kato", "one", lease_s=60)
    assert not await log.claim("kato", "two", lease_s=60)
    assert await log.claim("other", "two", lease_s=60)
    await log.release("kato", "two")
    assert not await log.claim("kato", "two", lease_s=60)
    await log.release("kato", "one")
    assert await log.claim("kato", "two", lease_s=-1)
    assert await log.claim("kato", "three", lease_s=60)
    await log.release("kato", "two")
    assert not await log.claim("kato", "one", lease_s=60)


async def test_only_newer_statistics_replace_those_of_a_knowledge_base(log: KnowledgeLog) -> None:
    first = StatisticsView(Corrections({"$a.b": (2, -3), "": (1, 1)}, 4, -5, 6), {"x.y": 3}, 7)
    assert await log.views.statistics("kato") is None
    await log.views.write_statistics("kato", first)
    await log.views.write_statistics("kato", StatisticsView(Corrections(), {}, 6))
    await log.views.write_statistics("kato", StatisticsView(Corrections(), {}, 7))
    assert await log.views.statistics("kato") == first
    second = StatisticsView(Corrections(), {"x.y": 4}, 8)
    await log.views.write_statistics("kato", second)
    assert await log.views.statistics("kato") == second
    assert (await stored(log), await log.views.statistics("kat")) == ((), None)


async def test_statistics_of_any_size_are_kept_whole(
    log: KnowledgeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB takes no document above 16 MiB."""
    monkeypatch.setattr(view_documents, "STATISTICS_PIECE_BYTES", 500)
    small = StatisticsView(Corrections({"a": (1, 2)}, 1, 2, 3), {"x": 1}, 1)
    await log.views.write_statistics("kato", small)
    for revision in (2, 3):
        symbols = {f"{number} {'é' * 90}": (number, -revision) for number in range(40)}
        large = StatisticsView(Corrections(symbols, 4, -5, 6), {"x": revision}, revision)
        await log.views.write_statistics("kato", large)
        await log.views.write_statistics("kato", large)
        await log.views.write_statistics("kato", small)
        assert await log.views.statistics("kato") == large
    await log.views.write_statistics("other", large)
    smaller = StatisticsView(Corrections(), {"x": 9}, 9)
    await log.views.write_statistics("kato", smaller)
    assert await log.views.statistics("kato") == smaller
    assert await log.views.statistics("other") == large
    assert await stored(log) == ()


async def test_pieces_of_statistics_come_first_and_go_last(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever dies in between leaves the statistics from before, and readers see one or other."""
    monkeypatch.setattr(view_documents, "STATISTICS_PIECE_BYTES", 500)
    first, second = (
        StatisticsView(Corrections({f"{n}-{'s' * 99}": (n, r) for n in range(40)}), {}, r)
        for r in (1, 2)
    )
    async with mongo_store(mongo_url) as store:
        log = store.new_log()
        patterns = log.views._patterns  # to look at what no port shows
        await log.views.write_statistics("kato", first)
        count = await patterns.count_documents({})
        _, pieces = cut_statistics(encoded_statistics("kato", second))
        await patterns.insert_many(pieces)
        assert await log.views.statistics("kato") == first
        await log.views.write_statistics("kato", second)
        assert await log.views.statistics("kato") == second
        assert await patterns.count_documents({}) == count
        await patterns.delete_one({"_id": pieces[3]["_id"]})
        with pytest.raises(StoreUnavailableError, match="are missing"):
            await log.views.statistics("kato")
        await log.close()


async def test_statistics_are_read_whole_while_others_replace_them(
    log: KnowledgeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_documents, "STATISTICS_PIECE_BYTES", 1000)
    seen: list[int] = []

    async def read(until: int) -> None:
        while not seen or seen[-1] < until:
            found = None
            with suppress(StoreUnavailableError):  # replaced too often meanwhile
                found = await log.views.statistics("kato")
            if found is not None:
                seen.append(found.revision)
                assert set(found.corrections.symbols.values()) == {(found.revision, 1)}
                assert len(found.corrections.symbols) == 30

    async def write() -> None:
        for revision in range(1, 8):
            symbols = {f"{n}-{'s' * 99}": (revision, 1) for n in range(30)}
            await log.views.write_statistics(
                "kato", StatisticsView(Corrections(symbols), {}, revision)
            )

    await asyncio.gather(write(), read(7))
    assert seen == sorted(seen)


async def test_garbage_is_dropped_in_bounded_steps(log: KnowledgeLog) -> None:
    await log.views.write("kato", [view(event, number) for number, event in enumerate("abcde", 1)])
    await log.views.write("other", [view("a", 1)])
    assert await log.views.discard("kato", 3, limit=2) == 2
    assert await log.views.discard("kato", 3, limit=2) == 1
    assert await log.views.discard("kato", 3, limit=2) == 0
    assert await stored(log) == in_order(view("d", 4), view("e", 5))
    assert await stored(log, "other") == (view("a", 1),)


async def test_the_numbers_of_a_head_only_grow_and_only_in_their_history(log: KnowledgeLog) -> None:
    await log.raise_head("kato", Head("", checkpoint=3))
    assert await log.head("kato") is None
    await log.create("kato")
    head = await log.head("kato")
    assert head is not None
    await log.raise_head("kato", Head("another one's", checkpoint=3, cleared=3, trimmed=3))
    assert await log.head("kato") == head
    await log.raise_head("kato", Head(head.incarnation, checkpoint=9, cleared=4))
    await log.raise_head("kato", Head(head.incarnation, checkpoint=5, cleared=6, trimmed=2))
    assert await log.head("kato") == Head(head.incarnation, checkpoint=9, cleared=6, trimmed=2)


def lively() -> tuple[Entry, ...]:
    """Every kind of entry, and a pattern that went and came."""
    a = learn("a", "x", emotives={"joy": 1.0}, metadata={"k": ("1",)})
    b, c = learn("b", "x"), learn("c", "y", "y")
    return (
        *(learn("old"), Clear(token())),
        *(a, b, c, learn("b", "x", emotives={"joy": 0.5}, metadata={"k": ("1", "2")})),
        *(Delete(token(), a.name), Update(token(), c.name, frequency=7, emotives=({"x": 1.0},))),
        *(learn("a", "x", emotives={"joy": 2.0}), Delete(token(), b.name), learn("d")),
        Import(token(), "old kato", 0, c.name, c.events, 4, 3),
        Statistics(token(), "old kato", 1, Corrections({"x": (-1, 2), "z": (1, 1)}, 1, 2, 3)),
        Import(token(), "old kato", 1, c.name, c.events, 4, 3),
    )


async def test_a_process_that_starts_knows_from_the_views_what_the_log_told(
    replica: Replica, log: KnowledgeLog
) -> None:
    entries = lively()
    here = replica().get("kato")
    await added(here, *entries)
    assert await here.materialise() == 4
    head = await log.head("kato")
    assert head is not None
    assert (head.checkpoint, head.cleared) == (len(entries), 2)
    await drop_what_views_show(log, *entries)
    assert facts(await fold_of(log)) == facts(replayed(*entries))
    more = (learn("b", "x"), Delete(token(), learn("d").name), learn("e"))
    await added(replica().get("kato"), *more)
    assert facts(await fold_of(log)) == facts(replayed(*entries, *more))


async def test_the_compiled_engine_takes_views_as_they_are_stored(
    replica: Replica, log: KnowledgeLog
) -> None:
    pytest.importorskip("kato_service.search._engine")
    entries = lively()
    here = replica().get("kato")
    await added(here, *entries)
    await here.materialise()
    await drop_what_views_show(log, *entries)
    engine = PatternSearcher("c")
    fold = await CurrentFold("kato", log, engine.new_index, PendingEntries()).loaded()
    expected = replayed(*entries)
    assert list(fold.patterns.items()) == list(expected.patterns.items())
    assert fold.tombstones == expected.tombstones
    assert fold.statistics.symbol_frequency == expected.statistics.symbol_frequency
    assert fold.statistics.total_learns == expected.statistics.total_learns


async def test_only_what_was_touched_is_written(replica: Replica, log: KnowledgeLog) -> None:
    here, there = replica().get("kato"), replica().get("kato")
    await added(here, *(learn("a", str(number)) for number in range(20)))
    assert await here.materialise() == 20
    assert await here.materialise() == 0
    await added(here, learn("a", "3"), learn("a", "3"), learn("b"))
    assert await here.materialise() == 2
    await there.tail(deadline=soon())
    assert (there.checkpoint_lag, await there.materialise()) == (0, 0)
    await added(here, learn("c"))
    await there.tail(deadline=soon())
    assert (there.checkpoint_lag, await there.materialise()) == (1, 1)
    assert facts(await fold_of(log))["revision"] == 24


async def test_many_touched_patterns_are_written_without_a_list_of_them(
    replica: Replica, log: KnowledgeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kato_service.knowledge.fold.dirty_patterns.MAX_NAMES", 3)
    monkeypatch.setattr("kato_service.knowledge.writing.view_writer.PAGE", 2)
    monkeypatch.setattr("kato_service.knowledge.writing.view_writer.BATCH", 3)
    monkeypatch.setattr("kato_service.knowledge.replica.page_sizes.CHUNK", 3)
    entries = (*lively(), *(learn("n", str(number)) for number in range(6)))
    here = replica().get("kato")
    await added(here, *entries)
    assert await here.materialise() == 10
    await drop_what_views_show(log, *entries)
    assert facts(await fold_of(log)) == facts(replayed(*entries))


async def test_large_patterns_are_read_a_few_at_a_time(
    replica: Replica, log: KnowledgeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kato_service.knowledge.replica.page_sizes.FIRST_CHUNK", 4)
    monkeypatch.setattr("kato_service.knowledge.replica.loading.PAGE_SYMBOLS", 1)
    monkeypatch.setattr("kato_service.knowledge.replica.loading.PAGE_BYTES", 1)
    entries = (*lively(), *(learn("n", str(number)) for number in range(6)))
    here = replica().get("kato")
    await added(here, *entries)
    assert facts(await fold_of(log)) == facts(replayed(*entries))
    await here.materialise()
    pages: list[int] = []
    page = log.views.page

    async def counted(kb: str, after: str, *, limit: int) -> ViewPage:
        pages.append(limit)
        return await page(kb, after, limit=limit)

    monkeypatch.setattr(log.views, "page", counted)
    assert facts(await fold_of(log)) == facts(replayed(*entries))
    assert (pages[0], set(pages[1:])) == (4, {2})


async def test_what_was_cleared_leaves_the_views(replica: Replica, log: KnowledgeLog) -> None:
    here = replica().get("kato")
    entries = [learn("a"), learn("b"), Clear(token()), learn("b"), learn("c")]
    await added(here, *entries[:2])
    await here.materialise()
    await added(here, *entries[2:])
    await here.materialise()
    assert {each.pattern.first for each in await stored(log)} == {4, 5}
    assert facts(await fold_of(log)) == facts(replayed(*entries))


async def test_statistics_that_were_cleared_leave_the_views(
    replica: Replica, log: KnowledgeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like patterns: of a large import they are megabytes."""
    monkeypatch.setattr(view_documents, "STATISTICS_PIECE_BYTES", 500)
    here = replica().get("kato")
    symbols = {f"{number}-{'s' * 99}": (1, 1) for number in range(40)}
    await added(here, Statistics(token(), "source", 0, Corrections(symbols)), learn("a"))
    await here.materialise()
    assert await log.views.statistics("kato") is not None
    await log.views.write_statistics("other", StatisticsView(Corrections(symbols), {}, 1))
    await added(here, Clear(token()))
    await here.materialise()
    assert (await stored(log), await log.views.statistics("kato")) == ((), None)
    await log.views.discard("other", 0, limit=9)
    assert await log.views.statistics("other") is not None
    if isinstance(log, MongoKnowledgeLog):
        ids = [each["_id"] async for each in log.views._patterns.find()]
        assert not [each for each in ids if each.startswith("kato")]


async def test_a_late_write_of_what_was_cleared_is_garbage(
    replica: Replica, log: KnowledgeLog
) -> None:
    entries = [learn("a"), learn("b"), Clear(token()), learn("c")]
    await added(replica().get("kato"), *entries[:2])
    slow = await fold_of(log)
    late = [found for name in slow.patterns if (found := slow.known(name))]
    here = replica().get("kato")
    await added(here, *entries[2:])
    await here.materialise()
    await log.views.write("kato", late)
    assert len(await stored(log)) == 3
    loaded = await fold_of(log)
    assert facts(loaded) == facts(replayed(*entries))
    assert loaded.has_garbage
    there = replica().get("kato")
    await there.tail(deadline=soon())
    await there.materialise()
    assert [each.pattern.name for each in await stored(log)] == [learn("c").name]


async def test_views_without_their_checkpoint_count_once(
    replica: Replica, log: KnowledgeLog
) -> None:
    entries = lively()
    await added(replica().get("kato"), *entries[:6])
    here = replica().get("kato")
    await here.tail(deadline=soon())
    await here.materialise()
    await added(here, *entries[6:])
    ahead = await fold_of(log)
    names = (*ahead.patterns, *ahead.tombstones)
    await log.views.write("kato", [found for name in names if (found := ahead.known(name))])
    head = await log.head("kato")
    assert head is not None
    assert head.checkpoint == 6
    await drop_what_views_show(log, *entries)
    assert facts(await fold_of(log)) == facts(replayed(*entries))


async def test_data_of_a_version_without_views_just_works(
    replica: Replica, knowledge_store: Store, log: KnowledgeLog
) -> None:
    entries = lively()
    await added(replica().get("kato"), *entries)
    await knowledge_store.forget_views()
    upgraded = replica()
    assert facts(await fold_of(log)) == facts(replayed(*entries))
    await upgraded.start()
    here = upgraded.get("kato")
    await here.tail(deadline=soon())
    assert await here.materialise() == 4
    await drop_what_views_show(log, *entries)
    assert facts(await fold_of(log)) == facts(replayed(*entries))


async def test_setting_up_again_and_at_once_changes_nothing(
    knowledge_store: Store, log: KnowledgeLog
) -> None:
    logs = [knowledge_store.new_log() for _ in range(5)]
    await asyncio.gather(*(each.start() for each in logs))
    await log.create("kato")
    await log.insert("kato", 1, [learn("a")])
    await log.views.write("kato", [view("a", 1)])
    head = await log.head("kato")
    await asyncio.gather(*(each.start() for each in logs))
    assert (await log.head("kato"), await stored(log)) == (head, (view("a", 1),))
    for each in logs:
        await each.close()


async def gone_back(log: KnowledgeLog, *after: Entry, to: int) -> None:
    """As a database is that an older backup was restored to."""
    revisions = enumerate(after, start=to + 1)
    await log.delete("kato", {revision: entry.token for revision, entry in revisions})


async def test_a_process_notices_that_its_database_went_back_to_a_backup(
    replica: Replica, log: KnowledgeLog
) -> None:
    entries = [learn("a"), learn("b"), learn("c"), learn("d")]
    here = replica().get("kato")
    await added(here, *entries)
    await here.check()
    assert here.pattern_count == 4
    await gone_back(log, *entries[2:], to=2)
    await here.check()
    assert here.pattern_count == 2
    await added(replica().get("kato"), learn("e"), learn("f"))
    assert facts(await fold_of(log))["revision"] == 4


async def test_nothing_is_acknowledged_behind_the_end_of_a_restored_log(
    replica: Replica, log: KnowledgeLog
) -> None:
    entries = [learn("a"), learn("b"), learn("c"), learn("d")]
    here = replica().get("kato")
    await added(here, *entries)
    await gone_back(log, *entries[2:], to=2)
    late = learn("e")
    applied = await here.append([late], since=4)
    assert [(each.revision, each.frequency) for each in applied] == [(3, 1)]
    assert facts(await fold_of(log)) == facts(replayed(*entries[:2], late))


async def test_a_restored_database_gets_no_views_of_its_lost_future(
    replica: Replica, log: KnowledgeLog
) -> None:
    entries = [learn("a"), learn("b"), learn("c"), learn("d")]
    here = replica().get("kato")
    await added(here, *entries)
    await gone_back(log, *entries[2:], to=2)
    assert await here.materialise() is None
    assert await stored(log) == ()
    assert here.pattern_count == 2
    assert await here.materialise() == 2
    head = await log.head("kato")
    assert head is not None
    assert head.checkpoint == 2


async def test_what_is_no_document_of_mongodb_is_refused_as_any_write_may_be(
    mongo_url: str,
) -> None:
    """The task that writes all views goes on with others."""
    events = tuple((f"{number:05}" * 800,) for number in range(13_000))
    too_large = PatternView(Pattern(pattern_name(events), events, first=1, revision=1))
    async with mongo_store(mongo_url) as store:
        log = store.new_log()
        with pytest.raises(StoreUnavailableError, match="no document as large"):
            await log.views.write("kato", [too_large])
        assert await stored(log) == ()
        await log.close()


async def test_a_backup_of_several_points_in_time_is_refused_with_the_way_out(
    log: KnowledgeLog, replica: Replica
) -> None:
    """Patterns that were saved after the log: nobody knows the entries between."""
    base = replica().get("kato")
    last = learn("b")
    await added(base, learn("a"), last)
    head = await log.head("kato")
    assert head is not None
    newer = view("b", 2, frequency=1, learns=1)
    await log.raise_head("kato", Head(head.incarnation, checkpoint=1))
    await log.views.write("kato", [view("a", 1, frequency=1, learns=1), newer])
    await log.delete("kato", {2: last.token})
    with pytest.raises(StoreUnavailableError, match="one point in time"):
        async with replica().get("kato").reading(deadline=soon()):
            pass
    await log.insert("kato", 2, [last])
    async with replica().get("kato").reading(deadline=soon()) as known:
        assert len(known.patterns) == 2
