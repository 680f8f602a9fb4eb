"""Sessions: their life, and exclusive access of a request to one of them (sessions.md)."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from kato_service.domain.cursor import place_of
from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import GeneValue
from kato_service.domain.identity import processor_id_of
from kato_service.errors import (
    KatoError,
    SessionLimitExceededError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.sessions.access import SessionAccess
from kato_service.sessions.changes import Plan, SessionChanges
from kato_service.sessions.state import SessionState
from kato_service.sessions.store import Limits, Listed, NewSession, SessionStore

log = structlog.get_logger()
A = TypeVar("A")

SESSION_ID_BYTES = 18
MAX_SESSION_ID_CHARS = 64
SWEEP_S = 2.0
CLOSE_PATIENCE_S = 15.0
OVERDUE_S = 5.0
"""Age at which anybody completes an intent."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    default_ttl_s: int = 3600
    auto_extend: bool = False
    max_sessions: int = 10_000
    max_sessions_per_user: int = 100
    max_waiting: int = 1000
    """Requests of this process that wait for one session."""


class SessionManager:
    def __init__(
        self,
        store: SessionStore,
        knowledge: KnowledgeBases,
        limits: SessionLimits,
        *,
        processor_id: str,
        waited: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """*waited* is told how many seconds a request waited for its session."""
        self._store = store
        self._limits = limits
        self._processor_id = processor_id
        self._changes = SessionChanges(
            store,
            knowledge,
            SessionAccess(store, waited, limits.max_waiting),
            self._extended,
            self._forget,
        )
        self._working: set[asyncio.Task[Any]] = set()

    async def create(
        self,
        *,
        user_id: str | None,
        ttl_s: int | None = None,
        metadata: Mapping[str, Any],
        overrides: Mapping[str, GeneValue],
    ) -> SessionState:
        """A new session of *user_id*, with an unguessable id.

        Raises:
            SessionLimitExceededError: The instance or the user has as many as it may.
        """
        new = self._new(_new_id(), user_id, ttl_s=ttl_s or self._limits.default_ttl_s)
        new = replace(new, metadata=metadata, overrides=overrides)
        of_user = None if user_id is None else self._limits.max_sessions_per_user
        return await self._store.create(new, Limits(self._limits.max_sessions, of_user))

    async def default(self, user_id: str | None) -> str:
        """The id of a user's default session (None: the instance's), made where there is none.

        Raises:
            SessionLimitExceededError: It would be made, and the instance has as many as it may.
        """
        session_id = await self._store.known_default(user_id)
        if session_id is None:
            # Ids stay for good: none is given for a session that will not be made.
            if await self._store.count() >= self._limits.max_sessions:
                raise SessionLimitExceededError.of("instance")
            session_id = await self._store.default_id(user_id, _new_id())
        if not await self._store.exists(session_id):
            new = self._new(session_id, user_id, ttl_s=None)
            await self._store.create(new, Limits(self._limits.max_sessions, None))
        return session_id

    async def load(self, session_id: str) -> SessionState:
        """The session as it is, or as a change that is being completed will leave it.

        Raises:
            SessionNotFoundError: There is none, or it expired.
        """
        state = await self._store.load(_known_form(session_id))
        if state is None:
            raise _not_found()
        return await self._extended(state)

    async def exists(self, session_id: str) -> bool:
        """Leaves its lifetime alone."""
        with suppress(SessionNotFoundError):
            return await self._store.exists(_known_form(session_id))
        return False

    async def count(self) -> int:
        return await self._store.count()

    async def page(
        self, *, user_id: str | None, limit: int, cursor: str | None
    ) -> tuple[tuple[Listed, ...], str | None]:
        """Live sessions in order of creation, and where the next page begins.

        Raises:
            InvalidInputError: The cursor is not one of ours.
        """
        after = place_of(cursor)
        found = await self._store.page(user_id, after=after, limit=limit + 1)
        shown = found[:limit]
        more = len(found) > limit
        return shown, str(shown[-1].place) if more else None

    async def extend(self, session_id: str, ttl_s: int) -> SessionState:
        """Raises SessionNotFoundError."""
        state = await self._store.extend(_known_form(session_id), ttl_s)
        if state is None:
            raise _not_found()
        return state

    async def delete(self, session_id: str, *, deadline: Deadline) -> None:
        """Complete what is pending, then drop the session.

        Raises:
            SessionNotFoundError: There is none.
            DeadlineExceededError: It could not be locked in time.
        """
        await self._unstoppably(self._changes.delete(_known_form(session_id), deadline))

    async def change(self, session_id: str, plan: Plan[A], *, deadline: Deadline) -> A:
        """Let *plan* change the session, alone on every replica, and give its answer.

        *plan* may be asked again with a newer state as long as nothing was stored. Cancelling the
        wait cancels nothing.

        Raises:
            SessionNotFoundError: There is no such session.
            DeadlineExceededError: Nothing changed.
            OverloadedError: Too many wait for this session, or for the log; nothing changed.
            StoreUnavailableError: Nothing changed, or the message says what may have.
        """
        known = _known_form(session_id)
        return await self._unstoppably(self._changes.change(known, plan, deadline))

    async def run(self) -> None:
        """Complete what others began and did not finish, until cancelled."""
        while True:
            try:
                for session_id, intent_id in await self._store.pending(older_than_s=OVERDUE_S):
                    await self._complete(session_id, intent_id)
            except StoreUnavailableError as error:
                log.warning("pending changes not asked for", reason=error.message)
            await asyncio.sleep(SWEEP_S)

    async def close(self) -> None:
        """Wait for changes whose requests are gone already; what is left then stays an intent."""
        if self._working:
            _, unfinished = await asyncio.wait(self._working, timeout=CLOSE_PATIENCE_S)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _complete(self, session_id: str, intent_id: str) -> None:
        """One that cannot be completed now holds up none of the others."""
        try:
            await self._unstoppably(self._changes.complete_overdue(session_id, intent_id))
        except KatoError as error:
            log.warning("pending change not completed yet", reason=error.message)

    def _forget(self, session_id: str, intent_id: str) -> None:
        """Take a completed intent off the index; nobody waits for it, a sweep would do it too."""
        self._in_background(self._forgotten(session_id, intent_id))

    async def _forgotten(self, session_id: str, intent_id: str) -> None:
        with suppress(StoreUnavailableError):
            await self._store.forget(session_id, intent_id)

    async def _unstoppably(self, work: Coroutine[Any, Any, A]) -> A:
        """Its result; it goes on when the request that waits for it is cancelled."""
        return await asyncio.shield(self._in_background(work))

    def _in_background(self, work: Coroutine[Any, Any, A]) -> "asyncio.Task[A]":
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        """Takes the outcome of work whose request has gone."""
        self._working.discard(task)
        if not task.cancelled():
            task.exception()

    async def _extended(self, state: SessionState) -> SessionState:
        """The session, its lifetime begun anew where every request does that."""
        if not self._limits.auto_extend or state.ttl_s is None:
            return state
        extended = await self._store.extend(state.session_id, None)
        if extended is None:
            raise _not_found()
        return replace(state, expires_at=extended.expires_at)

    def _new(self, session_id: str, user_id: str | None, *, ttl_s: int | None) -> NewSession:
        return NewSession(
            session_id=session_id,
            incarnation=secrets.token_hex(8),
            user_id=user_id,
            processor_id=processor_id_of(self._processor_id, user_id),
            ttl_s=ttl_s,
            metadata={},
            overrides={},
        )


def _new_id() -> str:
    return secrets.token_urlsafe(SESSION_ID_BYTES)


def _known_form(session_id: str) -> str:
    """What cannot be an id of ours is as unknown as any other."""
    plain = session_id.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum() and len(session_id) <= MAX_SESSION_ID_CHARS):
        raise _not_found()
    return session_id


def _not_found() -> SessionNotFoundError:
    return SessionNotFoundError("there is no such session, or it expired")
