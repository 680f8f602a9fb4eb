"""What users' sessions start with: the genes that an application sets once for each user.

Every process holds the configurations of all users, so that creating a session asks nobody. While
sessions are created, it reads what changed several times a second. It uses what it holds for
`ConfigurationPlan.valid_s` only; a change is acknowledged after that time, when no process can use
the old one any more (decision 0090).
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import orjson
import structlog

from kato_service.backoff import Backoff
from kato_service.domain.genes import GeneValue
from kato_service.errors import LimitExceededError, OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.model.configurations import (
    ConfigurationEntry,
    Configurations,
    StoredEntry,
)
from kato_service.knowledge.replica.single_flight import SingleFlight

log = structlog.get_logger()

TOKEN_BYTES = 8
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
FORGET_EVERY = 50
"""Changes after which entries are dropped that hold nothing any more."""
NO_GENES: Mapping[str, GeneValue] = {}


@dataclass(frozen=True, slots=True)
class ConfigurationPlan:
    refresh_s: float = 0.4
    """Seconds between two looks for changes, while somebody needs to know of them."""
    needed_s: float = 5.0
    """Seconds for which somebody who needed them is expected to need them again."""
    rest_s: float = 60.0
    """Seconds between two looks while nobody needs them, so that there is little to read once
    somebody does, and little is missed if the store is away then."""
    valid_s: float = 1.0
    """Seconds for which what was read is used, from when the read began."""
    known_after_s: float = 1.05
    """Seconds after which every process has a change: a little longer, because clocks differ."""
    patience_s: float = 1.0
    """Seconds that a session waits for a store that may be away, before it takes what is known."""
    retry_s: float = 10.0
    """Seconds for which a change of unknown outcome is tried again."""
    kept_s: float = 600.0
    """Seconds for which entries are kept that hold nothing: an insert may still be on its way, and
    processes that were stopped read them."""
    page: int = 1000
    """Entries of one read."""
    most: int = 100_000
    """Users with a configuration."""


@dataclass(frozen=True, slots=True)
class Configuration:
    revision: int
    """Greater than that of every earlier change of any user."""
    genes: str
    """JSON of a map."""
    changed_at: float
    """In seconds since the epoch."""

    @property
    def values(self) -> Mapping[str, GeneValue]:
        return _parsed(self.genes)


class UserConfigurations:
    def __init__(
        self,
        stored: Configurations,
        instance: str,
        plan: ConfigurationPlan | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.instance = instance
        """The processor id of the instance."""
        self._stored = stored
        self._plan = plan or ConfigurationPlan()
        self._clock = clock
        self._wall = wall
        self._watched: dict[str, int] = {}
        """Tokens that somebody waits for, and the revision at which each was read; 0: not yet."""
        self._view = _View(self._watched)
        self._read_at = float("-inf")
        """When the last read that succeeded began."""
        self._is_away = False
        """Whether the store did not answer the last read."""
        self._needed = asyncio.Event()
        """Set while changes are looked for because somebody needs to know of them."""
        self._needed_at = float("-inf")
        self._reading = SingleFlight(self._read, clock=clock)
        self._changing = asyncio.Lock()

    def genes(self, kb: str) -> Mapping[str, GeneValue]:
        """What sessions of the user of *kb* start with, as far as this process knows."""
        self._need()
        known = self._view.by_kb.get(kb)
        return NO_GENES if known is None else known.values

    def is_configured(self, kb: str) -> bool:
        """Whether the user has a configuration, as far as this process knows."""
        return kb in self._view.by_kb

    @property
    def is_current(self) -> bool:
        """Whether this process knows of every change that was acknowledged."""
        return self._clock() - self._read_at < self._plan.valid_s

    async def current(self) -> None:
        """Return when `genes` knows of every change that was acknowledged before this call.

        While the store does not answer, it returns with what was known last.

        Raises:
            StoreUnavailableError: The store has not answered since the start of this process.
        """
        self._need()
        if self.is_current:
            return
        if self._read_at < 0:
            await self._read_first()
        elif not self._is_away:
            reading = self._reading.begin()
            done, _ = await asyncio.wait([reading], timeout=self._plan.patience_s)
            if not done:
                self._is_away = True

    async def get(self, kb: str) -> Configuration | None:
        """The configuration of the user of *kb* as the store has it now; None: there is none.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        await self._reading.ask()
        return self._view.by_kb.get(kb)

    async def put(self, kb: str, genes: Mapping[str, GeneValue]) -> Configuration:
        """Replace the configuration of a user.

        It returns when every process that reaches the store has it. The last change wins. May be
        repeated.

        Raises:
            LimitExceededError: Too many users have one.
            OutcomeUnknownError: It may have been stored.
            StoreUnavailableError: Nothing changed.
        """
        text = orjson.dumps(dict(genes), option=orjson.OPT_SORT_KEYS).decode()
        async with self._changing:
            added = await self._appended(kb, text)
            if added is None:
                stored = self._view.by_kb[kb]
            else:
                stored = Configuration(added.revision, text, added.entry.at)
                # It is durable now: what it replaces may be taken out later as well.
                with suppress(StoreUnavailableError):
                    await self._let_go(kb, added.revision)
            known_at = self._known_at
        await asyncio.sleep(max(0.0, known_at - self._clock()))
        return stored

    async def remove(self, kb: str) -> bool:
        """Remove the configuration of a user.

        It returns when no process that reaches the store has it any more. May be repeated; nothing
        that leads to the user is stored then.

        Returns:
            Whether there was one.

        Raises:
            OutcomeUnknownError: It may have been removed.
            StoreUnavailableError: Nothing changed.
        """
        async with self._changing:
            added = await self._appended(kb, "")
            # If there was none, an earlier try may have ended before this. What another process
            # has set after the removal stays.
            before = self._view.position + 1 if added is None else added.revision
            try:
                await self._let_go(kb, before)
            except StoreUnavailableError as error:
                what = f"{error.message}; outcome unknown, repeating is safe"
                raise OutcomeUnknownError(what) from error
            known_at = self._known_at
        await asyncio.sleep(max(0.0, known_at - self._clock()))
        return added is not None

    async def run(self) -> None:
        """Look for changes until cancelled: rarely while nobody needs to know of them."""
        while True:
            with suppress(StoreUnavailableError):
                await self._reading.ask()
            if not self._is_needed:
                await self._rest()
            await asyncio.sleep(self._plan.refresh_s)

    async def close(self) -> None:
        await self._reading.close()

    def _need(self) -> None:
        self._needed_at = self._clock()
        if not self._needed.is_set():
            self._needed.set()
            # Nobody has looked for a while: whether the store is away now is not known.
            self._is_away = False

    @property
    def _is_needed(self) -> bool:
        is_needed = self._clock() - self._needed_at < self._plan.needed_s
        return is_needed or self._read_at < 0

    async def _rest(self) -> None:
        """Return when somebody needs to know of changes, or it is time for a look anyway."""
        self._needed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._plan.rest_s):
                await self._needed.wait()

    async def _read_first(self) -> None:
        """Read them, as soon as a store that is about to be set up is ready."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, give_up_after_s=self._plan.patience_s)
        while True:
            try:
                return await self._reading.ask()
            except StoreUnavailableError:
                if backoff.is_over:
                    raise
            await backoff.pause()

    async def _read(self) -> None:
        began = self._clock()
        # A process that was stopped for long may have missed that something was removed.
        is_behind = began - self._read_at > self._plan.kept_s / 2
        view = _View(self._watched) if is_behind else self._view
        try:
            while True:
                found = await self._stored.since(
                    self.instance, view.position, limit=self._plan.page
                )
                if not view.continues_with(found):
                    view = _View(self._watched)  # the store went back to an older backup
                    continue
                view.apply(found, self._clock())
                if len(found) < self._plan.page:
                    break
        except StoreUnavailableError as error:
            if not self._is_away and self._read_at >= 0:  # else it is not set up yet
                log.warning("configurations of users not read", reason=error.message)
            self._is_away = True
            raise
        self._view, self._read_at, self._is_away = view, began, False

    @property
    def _known_at(self) -> float:
        """When every process knows what this one does."""
        return self._view.moved_at + self._plan.known_after_s

    async def _let_go(self, kb: str, before: int) -> None:
        """Take out what a change before that revision replaced."""
        await self._stored.blank(self.instance, kb, before)
        if before % FORGET_EVERY == 0:
            until = self._wall() - self._plan.kept_s
            await self._stored.forget(self.instance, before, until)

    async def _appended(self, kb: str, genes: str) -> StoredEntry | None:
        """The change as it is in the log; None: all is as wanted already.

        After every insert, the log is read: either the entry is in, or its revision was taken, or
        the very same insert is sent again.

        Args:
            genes: '' removes the configuration.
        """
        token, at = secrets.token_hex(TOKEN_BYTES), self._wall()
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, give_up_after_s=self._plan.retry_s)
        entry: ConfigurationEntry | None = None
        self._watched[token] = 0
        try:
            while True:
                await self._reading.ask()
                if entry is not None and self._watched[token]:
                    return StoredEntry(self._watched[token], entry)
                known = self._view.by_kb.get(kb)
                if genes == (known.genes if known else ""):
                    return None
                self._require_room(kb)
                removes = known.revision if known and not genes else 0
                entry = ConfigurationEntry(token, at, kb if genes else "", genes, removes)
                try:
                    await self._stored.insert(self.instance, self._view.position + 1, entry)
                except OutcomeUnknownError:
                    if backoff.is_over:
                        raise
                    await backoff.pause()
        finally:
            del self._watched[token]

    def _require_room(self, kb: str) -> None:
        if not self.is_configured(kb) and len(self._view.by_kb) >= self._plan.most:
            raise LimitExceededError.at(
                "config",
                reason=f"cannot be kept: {self._plan.most} users have a configuration, which is the"
                " limit; delete those that are no longer needed",
            )


class _View:
    """The log of configurations up to a position."""

    def __init__(self, watched: dict[str, int]) -> None:
        """*watched*: tokens whose revision is noted when they are taken in."""
        self._watched = watched
        self.position = 0
        """Revision of the last entry; 0: there are none."""
        self.token = ""
        """Of the last entry."""
        self.moved_at = float("-inf")
        """When the last entry was taken in."""
        self.by_kb: dict[str, Configuration] = {}
        self._kbs: dict[int, str] = {}
        """Whose configuration is at a revision."""

    def continues_with(self, found: Sequence[StoredEntry]) -> bool:
        """Whether entries that were read from `position` on are of the same log."""
        if not self.position:
            return True
        if not found:
            return False
        revision, entry = found[0]
        return revision == self.position and entry.token == self.token

    def apply(self, found: Sequence[StoredEntry], now: float) -> None:
        for revision, entry in found:
            if revision <= self.position:
                continue
            if entry.token in self._watched:
                self._watched[entry.token] = revision
            self._take(revision, entry)
            self.position, self.token, self.moved_at = revision, entry.token, now

    def _take(self, revision: int, entry: ConfigurationEntry) -> None:
        if entry.kb:
            self._drop(entry.kb)
            self.by_kb[entry.kb] = Configuration(revision, _one_text(entry.genes), entry.at)
            self._kbs[revision] = entry.kb
        elif entry.removes in self._kbs:
            self._drop(self._kbs[entry.removes])

    def _drop(self, kb: str) -> None:
        known = self.by_kb.pop(kb, None)
        if known is not None:
            del self._kbs[known.revision]


@lru_cache(maxsize=1024)
def _one_text(text: str) -> str:
    """*text*, or an equal one: many users have the same configuration."""
    return text


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Mapping[str, GeneValue]:
    found: Mapping[str, GeneValue] = orjson.loads(text)
    return found
