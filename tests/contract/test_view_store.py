"""The stores of views over every backend: written, paged, dropped, and never older than before."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import pytest
from knowledge_stores import Store, mongo_store
from knowledge_views import (
    NASTY,
    in_order,
    stored,
    view,
)

from kato_service.domain.pattern import Pattern, pattern_name
from kato_service.domain.statistics import Corrections
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.log import Head, KnowledgeLog
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView
from kato_service.knowledge.stores.view_documents import cut_statistics, encoded_statistics

PIECE_BYTES = 500
SMALL_PIECES = pytest.mark.parametrize(
    "limits", [KnowledgeLimits(statistics_piece_bytes=PIECE_BYTES)], ids=["pieces"]
)


async def test_views_are_read_as_they_were_written(log: KnowledgeLog) -> None:
    events = (NASTY, ("a", "a"))
    emotives = dict.fromkeys(NASTY, 0.1)
    rich = Pattern(
        name=pattern_name(events),
        events=events,
        frequency=2**31 - 1,
        learns=2**33,
        emotives=(emotives, {}, {"joy": -1.5}),
        metadata=dict.fromkeys(NASTY, ('{"$a.b":[1]}', '""')),
        affinity=dict.fromkeys(NASTY, 1 / 3) | {"back": 0.0, "most": 1.7976931348623157e308},
        first=7,
        revision=2**40,
    )
    buried = view("b", 9, deleted=True, frequency=0, affinity={"joy": -0.1})
    views = in_order(PatternView(rich), buried)
    await log.views.write("kato", views)
    assert await stored(log) == views


async def test_views_are_paged_by_name_within_one_knowledge_base(log: KnowledgeLog) -> None:
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


async def test_the_newest_of_concurrently_written_views_stays(
    knowledge_store: Store, request: pytest.FixtureRequest
) -> None:
    if "mongodb" in request.node.name:
        pytest.skip("the stand-in for MongoDB updates a document in two steps, MongoDB in one")
    logs = [knowledge_store.new_log() for _ in range(4)]
    for each in logs:  # SQLite refuses all but one of those that make a new file at the same time
        await each.start()
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


async def test_a_view_that_is_discarded_while_it_is_replaced_is_written_again(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On MongoDB alone: SQLite looks and replaces in one transaction."""
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


async def test_a_lease_from_before_the_clock_was_set_back_holds_nobody_up(
    log: KnowledgeLog,
) -> None:
    a_day_ahead_s = 86_400.0
    assert await log.claim("kato", "one", lease_s=a_day_ahead_s)
    assert await log.claim("kato", "two", lease_s=60)
    assert not await log.claim("kato", "three", lease_s=60)


async def test_one_owner_at_a_time_holds_the_lease_until_it_ends(log: KnowledgeLog) -> None:
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


@SMALL_PIECES
async def test_statistics_of_any_size_are_kept_whole(log: KnowledgeLog) -> None:
    """MongoDB accepts no document above 16 MiB."""
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


async def test_pieces_of_statistics_are_written_first_and_dropped_last(mongo_url: str) -> None:
    """A writer that dies in between leaves the old statistics; readers see the old or the new."""
    first, second = (
        StatisticsView(Corrections({f"{n}-{'s' * 99}": (n, r) for n in range(40)}), {}, r)
        for r in (1, 2)
    )
    async with mongo_store(mongo_url) as store:
        log = store.new_log(KnowledgeLimits(statistics_piece_bytes=PIECE_BYTES))
        patterns = log.views._patterns  # to look at what no port shows
        await log.views.write_statistics("kato", first)
        count = await patterns.count_documents({})
        _, pieces = cut_statistics(encoded_statistics("kato", second), PIECE_BYTES)
        await patterns.insert_many(pieces)
        assert await log.views.statistics("kato") == first
        await log.views.write_statistics("kato", second)
        assert await log.views.statistics("kato") == second
        assert await patterns.count_documents({}) == count
        await patterns.delete_one({"_id": pieces[3]["_id"]})
        with pytest.raises(StoreUnavailableError, match="are missing"):
            await log.views.statistics("kato")
        await log.close()


@SMALL_PIECES
async def test_statistics_are_read_whole_while_others_replace_them(log: KnowledgeLog) -> None:
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


async def test_the_numbers_of_a_head_only_grow_and_only_in_its_own_history(
    log: KnowledgeLog,
) -> None:
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
