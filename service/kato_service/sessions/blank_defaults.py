"""Default sessions that hold nothing give their places up when a limit on sessions is reached.

Reads create no default sessions. A session may be blank all the same: after a clear of everything,
or because an earlier version created it for a read.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from kato_service.errors import SessionNotFoundError, StoreUnavailableError
from kato_service.sessions.state import is_blank
from kato_service.sessions.store import Listed, SessionStore

log = structlog.get_logger()

PAUSE_S = 30.0
"""Seconds after a search that found none until the next one: it reads every session."""
PAGE = 1000
ENOUGH = 1000
"""Sessions after which one search ends."""
OWNER_BYTES = 8


class BlankDefaults:
    def __init__(self, store: SessionStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._searching = asyncio.Lock()
        self._ended_at = float("-inf")
        self._dropped = 0
        """Sessions that the last search dropped."""

    async def dropped(self) -> bool:
        """Drop blank default sessions; whether that made room.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        asked_at = self._clock()
        async with self._searching:
            if self._ended_at >= asked_at:
                return self._dropped > 0  # another request searched meanwhile
            if not self._dropped and asked_at - self._ended_at < PAUSE_S:
                return False
            self._dropped = await self._search()
            self._ended_at = self._clock()
        if self._dropped:
            log.info("blank default sessions dropped", count=self._dropped)
        return self._dropped > 0

    async def _search(self) -> int:
        dropped = after = 0
        while page := await self._store.page(None, after=after, limit=PAGE):
            for listed in filter(_may_be_blank, page):
                dropped += await self._drop(listed.state.session_id)
                if dropped >= ENOUGH:
                    return dropped
            after = page[-1].place
            await asyncio.sleep(0)
        return dropped

    async def _drop(self, session_id: str) -> bool:
        """Delete the session, unless it is in use or holds something after all."""
        owner = secrets.token_hex(OWNER_BYTES)
        removed = False
        try:
            lock = await self._store.lock(session_id, owner, rolling_forward=False)
            if lock is not None and lock.intent is None and is_blank(lock.state):
                removed = await self._store.remove(lock)
        except SessionNotFoundError:
            return False
        finally:
            if not removed:
                with suppress(StoreUnavailableError):
                    await self._store.release(session_id, owner)
        return removed


def _may_be_blank(listed: Listed) -> bool:
    state = listed.state
    return state.ttl_s is None and not (listed.stm_length or state.time or state.overrides)
