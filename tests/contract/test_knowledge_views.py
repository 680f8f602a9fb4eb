"""Knowledge bases and their views over every backend: nothing is invented, nothing is lost."""

import asyncio
from collections.abc import Sequence

import pytest
from knowledge_stores import Replica, Store, mongo_store
from knowledge_views import (
    added,
    drop_what_views_show,
    facts,
    fold_of,
    learn,
    lively,
    replayed,
    soon,
    stored,
    token,
    view,
)

from kato_service.domain.pattern import Pattern, pattern_name
from kato_service.domain.statistics import Corrections
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Clear, Delete, Statistics
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView, ViewPage
from kato_service.knowledge.stores.mongo_log import MongoKnowledgeLog
from kato_service.search.pattern_searcher import PatternSearcher


async def test_a_fold_from_views_equals_a_fold_of_the_whole_log(
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
    fold = await fold_of(log, new_index=engine.new_index)
    expected = replayed(*entries)
    assert list(fold.patterns.items()) == list(expected.patterns.items())
    assert fold.tombstones == expected.tombstones
    assert fold.statistics.symbol_frequency == expected.statistics.symbol_frequency
    assert fold.statistics.total_learns == expected.statistics.total_learns


async def test_only_dirty_patterns_are_written(replica: Replica, log: KnowledgeLog) -> None:
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


async def test_many_dirty_patterns_are_written_without_a_list_of_them(
    replica: Replica, log: KnowledgeLog
) -> None:
    few = KnowledgeLimits(dirty_patterns=3, view_scan=2, view_batch=3, page_entries=3)
    entries = (*lively(), *(learn("n", str(number)) for number in range(6)))
    here = replica(few).get("kato")
    await added(here, *entries)
    assert await here.materialise() == 10
    await drop_what_views_show(log, *entries)
    assert facts(await fold_of(log, limits=few)) == facts(replayed(*entries))


async def test_views_are_written_in_the_order_in_which_their_store_keeps_them(
    replica: Replica, log: KnowledgeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = replica(KnowledgeLimits(view_batch=3)).get("kato")
    await added(here, *(learn("a", str(number)) for number in range(20)))
    written: list[str] = []
    write = log.views.write

    async def noted(kb: str, views: Sequence[PatternView]) -> None:
        written.extend(one.pattern.name for one in views)
        await write(kb, views)

    monkeypatch.setattr(log.views, "write", noted)
    assert await here.materialise() == 20
    assert written == sorted(written)


async def test_large_patterns_are_read_a_few_at_a_time(
    replica: Replica, log: KnowledgeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = KnowledgeLimits(first_page_entries=4, page_symbols=1, page_bytes=1)
    entries = (*lively(), *(learn("n", str(number)) for number in range(6)))
    here = replica(small).get("kato")
    await added(here, *entries)
    assert facts(await fold_of(log, limits=small)) == facts(replayed(*entries))
    await here.materialise()
    pages: list[int] = []
    page = log.views.page

    async def counted(kb: str, after: str, *, limit: int) -> ViewPage:
        pages.append(limit)
        return await page(kb, after, limit=limit)

    monkeypatch.setattr(log.views, "page", counted)
    assert facts(await fold_of(log, limits=small)) == facts(replayed(*entries))
    assert (pages[0], set(pages[1:])) == (4, {2})


async def test_views_of_cleared_patterns_are_dropped(replica: Replica, log: KnowledgeLog) -> None:
    here = replica().get("kato")
    entries = [learn("a"), learn("b"), Clear(token()), learn("b"), learn("c")]
    await added(here, *entries[:2])
    await here.materialise()
    await added(here, *entries[2:])
    await here.materialise()
    assert {each.pattern.first for each in await stored(log)} == {4, 5}
    assert facts(await fold_of(log)) == facts(replayed(*entries))


@pytest.mark.parametrize("limits", [KnowledgeLimits(statistics_piece_bytes=500)], ids=["pieces"])
async def test_statistics_that_were_cleared_are_dropped(
    replica: Replica, log: KnowledgeLog
) -> None:
    """Like patterns: those of a large import take megabytes."""
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


async def test_a_late_write_of_cleared_patterns_is_garbage(
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


async def test_data_of_a_version_without_views_is_read_and_gets_views(
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


async def test_setting_up_repeatedly_and_at_once_changes_nothing(
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


async def test_a_view_that_is_too_large_for_mongodb_is_refused_like_any_failed_write(
    mongo_url: str,
) -> None:
    """So the task that writes views continues with other knowledge bases."""
    events = tuple((f"{number:05}" * 800,) for number in range(13_000))
    too_large = PatternView(Pattern(pattern_name(events), events, first=1, revision=1))
    async with mongo_store(mongo_url) as store:
        log = store.new_log()
        with pytest.raises(StoreUnavailableError, match="accepts no document as large"):
            await log.views.write("kato", [too_large])
        assert await stored(log) == ()
        await log.close()
