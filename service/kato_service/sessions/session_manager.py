"""Sessions: create, look up, list, extend, change and delete them (sessions.md)."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from kato_service.domain.cursor import place_of
from kato_service.domain.deadline import Deadline, within
from kato_service.domain.genes import GeneValue
from kato_service.domain.identity import processor_id_of
from kato_service.domain.shares import Holder
from kato_service.errors import (
    KatoError,
    SessionLimitExceededError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.configurations import NO_GENES, UserConfigurations
from kato_service.sessions.access import SessionAccess
from kato_service.sessions.blank_defaults import BlankDefaults
from kato_service.sessions.changes import Plan, SessionChanges, SweepPlan
from kato_service.sessions.queue import BUSY
from kato_service.sessions.state import Sees, SessionState, require_seen
from kato_service.sessions.store import UNSTORED, Limits, Listed, NewSession, SessionStore
from kato_service.sessions.watching import SessionWatches

log = structlog.get_logger()
A = TypeVar("A")

SESSION_ID_BYTES = 18
"""Random bytes of a session id: knowing one is the right to use the session."""
MAX_SESSION_ID_CHARS = 64
COUNTED_AT_ONCE = 1000
"""Sessions of one page while those of a user are counted."""
CLOSE_PATIENCE_S = 15.0
"""Seconds that a closing process waits for changes whose requests have gone."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    default_ttl_s: int = 3600
    """Seconds that a session lives if its request names no other time."""
    auto_extend: bool = False
    """Every request on a session extends its lifetime."""
    max_sessions: int = 10_000
    """Live sessions of the instance."""
    max_sessions_per_user: int = 100
    max_waiting: int = 1000
    """Requests of this process that may wait for one session."""


class SessionManager:
    """Everything that the rest of the service does with sessions goes through here.

    Changes run in tasks of their own, so that a request that goes away leaves none half done.
    """

    def __init__(
        self,
        store: SessionStore,
        knowledge: KnowledgeBases,
        limits: SessionLimits,
        configurations: UserConfigurations,
        *,
        waited: Callable[[float], None] = lambda _seconds: None,
        sweep: SweepPlan | None = None,
    ) -> None:
        """*waited* receives the seconds that each request waited for its session."""
        self._store = store
        self._limits = limits
        self._processor_id = configurations.instance
        self._configurations = configurations
        self._sweep = sweep or SweepPlan()
        self._access = SessionAccess(store, waited, limits.max_waiting)
        self._changes = SessionChanges(
            store, knowledge, self._access, self._extended, self._forget, self._sweep
        )
        self._blank_defaults = BlankDefaults(store)
        self.watches = SessionWatches(store)
        self.created: Callable[[SessionState], None] = _unnoticed
        """Is called with each session that this process created, as `deleted` is with each that a
        request to this process deleted."""
        self.deleted: Callable[[SessionState], None] = _unnoticed
        self._working: set[asyncio.Task[Any]] = set()

    async def create(
        self,
        *,
        user_id: str | None,
        caller: Holder | None = None,
        ttl_s: int | None = None,
        metadata: Mapping[str, Any],
        overrides: Mapping[str, GeneValue],
        later: bool = False,
    ) -> SessionState:
        """A new session of *user_id*, with an unguessable id.

        Args:
            caller: Who asks; None: the session counts for no caller.
            later: As in `SessionState`.

        Raises:
            SessionLimitExceededError: The instance, the user or the caller has reached its limit.
        """
        new = await self._new(_new_id(), user_id, ttl_s=ttl_s or self._limits.default_ttl_s)
        new = replace(new, metadata=metadata, overrides=overrides, later=later)
        of_user = None if user_id is None else self._limits.max_sessions_per_user
        limits = self._limits_for(caller, of_user=of_user)
        try:
            state = await self._store.create(new, limits)
        except SessionLimitExceededError:
            if not await self._blank_defaults.dropped():
                raise
            state = await self._store.create(new, limits)
        self.created(state)
        return state

    async def default_id(self, user_id: str | None, *, caller: Holder | None = None) -> str:
        """The id of a user's default session (None: the instance's), which is created if missing.

        Args:
            caller: As for `create`.

        Raises:
            SessionLimitExceededError: It is missing, and a limit is reached.
        """
        session_id = await self._store.known_default(user_id)
        if session_id is not None and await self._store.exists(session_id):
            return session_id
        try:
            return await self._created_default(user_id, caller)
        except SessionLimitExceededError as error:
            if not await self._blank_defaults.dropped():
                raise error.for_default() from error
        try:
            return await self._created_default(user_id, caller)
        except SessionLimitExceededError as error:
            raise error.for_default() from error

    async def default(self, user_id: str | None) -> SessionState:
        """A user's default session, for reading; a blank one, stored nowhere, if it is missing."""
        session_id = await self._store.known_default(user_id)
        state = None if session_id is None else await self._store.load(session_id)
        return state or await self.blank(user_id)

    async def blank(self, user_id: str | None) -> SessionState:
        """A session of a user (None: of none) that holds nothing and is stored nowhere."""
        return (await self._new(UNSTORED, user_id, ttl_s=None)).created(0.0, expires_at=None)

    async def load(self, session_id: str, *, sees: Sees | None = None) -> SessionState:
        """The session; if a change waits to be completed, as that change leaves it.

        Args:
            sees: Whose sessions the caller may know of; None: everybody's. The same below.

        Raises:
            SessionNotFoundError: There is no such session, or it expired.
        """
        state = await self._store.load(_known_form(session_id))
        if state is None:
            raise SessionNotFoundError
        require_seen(state, sees)
        return await self._extended(state)

    async def exists(self, session_id: str, *, sees: Sees | None = None) -> bool:
        """Whether the session lives; never extends it."""
        with suppress(SessionNotFoundError):
            if sees is None:
                return await self._store.exists(_known_form(session_id))
            await self._seen(session_id, sees)
            return True
        return False

    async def count(self) -> int:
        """Live sessions of the instance."""
        return await self._store.count()

    async def count_of(self, user_id: str | None) -> int:
        """Live sessions of a user (None: those without a user), which are looked at one by one."""
        counted, cursor = 0, None
        while True:
            found, cursor = await self.page_of(user_id, limit=COUNTED_AT_ONCE, cursor=cursor)
            counted += len(found)
            if cursor is None:
                return counted

    async def page(
        self, *, user_id: str | None, limit: int, cursor: str | None
    ) -> tuple[tuple[Listed, ...], str | None]:
        """Live sessions in order of creation, and the cursor of the next page; None: there is none.

        Args:
            user_id: Only sessions of this user; None: all.

        Raises:
            InvalidInputError: *cursor* is not one that a page returned.
        """
        after = place_of(cursor)
        found = await self._store.page(user_id, after=after, limit=limit + 1)
        shown = found[:limit]
        more = len(found) > limit
        return shown, str(shown[-1].place) if more else None

    async def page_of(
        self, user_id: str | None, *, limit: int, cursor: str | None
    ) -> tuple[tuple[Listed, ...], str | None]:
        """A `page` of the sessions of one user (None: of those without a user).

        Those without a user are found among all, so a page of them may end early.
        """
        found, next_cursor = await self.page(user_id=user_id, limit=limit, cursor=cursor)
        return tuple(it for it in found if it.state.user_id == user_id), next_cursor

    async def extend(
        self, session_id: str, ttl_s: int | None, *, sees: Sees | None = None
    ) -> SessionState:
        """The session, which now lives *ttl_s* from now on; raises SessionNotFoundError.

        Args:
            ttl_s: None: as long as the last time.
        """
        if sees is not None:
            await self._seen(session_id, sees)
        state = await self._store.extend(_known_form(session_id), ttl_s)
        if state is None:
            raise SessionNotFoundError
        return state

    async def delete(
        self, session_id: str, *, deadline: Deadline, sees: Sees | None = None
    ) -> None:
        """Complete a pending change of the session, then delete it.

        Raises:
            SessionNotFoundError: There is no such session, or it expired.
            DeadlineExceededError: Other requests held it until *deadline*.
        """
        known = _known_form(session_id)
        await self._admitted(known, sees, deadline)
        await self._unstoppably(self._noticed(known, self._deleted(known, deadline, sees)))

    async def change(
        self, session_id: str, plan: Plan[A], *, deadline: Deadline, sees: Sees | None = None
    ) -> A:
        """The answer of *plan*, once what it planned for the session is stored.

        No other request on any replica changes the session meanwhile. *plan* may be called again
        with a newer state as long as nothing was stored. Cancelling this call does not cancel the
        change.

        Raises:
            SessionNotFoundError: There is no such session, or it expired.
            DeadlineExceededError: Nothing changed.
            OverloadedError: Too many requests wait for this session or the log; nothing changed.
            StoreUnavailableError: Nothing changed, or the message says what may have changed.
        """
        known = _known_form(session_id)
        await self._admitted(known, sees, deadline)
        work = self._changes.change(known, plan, deadline, sees)
        return await self._unstoppably(self._noticed(known, work))

    async def run(self) -> None:
        """Complete changes that their requests left unfinished; runs until cancelled."""
        while True:
            try:
                for session_id, intent_id in await self._store.pending(
                    older_than_s=self._sweep.overdue_s
                ):
                    await self._complete(session_id, intent_id)
            except StoreUnavailableError as error:
                log.warning("pending changes not listed", reason=error.message)
            await asyncio.sleep(self._sweep.interval_s)

    async def close(self) -> None:
        """Wait for changes whose requests have gone; what is unfinished then stays an intent."""
        if self._working:
            _, unfinished = await asyncio.wait(self._working, timeout=CLOSE_PATIENCE_S)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _deleted(self, session_id: str, deadline: Deadline, sees: Sees | None) -> None:
        self.deleted(await self._changes.delete(session_id, deadline, sees))

    async def _complete(self, session_id: str, intent_id: str) -> None:
        """Complete one change; if that fails now, the others must not wait for it."""
        try:
            work = self._changes.complete_overdue(session_id, intent_id)
            await self._unstoppably(self._noticed(session_id, work))
        except KatoError as error:
            log.warning("pending change not completed yet", reason=error.message)

    async def _noticed(self, session_id: str, work: Coroutine[Any, Any, A]) -> A:
        """The result of *work*; whoever watches the session looks at it, even after a failure."""
        try:
            return await work
        finally:
            self.watches.notice(session_id)

    def _forget(self, session_id: str, intent_id: str) -> None:
        """Take a completed intent off the index, in the background: a sweep would do it too."""
        self._in_background(self._forgotten(session_id, intent_id))

    async def _forgotten(self, session_id: str, intent_id: str) -> None:
        with suppress(StoreUnavailableError):
            await self._store.forget(session_id, intent_id)

    async def _unstoppably(self, work: Coroutine[Any, Any, A]) -> A:
        """The result of *work*, which continues when the request that waits for it is cancelled."""
        return await asyncio.shield(self._in_background(work))

    def _in_background(self, work: Coroutine[Any, Any, A]) -> "asyncio.Task[A]":
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen: the request that wanted to know may have gone

    async def _admitted(self, session_id: str, sees: Sees | None, deadline: Deadline) -> None:
        """Let nobody wait for a session of somebody else: places in its queue are few.

        Where no request waits, the lock alone tells whose the session is, without another read.

        Raises:
            SessionNotFoundError: The caller may not know of it.
        """
        if sees is not None and self._access.is_waited_for(session_id):
            async with within(deadline, BUSY):
                await self._seen(session_id, sees)

    async def _seen(self, session_id: str, sees: Sees) -> None:
        state = await self._store.load(_known_form(session_id))
        if state is None:
            raise SessionNotFoundError
        require_seen(state, sees)

    async def _extended(self, state: SessionState) -> SessionState:
        """The session, with a new lifetime if every request extends it."""
        if not (state.later or self._limits.auto_extend) or state.ttl_s is None:
            return state
        # One that expired since it was read stays so: the store extends only what lives.
        extended = await self._store.extend(state.session_id, None)
        if extended is None:
            raise SessionNotFoundError
        return replace(state, expires_at=extended.expires_at)

    async def _created_default(self, user_id: str | None, caller: Holder | None) -> str:
        session_id = await self._store.default_id(user_id)
        new = replace(await self._new(session_id, user_id, ttl_s=None), is_default=True)
        state = await self._store.create(new, self._limits_for(caller, of_user=None))
        self.watches.notice(UNSTORED)
        if state.incarnation == new.incarnation:  # else another request had created it
            self.created(state)
        return state.session_id

    def _limits_for(self, caller: Holder | None, *, of_user: int | None) -> Limits:
        return Limits(self._limits.max_sessions, of_user, caller)

    async def _new(self, session_id: str, user_id: str | None, *, ttl_s: int | None) -> NewSession:
        kb = processor_id_of(self._processor_id, user_id)
        configured = NO_GENES
        if user_id is not None:
            await self._configurations.current()
            configured = self._configurations.genes(kb)
        return NewSession(
            session_id=session_id,
            incarnation=secrets.token_hex(8),
            user_id=user_id,
            processor_id=kb,
            ttl_s=ttl_s,
            metadata={},
            overrides={},
            configured=configured,
        )


def _unnoticed(_state: SessionState) -> None:
    """Nobody wants to know."""


def _new_id() -> str:
    return secrets.token_urlsafe(SESSION_ID_BYTES)


def _known_form(session_id: str) -> str:
    """*session_id*, if it can be one: an id of any other form is as unknown as any other."""
    plain = session_id.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum() and len(session_id) <= MAX_SESSION_ID_CHARS):
        raise SessionNotFoundError
    return session_id
