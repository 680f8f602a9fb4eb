"""What Redis knows of all sessions of an instance together: who has places, and what is pending.

These keys share one slot of a cluster, which is not that of a session (sessions.md §8).
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from itertools import count

import structlog

from kato_service.errors import StoreUnavailableError
from kato_service.sessions.redis import index_scripts
from kato_service.sessions.redis.calls import RedisScripts
from kato_service.sessions.state import SessionState
from kato_service.sessions.store import Limits, NewSession, Whose, derived_id

log = structlog.get_logger()

PENDING_AT_ONCE = 100
"""Intents read in one round trip."""
MAX_UNNOTED = 10_000
"""Changes that wait until Redis takes them. More are dropped: a deleted session then keeps its
place until it would have expired."""
_WHOSE: dict[bytes, Whose] = {b"instance": "instance", b"user": "user", b"caller": "caller"}
_INDEXES = ("order", "sessions", "lasting", "defaults", "holders", "held")
"""In the order that the scripts expect."""
_SECRET = "secret"
"""Field among the ids of default sessions, next to the digests of users."""


class SessionIndex:
    def __init__(
        self,
        scripts: RedisScripts,
        prefix: str,
        expiry_of: Callable[[str], Awaitable[int | None]],
    ) -> None:
        """*prefix*: of its keys. *expiry_of*: when a session expires, ms; None: never, or it is
        not there."""
        self.intents = f"{prefix}intents"
        """Key of the index of intents."""
        self._scripts = scripts
        self._prefix = prefix
        self._expiry_of = expiry_of
        self._secret: bytes | None = None
        """What ids of default sessions are derived from, once it is known."""
        self._unnoted: dict[str, tuple[SessionState, int | None]] = {}
        """Changes that Redis did not take yet, by member: the session, and when it expires, ms;
        None: it is not there."""

    async def known_default(self, user_id: str | None) -> str | None:
        field = digest_of(user_id or "")
        known = await self._scripts.call("HGET", f"{self._prefix}defaults", field)
        return None if known is None else str(known.decode())

    async def default_id(self, user_id: str | None) -> str:
        if self._secret is None:
            arguments = (_SECRET, secrets.token_hex(32))
            keys = (f"{self._prefix}defaults",)
            self._secret = await self._scripts.run(index_scripts.FIRST_VALUE, keys, arguments)
        return derived_id(self._secret, user_id)

    async def forget_user(self, user_id: str | None) -> None:
        """Drop what the indexes hold of a user in addition to the sessions that live."""
        keys = [f"{self._prefix}{name}" for name in ("defaults", "lasting")]
        if user_id is not None:
            keys.append(self._user_key(user_id))
        await self._scripts.run(index_scripts.FORGET_USER, keys, (digest_of(user_id or ""),))

    async def count(self) -> int:
        return int(await self._scripts.run(index_scripts.COUNT, (f"{self._prefix}sessions",), ()))

    async def reserve(self, new: NewSession, limits: Limits) -> tuple[NewSession, int, str]:
        """Reserve a place within the limits.

        Returns:
            The session, under the id that a default session of its user has already; Redis' time,
            and when the session expires, both in ms; '' for never.
        """
        keys = [f"{self._prefix}{name}" for name in (*_INDEXES, "places")]
        if new.user_id is not None and limits.sessions_of_user is not None:
            keys.append(self._user_key(new.user_id))
        caller = "" if limits.caller is None else digest_of(str(limits.caller))
        arguments = (
            *(member_of(new), "" if new.ttl_s is None else new.ttl_s, limits.sessions),
            "" if limits.sessions_of_user is None else limits.sessions_of_user,
            *(limits.sessions_of_caller, caller),
            digest_of(new.user_id or "") if new.is_default else "",
        )
        word, *rest = await self._scripts.run(index_scripts.RESERVE, keys, arguments)
        if word == b"known":
            return await self.reserve(replace(new, session_id=rest[0].decode()), limits)
        if word != b"ok":
            raise limits.exceeded(_WHOSE[word])
        return new, int(rest[0]), rest[1].decode()

    async def unreserve(self, state: SessionState) -> None:
        """Give back the place that was reserved for the session."""
        arguments = (member_of(state), digest_of(state.user_id or ""))
        await self._scripts.run(index_scripts.UNRESERVE, self.places_of(state), arguments)

    async def note_or_later(self, state: SessionState, expires_ms: int | None) -> None:
        """Write the expiry of a session into the indexes, or take it off them (None).

        The session itself is changed already, so a failure here must not fail its request: the
        indexes learn it later.
        """
        try:
            await self._note(state, expires_ms)
        except StoreUnavailableError as error:
            if len(self._unnoted) < MAX_UNNOTED:
                self._unnoted[member_of(state)] = (state, expires_ms)
            log.warning("index of sessions not updated yet", reason=error.message)
        else:
            self._unnoted.pop(member_of(state), None)

    async def _note(self, state: SessionState, expires_ms: int | None) -> None:
        if expires_ms is None:
            await self.unreserve(state)
            return
        # A session that is no longer in the indexes stays out of them.
        arguments = (member_of(state), expires_ms)
        await self._scripts.run(index_scripts.NOTE_EXPIRY, self._indexes(state), arguments)

    async def _note_now(self, state: SessionState, expires_ms: int | None) -> None:
        """Do what `_note` does, long after: by now the session may have been extended again."""
        if expires_ms is not None:
            expires_ms = await self._expiry_of(state.session_id)
            if expires_ms is None:
                return
        await self._note(state, expires_ms)

    async def catch_up(self) -> None:
        for member, wanted in tuple(self._unnoted.items()):
            if self._unnoted.get(member) is not wanted:
                continue  # noted, or replaced, while the ones before were written
            try:
                await self._note_now(*wanted)
            except StoreUnavailableError:
                return
            if self._unnoted.get(member) is wanted:
                del self._unnoted[member]

    async def page(
        self, user_id: str | None, *, after: int, limit: int
    ) -> tuple[list[tuple[str, str]], list[int]]:
        """The sessions and incarnations that follow the place *after*, and their places."""
        keys = [f"{self._prefix}sessions", f"{self._prefix}order"]
        if user_id is not None:
            keys.append(self._user_key(user_id))
        found = await self._scripts.run(index_scripts.PAGE, keys, (after, limit))
        members = [member.decode().partition(" ") for member in found[::2]]
        return [(session_id, one) for session_id, _, one in members], [int(n) for n in found[1::2]]

    async def pending(self, *, older_than_s: float) -> tuple[tuple[str, str], ...]:
        await self.catch_up()
        keys, found = (self.intents,), []
        for offset in count(0, PENDING_AT_ONCE):
            arguments = (older_than_s, offset, PENDING_AT_ONCE)
            some = await self._scripts.run(index_scripts.PENDING, keys, arguments)
            found += some
            if len(some) < PENDING_AT_ONCE:
                break
        pairs = (pair.decode().partition(" ") for pair in found)
        return tuple((session_id, intent_id) for session_id, _, intent_id in pairs)

    async def forget(self, session_id: str, intent_id: str) -> None:
        await self._scripts.call("ZREM", self.intents, f"{session_id} {intent_id}")

    def places_of(self, state: SessionState) -> list[str]:
        """The keys of all indexes that may hold it."""
        of_user = [] if state.user_id is None else [self._user_key(state.user_id)]
        return [*(f"{self._prefix}{name}" for name in _INDEXES), *of_user]

    def _indexes(self, state: SessionState) -> list[str]:
        """The keys of the indexes that hold its expiry."""
        of_user = [] if state.user_id is None else [self._user_key(state.user_id)]
        return [f"{self._prefix}sessions", *of_user]

    def _user_key(self, user_id: str) -> str:
        return f"{self._prefix}user:{digest_of(user_id)}"


def member_of(session: NewSession | SessionState) -> str:
    """The member of an index: a later session of the same id is another one."""
    return f"{session.session_id} {session.incarnation}"


def digest_of(user_id: str) -> str:
    return sha256(user_id.encode()).hexdigest()[:40]
