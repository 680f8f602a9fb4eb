"""Exclusive access of one request to one session, across all replicas (sessions.md §2)."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType

from kato_service.backoff import Backoff
from kato_service.domain.deadline import Deadline, within
from kato_service.errors import StoreUnavailableError
from kato_service.sessions.queue import BUSY, SessionQueues
from kato_service.sessions.store import LEASE_S, Lock, SessionStore

RENEW_S = LEASE_S / 4
"""Seconds between two renewals of a lease: three may fail before it ends."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.05
"""Back-off before asking again for a lock that another process holds."""
OWNER_BYTES = 8


@dataclass(slots=True)
class Held:
    """A lock while a request works under it."""

    lock: Lock
    saved: bool = False
    """A save or a removal gave the lock back already."""


class SessionAccess:
    def __init__(
        self, store: SessionStore, waited: Callable[[float], None], max_waiting: int
    ) -> None:
        """*waited* receives the seconds that each request waited for its session."""
        self._store = store
        self._waited = waited
        self._queues = SessionQueues(max_waiting)

    def is_waited_for(self, session_id: str) -> bool:
        """Whether another request of this process holds the session or waits for it."""
        return self._queues.is_waited_for(session_id)

    def locked(
        self, session_id: str, deadline: Deadline, *, rolling_forward: bool = False
    ) -> "_Locked":
        """The session, locked inside.

        Args:
            rolling_forward: As for `SessionStore.lock`.

        Raises:
            SessionNotFoundError: There is no such session, or it expired.
            DeadlineExceededError: Other requests held it until *deadline*.
            OverloadedError: Too many requests wait for it.
            StoreUnavailableError: The store did not answer.
        """
        return _Locked(self, session_id, deadline, rolling_forward)

    async def taken(
        self, session_id: str, owner: str, deadline: Deadline, rolling_forward: bool
    ) -> Lock:
        """The lock, once the requests before have given it back; raises what `locked` raises."""
        began = perf_counter()
        await self._queues.take(session_id, deadline)
        try:
            lock = await self._acquired(session_id, owner, deadline, rolling_forward)
        except BaseException:
            # The store may hold the lock, or a place in its queue, for this owner all the same.
            await self.given_back(session_id, owner, saved=False)
            raise
        self._waited(perf_counter() - began)
        return lock

    async def given_back(self, session_id: str, owner: str, *, saved: bool) -> None:
        """Let the next request have the session; if this fails, the lock ends with its lease."""
        try:
            if not saved:
                with suppress(StoreUnavailableError):
                    await self._store.release(session_id, owner)
        finally:
            self._queues.give_back(session_id)

    def renewal(self, lock: Lock) -> "_Renewal":
        return _Renewal(self._store, lock)

    async def _acquired(
        self, session_id: str, owner: str, deadline: Deadline, rolling_forward: bool
    ) -> Lock:
        async with within(deadline, BUSY):
            lock = await self._store.lock(session_id, owner, rolling_forward=rolling_forward)
            if lock is not None:
                return lock
            backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, factor=1.5)
            while lock is None:
                await backoff.pause()
                lock = await self._store.lock(session_id, owner, rolling_forward=rolling_forward)
            return lock


class _Locked:
    """One use of a session; a class, because a generator costs more than what it would say."""

    __slots__ = ("_access", "_deadline", "_held", "_owner", "_renewal", "_rolling", "_session_id")

    def __init__(
        self, access: SessionAccess, session_id: str, deadline: Deadline, rolling_forward: bool
    ) -> None:
        self._access = access
        self._session_id = session_id
        self._deadline = deadline
        self._rolling = rolling_forward
        self._owner = new_owner()

    async def __aenter__(self) -> Held:
        lock = await self._access.taken(
            self._session_id, self._owner, self._deadline, self._rolling
        )
        self._renewal = self._access.renewal(lock)
        self._held = Held(lock)
        return self._held

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._renewal.end()
        await self._access.given_back(self._session_id, self._owner, saved=self._held.saved)


def new_owner() -> str:
    """An id that no other owner of a lock has; it need not be secret."""
    return random.randbytes(OWNER_BYTES).hex()


class _Renewal:
    """Renews the lease of a lock while its request runs.

    Most requests end before the first renewal, so they pay for a timer only; the task starts when
    the timer fires.
    """

    def __init__(self, store: SessionStore, lock: Lock) -> None:
        self._store = store
        self._lock = lock
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(RENEW_S, self._start)

    def end(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            with suppress(StoreUnavailableError):
                await self._store.renew(self._lock)
            await asyncio.sleep(RENEW_S)
