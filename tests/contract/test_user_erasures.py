"""Erasing users on every store: nothing is left, whatever stops in between (knowledge.md §10)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from knowledge_stores import MemoryKnowledgeLog, Replica, Shelf
from structlog.testing import capture_logs
from test_knowledge_log import known, learn, soon

from kato_service.domain.identity import processor_id_of
from kato_service.domain.pattern import pattern_name
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.configurations import ConfigurationPlan, UserConfigurations
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.sessions.erasing import SessionEraser
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.session_manager import SessionLimits, SessionManager
from kato_service.users.directory import UserDirectory
from kato_service.users.erasing import ErasurePlan, UserEraser

USER = "alice"
HASH = sha256(USER.encode()).hexdigest()[:40]
AT_ONCE = ErasurePlan(overdue_s=-1.0)
KNOWN_AT_ONCE = ConfigurationPlan(valid_s=0.0, known_after_s=0.0)
IMPATIENT = KnowledgeLimits(lease_s=0.05, append_retry_s=0.02)


@dataclass
class Process:
    """One process, as far as users are concerned; sessions are shared."""

    bases: KnowledgeBases
    sessions: SessionManager
    eraser: UserEraser
    users: UserDirectory
    configurations: UserConfigurations

    @property
    def base(self) -> SuperKnowledgeBase:
        return self.bases.get(processor_id_of("kato", USER), USER)

    async def learned(self, *events: str) -> int:
        since = await self.base.tail(deadline=soon())
        (applied,) = await self.base.append([learn(*events)], since=since)
        return applied.revision

    async def new_session(self) -> str:
        state = await self.sessions.create(user_id=USER, metadata={}, overrides={})
        return state.session_id


def process(bases: KnowledgeBases, store: MemorySessionStore) -> Process:
    configurations = UserConfigurations(bases.configurations, "kato", KNOWN_AT_ONCE)
    sessions = SessionManager(store, bases, SessionLimits(), configurations)
    users = UserDirectory("kato", bases, sessions, None, configurations)
    eraser = UserEraser("kato", users, bases, SessionEraser(store, sessions), None, AT_ONCE)
    return Process(bases, sessions, eraser, users, configurations)


@pytest.fixture
def pair(replica: Replica) -> tuple[Process, Process]:
    """Two processes with the same stores."""
    store = MemorySessionStore()
    return process(replica(), store), process(replica(), store)


async def test_an_erased_user_has_no_head_no_entries_no_views_and_no_sessions(
    pair: tuple[Process, Process], log: KnowledgeLog
) -> None:
    one, other = pair
    kb = one.base.id
    for events in (("a", "b"), ("c", "d"), ("a", "b")):
        await one.learned(*events)
    await one.base.materialise()
    await one.learned("e", "f")
    assert len(await known(other.base)) == 3
    await one.new_session()

    erased = await other.eraser.erase(USER, deadline=soon())

    assert (erased.patterns, erased.sessions, erased.is_gone) == (3, 1, True)
    assert await log.head(kb) is None
    assert await log.delete_until(kb, 10**9, limit=10) == 0
    assert await log.views.discard(kb, 10**9, limit=10) == 0
    assert await known(one.base) == {} == await known(other.base)
    assert await one.sessions.count() == 0
    (trace,) = await log.erasures.since("kato", "")
    assert trace.is_done
    assert HASH not in repr(trace)
    assert USER not in repr(trace)


async def test_erasing_again_or_a_user_that_never_was_changes_nothing(
    pair: tuple[Process, Process], log: KnowledgeLog
) -> None:
    one, other = pair
    first = await one.eraser.erase(USER, deadline=soon())
    assert (first.patterns, first.sessions, first.documents) == (0, 0, 0)
    await one.learned("a", "b")
    await one.eraser.erase(USER, deadline=soon())
    again = await other.eraser.erase(USER, deadline=soon())
    assert (again.patterns, again.documents) == (0, 0)
    assert await log.heads("kato", "", limit=10) == []


async def test_a_user_who_was_erased_may_be_used_at_once_and_begins_with_nothing(
    pair: tuple[Process, Process], log: KnowledgeLog
) -> None:
    one, other = pair
    await one.learned("a", "b")
    await one.base.materialise()
    await one.eraser.erase(USER, deadline=soon())
    for process in (other, one, other):
        await process.learned("x", "y")
    frequency = {pattern_name((("x",), ("y",))): 3}
    assert await known(one.base) == frequency == await known(other.base)
    await one.base.materialise()
    one.base.unload()
    assert await known(one.base) == frequency
    await one.bases.get(one.base.id).check()
    assert await known(one.base) == frequency


async def test_other_users_keep_what_they_know(pair: tuple[Process, Process]) -> None:
    one, _ = pair
    bob = one.bases.get(processor_id_of("kato", "bob"), "bob")
    await bob.append([learn("a", "b")], since=await bob.tail(deadline=soon()))
    await one.learned("a", "b")
    await one.eraser.erase(USER, deadline=soon())
    assert len(await known(bob)) == 1
    await bob.append([learn("c", "d")], since=await bob.tail(deadline=soon()))
    assert len(await known(bob)) == 2


async def test_what_was_planned_before_an_erasure_never_gets_in_after_it(
    pair: tuple[Process, Process], log: KnowledgeLog
) -> None:
    one, other = pair
    await one.learned("a", "b")
    since = await one.base.tail(deadline=soon())
    stale = learn("c", "d")
    with one.base.register([stale], since=since):
        await other.eraser.erase(USER, deadline=soon())
        (applied,) = await one.base.append([stale], since=since)
    assert applied.frequency is None
    assert await log.head(one.base.id) is None
    # The same once the user is used again.
    await other.learned("x", "y")
    await one.base.append([learn("e", "f")], since=since, lookup=True)
    assert await known(one.base) == {pattern_name((("x",), ("y",))): 1}


async def test_a_list_shows_names_and_figures_without_loading_anything(
    pair: tuple[Process, Process],
) -> None:
    one, other = pair
    await one.learned("a", "b")
    await one.learned("c", "d", "a")
    await one.base.materialise()
    for number in range(4):
        base = one.bases.get(processor_id_of("kato", f"user {number}"), f"user {number}")
        await base.append([learn("a", "b")], since=await base.tail(deadline=soon()))
    nobody, stranger = one.bases.get("kato"), one.bases.get("kato2~" + "0" * 40)
    for base in (nobody, stranger):
        await base.append([learn("a", "b")], since=0)

    found, after = [], ""
    while after is not None:
        page, after = await other.users.page(after=after, limit=2, deadline=soon())
        assert len(page) <= 2
        found += page

    assert [one.processor_id for one in found] == sorted(one.processor_id for one in found)
    assert {one.user_id for one in found} == {None, USER, *(f"user {n}" for n in range(4))}
    (alice,) = (one for one in found if one.user_id == USER)
    assert (alice.patterns, alice.symbols, alice.learns, alice.revision) == (2, 4, 2, 2)
    assert alice.learned_at is not None
    assert alice.as_of is not None
    assert alice.learned_at <= alice.as_of
    assert {one.loaded_bytes for one in found} == {None}
    now = await other.users.get(USER, deadline=soon())
    assert (now.patterns, now.symbols, now.learns) == (2, 4, 2)
    assert now.learned_at == alice.learned_at


async def test_a_name_that_an_earlier_version_left_out_is_noted_at_the_next_entry(
    pair: tuple[Process, Process], log: KnowledgeLog
) -> None:
    one, _ = pair
    await log.create(one.base.id)
    head = await log.head(one.base.id)
    assert head is not None
    assert head.user is None
    await one.learned("a", "b")
    head = await log.head(one.base.id)
    assert head is not None
    assert head.user == USER


def in_memory(log: MemoryKnowledgeLog) -> KnowledgeBases:
    return KnowledgeBases(log, PlainPatterns, limits=IMPATIENT)


def crashing(at: int) -> Callable[[str], Awaitable[None]]:
    """A step that fails at the *at*-th effect and at all later ones."""
    left = [at]

    async def step(_what: str) -> None:
        if not left[0]:
            raise StoreUnavailableError("the process is gone")
        left[0] -= 1

    return step


async def crashed_erasure(at: int) -> tuple[Shelf, MemorySessionStore, bool]:
    """Erase a user in a process that ends after so many effects; whether it had ended by then."""
    shelf, sessions = Shelf(), MemorySessionStore()
    healthy = process(in_memory(MemoryKnowledgeLog(shelf)), sessions)
    await healthy.learned("a", "b")
    await healthy.base.materialise()
    await healthy.learned("c", "d")
    await healthy.new_session()
    await healthy.configurations.put(healthy.base.id, {"recall_threshold": 0.5})
    step = crashing(at)
    dying = process(in_memory(MemoryKnowledgeLog(shelf, step=step)), sessions)
    try:
        await asyncio.wait_for(dying.eraser.erase(USER, deadline=soon()), 20)
    except StoreUnavailableError:
        return shelf, sessions, False
    return shelf, sessions, True


def contents(shelf: Shelf) -> Iterator[object]:
    """What the store holds of logs; an empty dictionary is nothing."""
    yield from (shelf.heads, shelf.leases, shelf.statistics)
    yield from (one.kb for one in shelf.configurations.values())
    yield from (*shelf.entries.values(), *shelf.views.values())


@pytest.mark.parametrize("used_between", [False, True], ids=["left alone", "used in between"])
async def test_wherever_an_erasure_stops_another_process_completes_it(
    *, used_between: bool
) -> None:
    for at in range(200):
        shelf, sessions, done = await crashed_erasure(at)
        other = process(in_memory(MemoryKnowledgeLog(shelf)), sessions)
        begun = bool(shelf.erasures)
        cleared = any(one.revision for one in shelf.erasures.values())
        seen = await known(other.base)
        assert len(seen) in ((2,) if not begun else (0,) if cleared else (0, 2))
        if used_between:
            await other.learned("x", "y")
        with suppress(StoreUnavailableError):
            await other.eraser.look()
        if begun:
            left = {pattern_name((("x",), ("y",)))} if used_between and cleared else None
            after = set(await known(other.base))
            assert after == left if left else after <= {pattern_name((("x",), ("y",)))}
            assert all(one.is_done for one in shelf.erasures.values()), at
            assert await other.sessions.count() == 0
            assert await other.configurations.get(other.base.id) is None
            if not used_between:
                assert not any(map(bool, contents(shelf)))
        if done:
            return
    raise AssertionError("the erasure takes more effects than the test has")


async def test_erasures_are_looked_after_once_the_store_is_set_up(tmp_path: Path) -> None:
    log = SqliteKnowledgeLog(tmp_path / "knowledge.sqlite")
    bases = KnowledgeBases(log, PlainPatterns)
    one = process(bases, MemorySessionStore())
    with capture_logs() as logs:
        running = asyncio.create_task(one.eraser.run())
        await asyncio.wait([running], timeout=0.2)
        await bases.start()
        await asyncio.wait([running], timeout=0.2)
    assert not running.done()
    assert logs == []
    running.cancel()
    await asyncio.wait([running])
    await bases.close()
