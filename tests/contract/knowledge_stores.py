"""The stores that a knowledge log may be in, for tests that run over all of them."""

import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import orjson
from pymongo import AsyncMongoClient

from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.configurations import ConfigurationEntry, StoredEntry
from kato_service.knowledge.model.entries import Entry, Import, Learn, subject
from kato_service.knowledge.model.erasures import Erasure
from kato_service.knowledge.model.index import StoredViews
from kato_service.knowledge.model.log import LONGEST_LEASE_S, Head, KnowledgeLog, Named, Tail
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView, ViewPage
from kato_service.knowledge.stores.mongo_log import MongoKnowledgeLog
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.stores.view_documents import encoded_view, page_of

BACKENDS = ["memory", "sqlite", "mongodb protocol", "mongodb protocol, as of a set"]


class Replica(Protocol):
    """Makes a replica of the service, as far as knowledge is concerned."""

    def __call__(self, limits: KnowledgeLimits = DEFAULT_LIMITS) -> KnowledgeBases: ...


class NewLog(Protocol):
    """Makes another client of the same store."""

    def __call__(self, limits: KnowledgeLimits = DEFAULT_LIMITS) -> KnowledgeLog: ...


@dataclass
class Store:
    """One store that several replicas share."""

    new_log: NewLog
    forget: Callable[[], Awaitable[None]]
    """Lose everything, like a store that was re-created."""
    forget_views: Callable[[], Awaitable[None]]
    """Lose the collection of views, which older versions did not create."""


@asynccontextmanager
async def memory_store() -> AsyncIterator[Store]:
    shelf = Shelf()

    async def forget() -> None:
        shelf.entries.clear()
        shelf.heads.clear()
        shelf.views.clear()
        shelf.statistics.clear()

    async def forget_views() -> None:
        shelf.views.clear()
        shelf.statistics.clear()

    def new_log(limits: KnowledgeLimits = DEFAULT_LIMITS) -> KnowledgeLog:
        return MemoryKnowledgeLog(shelf)

    yield Store(new_log, forget, forget_views)


@asynccontextmanager
async def sqlite_store(directory: Path) -> AsyncIterator[Store]:
    path = directory / "knowledge" / "log.sqlite"

    def run(*commands: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for command in commands:
                db.execute(command)

    async def forget() -> None:
        run("DELETE FROM log", "DELETE FROM patterns")

    async def forget_views() -> None:
        run("DROP TABLE patterns")

    def new_log(limits: KnowledgeLimits = DEFAULT_LIMITS) -> KnowledgeLog:
        return SqliteKnowledgeLog(path, limits)

    yield Store(new_log, forget, forget_views)


@asynccontextmanager
async def mongo_store(url: str) -> AsyncIterator[Store]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url, tz_aware=True)
    database = client[f"test_{uuid4().hex}"]

    async def forget() -> None:
        await database["log"].delete_many({})
        await database["patterns"].delete_many({})

    async def forget_views() -> None:
        await database["patterns"].drop()

    def new_log(limits: KnowledgeLimits = DEFAULT_LIMITS) -> KnowledgeLog:
        return MongoKnowledgeLog(database, limits=limits)

    yield Store(new_log, forget, forget_views)
    await client.close()


async def _at_once(_what: str) -> None:
    """A step that lets nothing come in between."""


@dataclass
class Shelf:
    """What all `MemoryKnowledgeLog`s of one store share; *step* is awaited before every effect."""

    step: Callable[[str], Awaitable[None]] = _at_once
    entries: dict[str, dict[int, Entry]] = field(default_factory=dict)
    history: dict[str, dict[int, Entry]] = field(default_factory=dict)
    """Everything that was ever inserted, by the first at each revision; no log reads it."""
    went_in: dict[str, datetime] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)
    views: dict[str, dict[str, PatternView]] = field(default_factory=dict)
    statistics: dict[str, StatisticsView] = field(default_factory=dict)
    leases: dict[str, tuple[str, float]] = field(default_factory=dict)
    erasures: dict[tuple[str, str], Erasure] = field(default_factory=dict)
    floor: int = 0
    configurations: dict[tuple[str, int], ConfigurationEntry] = field(default_factory=dict)


class MemoryKnowledgeLog:
    """A log and its views that keep the promises of the port, and no stronger ones: like a server,
    it does one effect at a time."""

    def __init__(
        self, shelf: Shelf, *, step: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        """*step*: awaited before every effect of this replica, in addition to the shelf's."""
        self.shelf = shelf
        self._own_step = step or _at_once
        self.views = MemoryPatternViews(self)
        self.erasures = MemoryErasures(self)
        self.configurations = MemoryConfigurations(self)

    async def step(self, what: str) -> None:
        await self._own_step(what)
        await self.shelf.step(what)

    async def start(self) -> None:
        """Nothing to set up."""

    async def create(self, kb: str, user: str | None = None) -> None:
        await self.step("create")
        head = Head.of_new_log(uuid4().hex, self.shelf.floor, user)
        self.shelf.heads.setdefault(kb, head)

    async def name(self, kb: str, incarnation: str, user: str) -> None:
        await self.step("name")
        known = self.shelf.heads.get(kb)
        if known is not None and known.incarnation == incarnation:
            self.shelf.heads[kb] = replace(known, user=user)

    async def heads(self, instance: str, after: str, *, limit: int) -> Sequence[tuple[str, Head]]:
        await self.step("heads")
        own = [kb for kb in self.shelf.heads if kb == instance or kb.startswith(f"{instance}~")]
        found = sorted(kb for kb in own if kb > after)[:limit]
        return [(kb, self.shelf.heads[kb]) for kb in found]

    async def last(self, kb: str) -> int:
        await self.step("last")
        return max(self.shelf.entries.get(kb, {}), default=0)

    async def times(self, kb: str, revisions: Collection[int]) -> Mapping[int, datetime]:
        await self.step("times")
        known = self.shelf.entries.get(kb, {})
        return {
            revision: self.shelf.went_in[known[revision].token]
            for revision in revisions
            if revision in known
        }

    async def learned_at(self, kb: str, after: int, until: int) -> datetime | None:
        await self.step("learned at")
        found = sorted(self.shelf.entries.get(kb, {}).items(), reverse=True)
        for revision, entry in found:
            if after < revision <= until and isinstance(entry, Learn | Import):
                return self.shelf.went_in[entry.token]
        return None

    async def remove_head(self, kb: str, head: Head) -> bool:
        await self.step("remove head")
        known = self.shelf.heads.get(kb)
        later = any(each > head.checkpoint for each in self.shelf.entries.get(kb, {}))
        same = known is not None and known.incarnation == head.incarnation
        if known is None or later or not same or known.checkpoint != head.checkpoint:
            return False
        del self.shelf.heads[kb]
        return True

    async def sweep(self, kb: str, revision: int, *, limit: int) -> int:
        self.shelf.leases.pop(kb, None)
        return await self.delete_until(kb, revision, limit=limit)

    async def scrub(self) -> None:
        """Nothing is in files."""

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        log = self.shelf.entries.setdefault(kb, {})
        for count, entry in enumerate(entries):
            await self.step("insert")
            if first + count in log:  # also if it is this very entry: an _id is taken once
                return count
            log[first + count] = entry
            self.shelf.went_in[entry.token] = datetime.now(UTC)
            self.shelf.history.setdefault(kb, {}).setdefault(first + count, entry)
        await self.step("reply")
        return len(entries)

    async def head(self, kb: str) -> Head | None:
        await self.step("head")
        return self.shelf.heads.get(kb)

    async def raise_head(self, kb: str, head: Head) -> None:
        await self.step("raise head")
        known = self.shelf.heads.get(kb)
        if known is not None and known.incarnation == head.incarnation:
            self.shelf.heads[kb] = known.raised(head)

    async def claim(self, kb: str, owner: str, *, lease_s: float) -> bool:
        await self.step("claim")
        known = self.shelf.leases.get(kb)
        now = time.monotonic()
        if known is not None and now < known[1] <= now + LONGEST_LEASE_S:
            return False
        self.shelf.leases[kb] = (owner, now + lease_s)
        return True

    async def release(self, kb: str, owner: str) -> None:
        await self.step("release")
        if self.shelf.leases.get(kb, ("", 0))[0] == owner:
            del self.shelf.leases[kb]

    async def tail(self, kb: str, after: int, *, limit: int) -> Tail:
        await self.step("tail")
        log = sorted(self.shelf.entries.get(kb, {}).items())
        found = [(revision, entry) for revision, entry in log if revision > after]
        await self.step("tail's head")
        head = self.shelf.heads.get(kb)
        if head is None:
            return Tail((), None, more=False)
        entries = tuple(each for each in found[:limit] if each[0] > head.trimmed)
        return Tail(entries, head, more=len(found) >= limit)

    async def tokens(self, kb: str, after: int, until: int, *, limit: int) -> Sequence[Named]:
        tail = await self.tail(kb, after, limit=limit)
        return [
            Named(revision, entry.token, subject(entry) or "")
            for revision, entry in tail.entries
            if revision <= until
        ]

    async def delete(self, kb: str, tokens: Mapping[int, str]) -> None:
        await self.step("delete")
        log = self.shelf.entries.get(kb, {})
        for revision, token in tokens.items():
            if revision in log and log[revision].token == token:
                del log[revision]

    async def old(self, kb: str, after: int, before: int, until: datetime, *, limit: int) -> int:
        await self.step("old")
        log, last = self.shelf.entries.get(kb, {}), after
        while last + 1 < before and last < after + limit and last + 1 in log:
            if self.shelf.went_in[log[last + 1].token] > until:
                break
            last += 1
        return last

    async def delete_until(self, kb: str, revision: int, *, limit: int) -> int:
        await self.step("delete until")
        log = self.shelf.entries.get(kb, {})
        some = sorted(each for each in log if each <= revision)[:limit]
        for each in some:
            del log[each]
        return len(some)

    async def close(self) -> None:
        """Nothing is open."""


class MemoryErasures:
    def __init__(self, log: MemoryKnowledgeLog) -> None:
        self._log = log

    async def begin(self, instance: str, erasure: Erasure) -> None:
        await self._log.step("begin erasure")
        self._log.shelf.erasures.setdefault((instance, erasure.id), erasure)

    async def note(self, instance: str, erasure: Erasure) -> None:
        await self._log.step("note erasure")
        if (instance, erasure.id) in self._log.shelf.erasures:
            self._log.shelf.erasures[instance, erasure.id] = erasure

    async def since(self, instance: str, first: str) -> Sequence[Erasure]:
        await self._log.step("erasures")
        found = sorted(self._log.shelf.erasures.items())
        return [one for (whose, own), one in found if whose == instance and own >= first]

    async def forget(self, instance: str, before: str) -> None:
        await self._log.step("forget erasures")
        for key, one in list(self._log.shelf.erasures.items()):
            if key[0] == instance and key[1] < before and one.is_done:
                del self._log.shelf.erasures[key]

    async def floor(self) -> int:
        await self._log.step("floor")
        return self._log.shelf.floor

    async def raise_floor(self, revision: int) -> None:
        await self._log.step("raise floor")
        self._log.shelf.floor = max(self._log.shelf.floor, revision)


class MemoryConfigurations:
    def __init__(self, log: MemoryKnowledgeLog) -> None:
        self._log = log

    async def insert(self, instance: str, revision: int, entry: ConfigurationEntry) -> None:
        await self._log.step("insert configuration")
        self._log.shelf.configurations.setdefault((instance, revision), entry)
        await self._log.step("reply")

    async def since(self, instance: str, first: int, *, limit: int) -> Sequence[StoredEntry]:
        await self._log.step("configurations")
        return self._of(instance, first)[:limit]

    async def blank(self, instance: str, kb: str, before: int) -> None:
        for revision, entry in self._of(instance, 0):
            if entry.kb == kb and revision < before:
                await self._log.step("blank configuration")
                blank = replace(entry, kb="", genes="")
                self._log.shelf.configurations[instance, revision] = blank

    async def forget(self, instance: str, before: int, until: float) -> None:
        await self._log.step("forget configurations")
        found = dict(self._of(instance, 0))
        for revision, entry in found.items():
            removed = found.get(entry.removes)
            done = not entry.kb and not (removed and removed.kb)
            if done and revision < before and entry.at <= until:
                del self._log.shelf.configurations[instance, revision]

    def _of(self, instance: str, first: int) -> list[StoredEntry]:
        found = sorted(self._log.shelf.configurations.items())
        return [
            StoredEntry(own, it) for (whose, own), it in found if whose == instance and own >= first
        ]


class MemoryPatternViews:
    def __init__(self, log: MemoryKnowledgeLog) -> None:
        self._log = log

    async def page(self, kb: str, after: str, *, limit: int) -> ViewPage:
        await self._log.step("page")
        views = self._log.shelf.views.get(kb, {})
        names = sorted(name for name in views if name > after)[:limit]
        texts = tuple(orjson.dumps(encoded_view(kb, views[name])) for name in names)
        return page_of(StoredViews(texts, is_bson=False), orjson.loads, limit)

    async def write(self, kb: str, views: Sequence[PatternView]) -> None:
        for view in views:
            await self._log.step("write view")
            stored = self._log.shelf.views.setdefault(kb, {})
            name = view.pattern.name
            if name not in stored or stored[name].pattern.revision < view.pattern.revision:
                stored[name] = replace(view)

    async def statistics(self, kb: str) -> StatisticsView | None:
        await self._log.step("statistics")
        return self._log.shelf.statistics.get(kb)

    async def write_statistics(self, kb: str, view: StatisticsView) -> None:
        await self._log.step("write statistics")
        known = self._log.shelf.statistics.setdefault(kb, view)
        if known.revision < view.revision:
            self._log.shelf.statistics[kb] = view

    async def discard(self, kb: str, cleared: int, *, limit: int) -> int:
        await self._log.step("discard")
        stored = self._log.shelf.views.get(kb, {})
        garbage = [name for name, view in stored.items() if view.pattern.revision <= cleared]
        for name in garbage[:limit]:
            del stored[name]
        known = self._log.shelf.statistics.get(kb)
        if len(garbage) < limit and known is not None and known.revision < cleared:
            del self._log.shelf.statistics[kb]
        return len(garbage[:limit])
