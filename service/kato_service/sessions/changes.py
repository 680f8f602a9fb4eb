"""How a request changes its session, alone or together with the knowledge log (sessions.md §3, §4).

What a request will append to the log is stored in its session first, as an intent: a small
write-ahead log of one session. Whoever locks a session with an intent completes it before anything
else, so a change happens once and as a whole, wherever a process or a store fails.
"""

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from kato_service.domain.deadline import Deadline
from kato_service.errors import (
    DeadlineExceededError,
    OutcomeUnknownError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Applied, Entry
from kato_service.sessions.access import Held, SessionAccess
from kato_service.sessions.state import (
    Change,
    Intent,
    Sees,
    SessionState,
    changed,
    installed,
    require_seen,
)
from kato_service.sessions.store import Fate, Lock, Saved, SessionStore

A = TypeVar("A")
Plan = Callable[[SessionState], Awaitable[Change[A]]]
Extend = Callable[[SessionState], Awaitable[SessionState]]

INTENT_ID_BYTES = 8
_TAKEN_OVER = "other requests kept taking over the session until the deadline; retry later"
_REPEAT = "repeating with the same unique_id is safe"


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """When a background sweep completes the changes that their requests left unfinished."""

    interval_s: float = 2.0
    """Seconds between two looks for such changes."""
    overdue_s: float = 5.0
    """Seconds after which a change counts as left: a request that still works needs far less."""
    patience_s: float = 15.0
    """Seconds that completing one of them may wait for the session's lock; several leases, so that
    it outlasts requests that hold the lock and died."""


class _LockLostError(Exception):
    """Another request took the session over before anything was stored: start over."""


@dataclass(frozen=True, slots=True)
class SessionChanges:
    """Must not be cancelled while it runs; `SessionManager` shields it from its requests."""

    store: SessionStore
    knowledge: KnowledgeBases
    access: SessionAccess
    extended: Extend
    """Extends the lifetime of a session, if every request on it does that."""
    completed: Callable[[str, str], None]
    """Called with session id and intent id when an intent needs no further attention."""
    sweep: SweepPlan = SweepPlan()

    async def change(
        self, session_id: str, plan: Plan[A], deadline: Deadline, sees: Sees | None = None
    ) -> A:
        """Plan and store until it is done; see `SessionManager.change`."""
        while True:
            try:
                return await self._change(session_id, plan, deadline, sees)
            except _LockLostError:
                if deadline.passed:
                    raise DeadlineExceededError(_TAKEN_OVER) from None

    async def delete(
        self, session_id: str, deadline: Deadline, sees: Sees | None = None
    ) -> SessionState:
        """Complete a pending intent, then delete the session; see `SessionManager.delete`.

        Returns:
            The session as it was.
        """
        while True:
            with suppress(_LockLostError):
                if (removed := await self._removed(session_id, deadline, sees)) is not None:
                    return removed
            if deadline.passed:
                raise DeadlineExceededError(_TAKEN_OVER)

    async def complete_overdue(self, session_id: str, intent_id: str) -> None:
        """Complete a change that its request left, or note that there is nothing to complete."""
        deadline = Deadline.after(self.sweep.patience_s)
        with suppress(SessionNotFoundError):
            async with self.access.locked(session_id, deadline, rolling_forward=True) as held:
                with suppress(_LockLostError):
                    await self._rolled_forward(held.lock)
        if await self.store.fate(session_id, intent_id) is not Fate.PENDING:
            await self.store.forget(session_id, intent_id)

    async def _change(
        self, session_id: str, plan: Plan[A], deadline: Deadline, sees: Sees | None
    ) -> A:
        """One attempt."""
        async with self.access.locked(session_id, deadline) as held:
            require_seen(held.lock.state, sees)
            held.lock = await self._rolled_forward(held.lock)
            change = await plan(await self.extended(held.lock.state))
            # Nothing to save: the lock is just released.
            if change.state is None:
                return change.answer(())
            after = _counted(change.state, held.lock)
            if change.entries:
                applied = await self._through_log(held, after, change.entries, deadline)
            else:
                applied = await self._saved(held, after)
        # A sequence that was interrupted: its first items are stored by now.
        if change.error is not None:
            raise change.error
        return change.answer(applied)

    async def _removed(
        self, session_id: str, deadline: Deadline, sees: Sees | None
    ) -> SessionState | None:
        """The session that was removed; None: the lock was lost before."""
        async with self.access.locked(session_id, deadline) as held:
            require_seen(held.lock.state, sees)
            held.lock = await self._rolled_forward(held.lock)
            held.saved = await self.store.remove(held.lock)
            return held.lock.state if held.saved else None

    async def _rolled_forward(self, lock: Lock) -> Lock:
        """The lock, after the intent that waits in its session was completed.

        Raises:
            StoreUnavailableError: The log did not answer; the intent stays.
        """
        if lock.intent is None:
            return lock
        state = await self._installed(lock, lock.intent)
        self.completed(lock.session_id, lock.intent.intent_id)
        return replace(lock, state=state, intent=None)

    async def _installed(self, lock: Lock, intent: Intent) -> SessionState:
        base = self.knowledge.get(intent.state.processor_id, intent.state.user_id)
        try:
            # The request that stored the intent may have appended some or all of it: look first.
            applied = await base.append(intent.entries, since=intent.since, lookup=True)
        except StoreUnavailableError as error:
            raise StoreUnavailableError(
                f"an earlier change of this session is not completed yet: {error.message}"
            ) from error
        state = installed(intent.state, applied)
        if await self.store.install(lock, intent.intent_id, state) is not Fate.INSTALLED:
            raise _LockLostError
        return state

    async def _through_log(
        self, held: Held, after: SessionState, entries: tuple[Entry, ...], deadline: Deadline
    ) -> tuple[Applied, ...]:
        """Store the intent, append its entries, save the session.

        The deadline ends only the first read: once the intent is stored, the change happens.
        """
        base = self.knowledge.get(after.processor_id, after.user_id)
        since = await base.tail(deadline=deadline)
        intent = _intent(held.lock, after, entries, since)
        with base.register(entries, since=since):
            lookup = await self._intended(held.lock, intent)
            try:
                applied = await base.append(entries, since=since, lookup=lookup)
            except StoreUnavailableError as error:
                raise StoreUnavailableError(
                    f"{error.message}; the change will be completed later, {_REPEAT}"
                ) from error
        await self._save_intended(held, installed(after, applied), intent.intent_id)
        return applied

    async def _save_intended(self, held: Held, state: SessionState, intent_id: str) -> None:
        """Save a change that is in the log already.

        A failure is not one of the request: whoever locks the session next installs the change.
        """
        with suppress(StoreUnavailableError):
            saved = await self.store.save(held.lock, state, intent_id)
            if saved is Saved.SAVED:
                held.saved = True
                self.completed(held.lock.session_id, intent_id)

    async def _intended(self, lock: Lock, intent: Intent) -> bool:
        """Store the intent.

        Returns:
            Whether another request may be completing it by now, so that its entries have to be
            looked up in the log before they are appended.

        Raises:
            _LockLostError: It was never stored.
            OutcomeUnknownError: It may have been stored.
        """
        try:
            if await self.store.intend(lock, intent):
                return False
            # An earlier try whose answer was lost may have stored it, before the lock was lost.
            fate = await self.store.fate(lock.session_id, intent.intent_id)
        except OutcomeUnknownError as error:
            raise _unknown(error.message) from error
        if fate is not Fate.ABSENT:
            return True
        self.completed(lock.session_id, intent.intent_id)
        raise _LockLostError

    async def _saved(self, held: Held, state: SessionState) -> tuple[Applied, ...]:
        """Save a change that appends nothing to the log."""
        try:
            saved = await self.store.save(held.lock, state, None)
        except OutcomeUnknownError as error:
            raise _unknown(error.message) from error
        match saved:
            case Saved.SAVED:
                held.saved = True
            case Saved.REFUSED:
                raise _LockLostError
            case Saved.GONE:
                raise SessionNotFoundError("the session ended before this change was saved")
            case Saved.UNKNOWN:
                raise _unknown("too many other requests took over the session meanwhile")
        return ()


def _counted(state: SessionState, lock: Lock) -> SessionState:
    return changed(state, access_count=state.access_count + 1, last_accessed_at=lock.locked_at)


def _intent(lock: Lock, after: SessionState, entries: tuple[Entry, ...], since: int) -> Intent:
    intent_id = secrets.token_hex(INTENT_ID_BYTES)
    return Intent(intent_id, entries, since, after, created_at=lock.locked_at)


def _unknown(what: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"{what}; outcome unknown, {_REPEAT}")
