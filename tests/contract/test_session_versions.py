"""The suite for every `SessionStore`: versions, by which changes of other replicas are noticed."""

from dataclasses import replace

from session_stores import SHORT_S, Kept, intent_for

from kato_service.sessions.watching import SessionWatches


async def test_a_version_changes_with_every_save_and_with_nothing_else(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    seen = await kept.store.versions([session_id])
    for count in range(1, 4):
        lock = await kept.locked(session_id)
        assert await kept.store.versions([session_id]) == seen[-1:]
        changed = replace(lock.state, access_count=count, last_accessed_at=lock.locked_at)
        await kept.store.save(lock, changed, None)
        seen += await kept.store.versions([session_id])
    await kept.store.extend(session_id, 30)
    await kept.store.load(session_id)
    lock = await kept.locked(session_id)
    await kept.store.release(session_id, lock.owner)
    assert await kept.store.versions([session_id]) == seen[-1:]
    assert len(set(seen)) == 4


async def test_a_pending_intent_changes_the_version_as_it_changes_what_is_read(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    before = await kept.store.versions([session_id])
    lock = await kept.locked(session_id)
    after = replace(lock.state, access_count=1, last_accessed_at=lock.locked_at, time=1)
    await kept.store.intend(lock, intent_for(lock, after))
    assert await kept.store.versions([session_id]) != before


async def test_a_session_that_ended_has_no_version_and_a_new_one_of_its_id_another(
    kept: Kept,
) -> None:
    one, two = (await kept.create()).session_id, (await kept.create(ttl_s=SHORT_S)).session_id
    first, second = await kept.store.versions([one, two])
    assert first != second
    await kept.store.remove(await kept.locked(one))
    await kept.pass_time(SHORT_S + 0.1)
    assert await kept.store.versions([two, one, "unknown"]) == [None, None, None]
    await kept.create(session_id=one)
    assert await kept.store.versions([one]) not in ([first], [None])


async def test_more_sessions_than_one_round_trip_reads_are_told_apart(kept: Kept) -> None:
    ids = [(await kept.create(session_id=f"s{number:03}")).session_id for number in range(100)]
    found = await kept.store.versions([*ids, "unknown", *ids])
    assert found[:100] == found[101:]
    assert found[100] is None
    assert len(set(found)) == 101


async def test_a_watch_notices_what_another_replica_changed(kept: Kept) -> None:
    session_id = (await kept.create()).session_id
    watches = SessionWatches(kept.store)
    with watches.watch(session_id) as watch:
        await watch.changed()  # a new watch looks once
        await watches.look()
        await watch.changed()  # and once more, as nobody knew the version before
        await watches.look()
        assert not watch.noticed
        lock = await kept.locked(session_id)
        await kept.store.save(lock, replace(lock.state, access_count=1, last_accessed_at=1.0), None)
        await watches.look()
        assert watch.noticed
        await watch.changed()
        await kept.store.remove(await kept.locked(session_id))
        await watches.look()
        assert watch.noticed
    await watches.look()
    assert not watches._versions
