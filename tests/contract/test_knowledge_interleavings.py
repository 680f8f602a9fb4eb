"""Appends, two view writers and loads, one step at a time in any order: nothing goes wrong.

A store in memory stops before every single effect. A seed chooses which of the waiting tasks
continues, and which one is cancelled where.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from math import inf
from random import Random
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge_stores import MemoryKnowledgeLog, Shelf

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.domain.statistics import Corrections
from kato_service.errors import KatoError, UniqueIdReusedError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import (
    Applied,
    Clear,
    Delete,
    Entry,
    Import,
    Learn,
    Statistics,
    Update,
)
from kato_service.knowledge.model.entry_names import name_in, named_token
from kato_service.knowledge.replica.loading import FoldLoader
from kato_service.knowledge.replica.pending_entries import PendingEntries
from kato_service.knowledge.writing.trimming import LogTrimmer, TrimPlan

T = TypeVar("T")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
EVENTS = ((("a",), ("b",)), (("",),), (("$", "."), ("a.b", "\x00"), ("🙂",)))
emotives = st.dictionaries(st.sampled_from(["joy", "$"]), st.sampled_from([0.1, -1.5]), max_size=2)
names = st.sampled_from([pattern_name(events) for events in EVENTS])


@st.composite
def any_entry(draw: st.DrawFn) -> Entry:
    events, token = draw(st.sampled_from(EVENTS)), draw(st.uuids()).hex
    kinds = [Learn, Learn, Learn, Update, Delete, Delete, Clear, Import, Import, Statistics]
    kind = draw(st.sampled_from(kinds))
    if kind is Learn:
        texts = draw(st.dictionaries(st.sampled_from("km"), st.tuples(st.just('{"a":1}'))))
        how = draw(st.none() | emotives)
        return Learn(token, pattern_name(events), events, how, draw(st.integers(1, 3)), texts)
    if kind in (Import, Statistics):
        source, part = draw(st.sampled_from(["one", "two"])), draw(st.integers(0, 2))
        if kind is Statistics:
            return Statistics(token, source, part, Corrections({"a": (1, -2), token: (1, 1)}, 3, 4))
        count = draw(st.integers(0, 3))
        return Import(token, source, part, draw(names), events, count, count)
    if kind is Update:
        return Update(token, draw(names), draw(st.integers(0, 3)), draw(st.none() | st.just(())))
    return Delete(token, draw(names)) if kind is Delete else Clear(token)


@st.composite
def entry_of_few(draw: st.DrawFn) -> Entry:
    """An entry about one of two patterns, so that its outcome depends on those before it."""
    events, token = draw(st.sampled_from(EVENTS[:2])), draw(st.uuids()).hex
    name = pattern_name(events)
    kind = draw(st.sampled_from([Learn, Learn, Learn, Clear, Update, Delete]))
    if kind is Learn:
        return Learn(token, name, events, None, 3)
    if kind is Update:
        return Update(token, name, draw(st.integers(0, 3)))
    return Delete(token, name) if kind is Delete else Clear(token)


class InPlace(ThreadPoolExecutor):
    """Runs work at once instead of in a thread, so that every run is repeatable."""

    def submit(self, work: Callable[..., T], /, *arguments: Any, **named: Any) -> "Future[T]":
        done: Future[T] = Future()
        try:
            done.set_result(work(*arguments, **named))
        except Exception as error:  # noqa: BLE001  # handed on, as a thread would
            done.set_exception(error)
        return done


class Turnstile:
    """Tasks wait here before each step; it lets one of them continue at a time."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []

    async def step(self, _what: str) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(place)
        await place

    async def drive(
        self, done: Callable[[], bool], choices: Iterator[int], *, steps: float = inf
    ) -> None:
        """Let tasks continue until *done*, or until so many steps were taken."""
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            self.waiting = [place for place in self.waiting if not place.done()]
            if done() or steps <= 0:
                return
            if self.waiting:
                self.waiting.pop(next(choices, 0) % len(self.waiting)).set_result(None)
                steps -= 1


class UnleasedLog(MemoryKnowledgeLog):
    """Gives the lease to everybody: no correctness may depend on it."""

    async def claim(self, kb: str, owner: str, *, lease_s: float) -> bool:
        return True


async def always() -> bool:
    return True


class World:
    """One store and two replicas of it, which take several steps where one would do."""

    def __init__(self, seed: int = 0, *, dirty_patterns: int = 100_000) -> None:
        asyncio.get_running_loop().set_default_executor(InPlace())
        self.limits = KnowledgeLimits(
            page_entries=2, view_batch=2, dirty_patterns=dirty_patterns, token_page=2, token_group=2
        )
        self.turnstile = Turnstile()
        self.shelf = Shelf(step=self.turnstile.step)
        chance = Random(seed)
        self.choices = iter(partial(chance.randrange, 60), None)
        self.trimmer = LogTrimmer(self.log(), TrimPlan(is_safe=always))
        self.replicas = [self.replica() for _ in range(2)]

    def log(self) -> MemoryKnowledgeLog:
        return UnleasedLog(self.shelf)

    def replica(self) -> KnowledgeBases:
        return KnowledgeBases(self.log(), PlainPatterns, limits=self.limits)

    async def appended(self, replica: int, groups: list[list[Entry]]) -> None:
        for group in groups:
            await self.replicas[replica].get("kato").append(group, since=0)
            self.shelf.went_in.update((entry.token, LONG_AGO) for entry in group)

    async def begun_and_completed(
        self, replica: int, groups: list[list[Entry]], intents: "asyncio.Queue[list[Entry] | None]"
    ) -> None:
        """Append as a request does; others may complete its intent once it is stored."""
        base = self.replicas[replica].get("kato")
        for group in groups:
            since = await base.tail(deadline=Deadline.after(60))
            with base.register(group, since=since):
                intents.put_nowait(group)
                self.check_answers(await base.append(group, since=since))
        intents.put_nowait(None)

    async def rolled_forward(
        self, replica: int, intents: "asyncio.Queue[list[Entry] | None]"
    ) -> None:
        """Complete each intent on a running replica, and again on one that starts now."""
        while (group := await intents.get()) is not None:
            for bases in (self.replicas[replica], self.replica()):
                applied = await bases.get("kato").append(group, since=0, lookup=True)
                self.check_answers(applied)

    async def learned_each(
        self, replica: int, batches: list[tuple[list[Learn], bool]], met: "Counter[str]"
    ) -> None:
        """Append named entries; whoever waits for some batches goes away. Counts by token in *met*
        what went in."""
        base = self.replicas[replica].get("kato")
        for batch, goes_away in batches:
            with base.kept():
                await base.prepare_many(named=True)
                waiting = asyncio.create_task(base.append_each(batch))
                if goes_away:
                    await self.turnstile.step("go away")
                    waiting.cancel()
                with suppress(asyncio.CancelledError):
                    self.check_each(batch, await waiting, met)

    def check_each(
        self, batch: list[Learn], outcomes: "list[Applied | KatoError]", met: "Counter[str]"
    ) -> None:
        history = self.shelf.history["kato"]
        by_key = {name_in(entry.token).key: entry for entry in history.values()}  # type: ignore[union-attr]  # all are named
        for entry, outcome in zip(batch, outcomes, strict=True):
            there = by_key[name_in(entry.token).key]  # type: ignore[union-attr]  # as above
            if isinstance(outcome, Applied):
                assert there.token == entry.token
                met[entry.token] += outcome.met
            else:
                assert isinstance(outcome, UniqueIdReusedError)
                assert there.token != entry.token

    async def unloaded(self, replica: int, times: int) -> None:
        base = self.replicas[replica].get("kato")
        for _ in range(times):
            await self.turnstile.step("unload")
            if not base.in_use:
                base.unload()

    def check_answers(self, answers: tuple[Applied, ...]) -> None:
        """Assert that they are the outcomes of a fold of the whole log."""
        fold = Fold(PlainPatterns())
        history = self.shelf.history["kato"]
        by_revision = {each.revision: each for each in answers}
        for revision in range(1, max(by_revision) + 1):
            applied = fold.apply(revision, history[revision])
            answer = by_revision.get(revision, applied)
            assert answer.entry.token == applied.entry.token
            assert (answer.frequency, answer.met) == (applied.frequency, applied.met)
            assert answer.pattern == applied.pattern

    async def materialised(self, replica: int, crashes: list[bool]) -> None:
        """Write views several times; *crashes* are cancelled before some step."""
        kb = self.replicas[replica].get("kato")
        for crash in crashes:
            await kb.tail(deadline=Deadline.after(60))
            task = asyncio.create_task(kb.materialise())
            if crash:
                await self.turnstile.step("crash")
                task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def trimmed(self, times: int) -> None:
        """Trim several times; only acknowledged entries count as older than the retention."""
        for _ in range(times):
            await self.trimmer.trim("kato")

    async def loaded_meanwhile(self, work: "asyncio.Future[Any]") -> None:
        while not work.done():
            self.check(await self.fresh())

    async def fresh(self) -> Fold:
        return await FoldLoader("kato", self.log(), PlainPatterns, self.limits).load(
            PendingEntries()
        )

    def check(self, fold: Fold) -> None:
        """Assert that *fold* equals a fold of the whole log up to its revision."""
        expected = Fold(PlainPatterns())
        for revision, entry in sorted(self.shelf.history.get("kato", {}).items()):
            if revision <= fold.revision:
                expected.apply(revision, entry)
        assert list(fold.patterns.items()) == list(expected.patterns.items())
        assert fold.tombstones == expected.tombstones
        assert fold.statistics == expected.statistics
        assert fold.corrections == expected.corrections
        assert (fold.imports.parts, fold.corrected) == (expected.imports.parts, expected.corrected)
        assert (fold.revision, fold.cleared) == (expected.revision, expected.cleared)
        assert fold.token == expected.token

    async def together(self, *work: Coroutine[Any, Any, None]) -> None:
        async with asyncio.timeout(60):
            changes = asyncio.gather(*work)
            everything = asyncio.gather(changes, self.loaded_meanwhile(changes))
            await self.turnstile.drive(everything.done, self.choices)
            await everything

    async def at_once(self, work: Awaitable[T]) -> T:
        """Run *work* alone."""
        task = asyncio.ensure_future(work)
        await self.turnstile.drive(task.done, iter(()))
        return await task


groups = st.lists(st.lists(any_entry(), min_size=1, max_size=4), min_size=1, max_size=5)


@pytest.mark.parametrize("dirty", [100_000, 1], ids=["names listed", "names not listed"])
@settings(max_examples=40, deadline=None)
@given(
    histories=st.tuples(groups, groups),
    crashes=st.tuples(*[st.lists(st.booleans(), min_size=1, max_size=4)] * 2),
    trims=st.integers(0, 3),
    seed=st.integers(0, 2**32),
)
def test_views_and_the_rest_of_the_log_equal_the_whole_log(
    dirty: int,
    histories: tuple[list[list[Entry]], list[list[Entry]]],
    crashes: tuple[list[bool], list[bool]],
    trims: int,
    seed: int,
) -> None:
    async def run() -> None:
        world = World(seed, dirty_patterns=dirty)
        await world.together(
            *(world.appended(number, groups) for number, groups in enumerate(histories)),
            *(world.materialised(number, each) for number, each in enumerate(crashes)),
            world.trimmed(trims),
        )
        whole = await world.at_once(world.fresh())
        world.check(whole)
        assert whole.revision == sum(map(len, histories[0])) + sum(map(len, histories[1]))
        here = world.replicas[0].get("kato")
        await world.at_once(here.tail(deadline=Deadline.after(20)))
        await world.at_once(here.materialise())
        await world.at_once(world.trimmed(2))
        left = world.shelf.entries.get("kato", {})
        assert sorted(left) == list(range(whole.revision, whole.revision + 1))[: whole.revision]
        last = await world.at_once(world.fresh())
        assert list(last.patterns.items()) == list(whole.patterns.items())
        assert last.tombstones == whole.tombstones
        assert last.statistics == whole.statistics
        assert (last.corrections, last.imports.parts) == (whole.corrections, whole.imports.parts)
        assert last.position == whole.position

    asyncio.run(run())


few = st.lists(st.lists(entry_of_few(), min_size=1, max_size=3), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(
    histories=st.tuples(few, few),
    crashes=st.lists(st.booleans(), min_size=1, max_size=4),
    unloads=st.integers(0, 3),
    seed=st.integers(0, 2**32),
)
def test_each_entry_is_in_once_and_has_its_true_outcome_whoever_completes_it(
    histories: tuple[list[list[Entry]], list[list[Entry]]],
    crashes: list[bool],
    unloads: int,
    seed: int,
) -> None:
    async def run() -> None:
        world = World(seed)
        intents: list[asyncio.Queue[list[Entry] | None]] = [asyncio.Queue() for _ in histories]
        await world.together(
            *(world.begun_and_completed(i, histories[i], intents[i]) for i in (0, 1)),
            *(world.rolled_forward(1 - i, intents[i]) for i in (0, 1)),
            *(world.unloaded(i, unloads) for i in (0, 1)),
            world.materialised(0, crashes),
        )
        whole = await world.at_once(world.fresh())
        assert whole.revision == sum(map(len, histories[0])) + sum(map(len, histories[1]))

    asyncio.run(run())


lines = st.tuples(st.sampled_from("abcd"), st.sampled_from(EVENTS[:2]))
batches = st.lists(
    st.tuples(st.lists(lines, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=4
)


@settings(max_examples=30, deadline=None)
@given(
    sent=st.tuples(batches, batches),
    crashes=st.lists(st.booleans(), max_size=3),
    unloads=st.integers(0, 3),
    seed=st.integers(0, 2**32),
)
def test_each_named_entry_is_in_once_whoever_sends_it_again(
    sent: tuple[list[tuple[list[tuple[str, Any]], bool]], ...],
    crashes: list[bool],
    unloads: int,
    seed: int,
) -> None:
    async def run() -> None:
        world, met = World(seed), Counter[str]()
        named = [
            [([named_learn(*line) for line in lines], goes_away) for lines, goes_away in batches]
            for batches in sent
        ]
        await world.together(
            *(world.learned_each(i, named[i], met) for i in (0, 1)),
            *(world.unloaded(i, unloads) for i in (0, 1)),
            world.materialised(0, crashes),
        )
        # Nothing is in the log if everybody went away at once.
        history = world.shelf.history.get("kato", {}).values()
        keys = Counter(name_in(entry.token).key for entry in history)  # type: ignore[union-attr]  # all are named
        assert set(keys.values()) <= {1}
        assert all(count == 1 for count in met.values() if count)
        if not any(goes_away for batches in sent for _, goes_away in batches):
            assert sum(met.values()) == len(keys)

    asyncio.run(run())


def named_learn(unique_id: str, events: Any) -> Learn:
    token = named_token(unique_id, repr(events).encode())
    return Learn(token, pattern_name(events), events, None, 5)


def learn(event: str) -> Learn:
    return Learn(uuid4().hex, pattern_name(((event,),)), ((event,),), None, 5)


async def test_a_crash_of_a_view_writer_before_any_step_does_no_harm() -> None:
    steps, ended = 0, False
    while not ended:
        world = World()
        here, there = (bases.get("kato") for bases in world.replicas)
        history = [learn("a"), learn("b"), Clear("c"), learn("b"), learn("c")]
        await world.at_once(world.appended(0, [history]))
        await world.at_once(here.materialise())
        history = [learn("b"), Delete("d", learn("b").name), Clear("e"), learn("b"), learn("x")]
        await world.at_once(world.appended(0, [history]))
        writing = asyncio.create_task(here.materialise())
        await world.turnstile.drive(writing.done, iter(()), steps=steps)
        ended = writing.done()
        writing.cancel()
        await world.turnstile.drive(writing.done, iter(()))
        world.check(await world.at_once(world.fresh()))
        await world.at_once(there.tail(deadline=Deadline.after(20)))
        await world.at_once(there.materialise())
        world.check(await world.at_once(world.fresh()))
        steps += 1
    assert steps > 10
