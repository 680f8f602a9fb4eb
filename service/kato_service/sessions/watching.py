"""Who waits for changes of which sessions (decision 0042).

Changes that this process makes are noticed at once. Those of other replicas, and sessions that end,
are found by asking the store for the versions of all watched sessions.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kato_service.errors import StoreUnavailableError
from kato_service.sessions.store import UNSTORED, SessionStore

POLL_S = 1.0
"""Seconds between two looks at the versions of watched sessions."""


class Watch:
    """One who waits for changes of one session at a time."""

    def __init__(self, watches: "SessionWatches") -> None:
        self._watches = watches
        self._session_id: str | None = None
        self._noticed = asyncio.Event()

    def move(self, session_id: str) -> None:
        """Watch this session from now on (`UNSTORED`: default sessions that do not exist yet).

        A session that is new to the watch counts as changed: it may have changed before.
        """
        if session_id == self._session_id:
            return
        self.end()
        self._session_id = session_id
        self._watches.add(session_id, self)
        self.notice()

    def end(self) -> None:
        if self._session_id is not None:
            self._watches.remove(self._session_id, self)
            self._session_id = None

    def notice(self) -> None:
        self._noticed.set()

    @property
    def noticed(self) -> bool:
        """Whether the session may have changed since the last call of `changed`."""
        return self._noticed.is_set()

    async def changed(self) -> None:
        """Wait until the session may have changed since the last call; it may also be the same."""
        await self._noticed.wait()
        self._noticed.clear()


class SessionWatches:
    def __init__(self, store: SessionStore, poll_s: float = POLL_S) -> None:
        self._store = store
        self._poll_s = poll_s
        self._watches: dict[str, set[Watch]] = {}
        """By session; `UNSTORED` for default sessions that do not exist yet."""
        self._versions: dict[str, str | None] = {}
        """As last seen in the store; None: the session had ended."""

    @contextmanager
    def watch(self, session_id: str) -> Iterator[Watch]:
        """A watch on this session, until this ends."""
        watch = Watch(self)
        watch.move(session_id)
        try:
            yield watch
        finally:
            watch.end()

    def add(self, session_id: str, watch: Watch) -> None:
        self._watches.setdefault(session_id, set()).add(watch)

    def remove(self, session_id: str, watch: Watch) -> None:
        watches = self._watches[session_id]
        watches.discard(watch)
        if not watches:
            del self._watches[session_id]
            self._versions.pop(session_id, None)

    def notice(self, session_id: str) -> None:
        """This process changed the session, or tried to."""
        for watch in self._watches.get(session_id, ()):
            watch.notice()

    async def run(self) -> None:
        """Ask the store for changes until cancelled."""
        while True:
            await asyncio.sleep(self._poll_s)
            # An outage is reported by those who probe the store; the next look comes soon.
            with suppress(StoreUnavailableError):
                await self.look()

    async def look(self) -> None:
        """Ask once."""
        self.notice(UNSTORED)
        watched = [session_id for session_id in self._watches if session_id != UNSTORED]
        if not watched:
            return
        versions = await self._store.versions(watched)
        for session_id, version in zip(watched, versions, strict=True):
            if session_id not in self._watches:
                continue  # nobody watches it any more
            if self._versions.get(session_id, "") != version:
                self._versions[session_id] = version
                self.notice(session_id)
