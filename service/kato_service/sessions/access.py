"""Exclusive access of one request to one session, across all replicas (sessions.md §2)."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import perf_counter

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

    @asynccontextmanager
    async def locked(
        self, session_id: str, deadline: Deadline, *, rolling_forward: bool = False
    ) -> AsyncIterator[Held]:
        """The session, locked inside.

        Args:
            rolling_forward: As for `SessionStore.lock`.

        Raises:
            SessionNotFoundError: There is no such session, or it expired.
            DeadlineExceededError: Other requests held it until *deadline*.
            OverloadedError: Too many requests wait for it.
            StoreUnavailableError: The store did not answer.
        """
        owner = secrets.token_hex(OWNER_BYTES)
        began = perf_counter()
        async with self._queues.turn(session_id, deadline):
            held: Held | None = None
            try:
                lock = await self._acquired(session_id, owner, deadline, rolling_forward)
                self._waited(perf_counter() - began)
                held = Held(lock)
                renewal = _Renewal(self._store, lock)
                try:
                    yield held
                finally:
                    renewal.end()
            finally:
                # Also after a failed or cancelled attempt: the store may hold the lock, or a
                # place in its queue, for this owner.
                if held is None or not held.saved:
                    await self._release(session_id, owner)

    async def _acquired(
        self, session_id: str, owner: str, deadline: Deadline, rolling_forward: bool
    ) -> Lock:
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, factor=1.5)
        async with within(deadline, BUSY):
            while True:
                lock = await self._store.lock(session_id, owner, rolling_forward=rolling_forward)
                if lock is not None:
                    return lock
                await backoff.pause()

    async def _release(self, session_id: str, owner: str) -> None:
        """If this fails, the lock ends with its lease."""
        with suppress(StoreUnavailableError):
            await self._store.release(session_id, owner)


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
