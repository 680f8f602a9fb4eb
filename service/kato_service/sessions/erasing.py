"""Deletes everything that the store of sessions holds of one user."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from kato_service.backoff import Backoff
from kato_service.domain.deadline import Deadline
from kato_service.errors import SessionNotFoundError, StoreUnavailableError
from kato_service.sessions.session_manager import SessionManager
from kato_service.sessions.store import SessionStore

AT_ONCE = 100
"""Sessions that are looked up at once."""
PATIENCE_S = 15.0
"""Seconds that deleting one may wait for the request that holds it; several leases."""
PENDING_S = 10.0
"""Seconds that changes of ended sessions may take to be completed by the sweep."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5
_PENDING = "a change of an ended session is not completed yet; the erasure is completed later"


@dataclass(slots=True)
class ErasedSessions:
    sessions: int = 0
    remembered: int = 0
    """Requests that they remembered."""


class SessionEraser:
    def __init__(self, store: SessionStore, sessions: SessionManager) -> None:
        self._store = store
        self._sessions = sessions

    async def erase(self, user_id: str | None) -> ErasedSessions:
        """Delete the sessions of *user_id* (None: those without a user), default ones too.

        Sessions that are created meanwhile may be deleted or not.

        Raises:
            StoreUnavailableError: Some may be left: repeat.
            DeadlineExceededError: A request holds one of them; the same.
        """
        erased = ErasedSessions()
        async for session_id in self._all(user_id):
            state = await self._store.load(session_id)
            if state is None or state.user_id != user_id:
                continue
            try:
                await self._sessions.delete(session_id, deadline=Deadline.after(PATIENCE_S))
            except SessionNotFoundError:
                continue
            erased.sessions += 1
            erased.remembered += len(state.remembered)
        await self._store.forget_user(user_id)
        await self._await_pending(user_id)
        return erased

    async def _all(self, user_id: str | None) -> AsyncIterator[str]:
        cursor = None
        while True:
            found, cursor = await self._sessions.page_of(user_id, limit=AT_ONCE, cursor=cursor)
            for one in found:
                yield one.state.session_id
            if cursor is None:
                break
        default = await self._store.known_default(user_id)
        if default is not None:
            yield default

    async def _await_pending(self, user_id: str | None) -> None:
        """Wait until no ended session has a pending change, which would keep it in the store.

        Whose it is cannot be told of an ended one, so it is waited for in any case.
        """
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, give_up_after_s=PENDING_S)
        waiting = set(await self._store.pending(older_than_s=0.0))
        for pair in tuple(waiting):
            state = await self._store.load(pair[0])
            if state is not None and state.user_id != user_id:
                waiting.discard(pair)
        while waiting:
            if backoff.is_over:
                raise StoreUnavailableError(_PENDING)
            await backoff.pause()
            waiting &= set(await self._store.pending(older_than_s=0.0))
