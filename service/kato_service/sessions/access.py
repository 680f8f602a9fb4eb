"""Exclusive access of one request to one session, on all replicas together."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import perf_counter

from kato_service.backoff import Backoff
from kato_service.domain.deadline import Deadline, within
from kato_service.errors import StoreUnavailableError
from kato_service.sessions.queue import SessionQueues
from kato_service.sessions.store import LEASE_S, Lock, SessionStore

RENEW_S = LEASE_S / 4
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.05
"""Before asking again for a lock that another process holds."""
OWNER_BYTES = 8


@dataclass(slots=True)
class Held:
    """A lock while a request works under it."""

    lock: Lock
    saved: bool = False
    """The store unlocked it together with a save."""


class SessionAccess:
    def __init__(
        self, store: SessionStore, waited: Callable[[float], None], max_waiting: int
    ) -> None:
        """*waited* is told how many seconds a request waited."""
        self._store = store
        self._waited = waited
        self._queues = SessionQueues(max_waiting)

    @asynccontextmanager
    async def locked(
        self, session_id: str, deadline: Deadline, *, rolling_forward: bool = False
    ) -> AsyncIterator[Held]:
        """The session, locked as long as this lasts.

        Raises:
            SessionNotFoundError: There is none.
            DeadlineExceededError: Others held it all the time.
            OverloadedError: Too many wait for it.
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
                if held is None or not held.saved:
                    await self._release(session_id, owner)

    async def _acquired(
        self, session_id: str, owner: str, deadline: Deadline, rolling_forward: bool
    ) -> Lock:
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, factor=1.5)
        async with within(deadline, "the session was busy all the time"):
            while True:
                lock = await self._store.lock(session_id, owner, rolling_forward=rolling_forward)
                if lock is not None:
                    return lock
                await backoff.pause()

    async def _release(self, session_id: str, owner: str) -> None:
        """What fails here ends with the lease."""
        with suppress(StoreUnavailableError):
            await self._store.release(session_id, owner)


class _Renewal:
    """Lets a lock's lease begin anew again and again; no more than a timer until that is due."""

    def __init__(self, store: SessionStore, lock: Lock) -> None:
        self._store = store
        self._lock = lock
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(RENEW_S, self._begin)

    def end(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            with suppress(StoreUnavailableError):
                await self._store.renew(self._lock)
            await asyncio.sleep(RENEW_S)
