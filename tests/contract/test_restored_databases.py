"""Databases that were restored from a backup, over every backend: noticed, and never damaged."""

import pytest
from knowledge_stores import Replica
from knowledge_views import added, facts, fold_of, learn, replayed, soon, stored, view

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.model.entries import Entry
from kato_service.knowledge.model.log import Head, KnowledgeLog


async def gone_back(log: KnowledgeLog, *after: Entry, to: int) -> None:
    """Drop entries, as restoring an older backup does."""
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


async def test_nothing_is_acknowledged_after_a_gap_in_a_restored_log(
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


async def test_a_backup_of_several_points_in_time_is_refused_with_advice(
    log: KnowledgeLog, replica: Replica
) -> None:
    """Patterns that were saved after the log: the entries in between are lost."""
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
