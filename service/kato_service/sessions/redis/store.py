"""Sessions in Redis: lock and load, save and unlock, one round trip each (sessions.md)."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import count
from typing import Any

import structlog

from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_client import RedisClient
from kato_service.errors import (
    OutcomeUnknownError,
    SessionLimitExceededError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from kato_service.sessions.redis import encoding, index_scripts, session_scripts
from kato_service.sessions.redis.calls import RedisScripts
from kato_service.sessions.redis.encoding import ListChange, Stored
from kato_service.sessions.state import Intent, SessionState, label_of
from kato_service.sessions.store import LEASE_S, Fate, Limits, Listed, Lock, NewSession, Saved

log = structlog.get_logger()

PENDING_AT_ONCE = 100
LISTED_AT_ONCE = 100
"""Sessions asked for in one round trip, so that reading them holds up nobody."""
MAX_UNNOTED = 10_000
SLACK_BYTES = 1024
"""By which counters, times and genes may enlarge a session in a full Redis."""
_LEASE_MS = int(LEASE_S * 1000)
_LISTS = ("stm", "emotives", "remembered")
_PLACES = ("sessions", "order", "places", "lasting")


class RedisSessionStore:
    def __init__(
        self, client: RedisClient, processor_id: str, *, circuit: Circuit | None = None
    ) -> None:
        self._client = client
        self._scripts = RedisScripts(client, circuit or Circuit("redis"))
        self._prefix = f"kato:{processor_id}:"
        self._index = f"{self._prefix}{{{processor_id}}}:"
        self._unnoted: dict[str, tuple[SessionState, int | None]] = {}
        """What the indexes are to learn as soon as Redis takes it: sessions, by their members, and
        when they expire, ms; None: they are not there."""

    async def create(self, new: NewSession, limits: Limits) -> SessionState:
        try:
            now_ms, expires_ms = await self._reserve(new, limits)
        except SessionLimitExceededError:
            known = await self.load(new.session_id)
            if known is None:
                raise
            return known
        state = SessionState(
            session_id=new.session_id,
            incarnation=new.incarnation,
            user_id=new.user_id,
            processor_id=new.processor_id,
            created_at=now_ms / 1000,
            ttl_s=new.ttl_s,
            expires_at=None,
            last_accessed_at=now_ms / 1000,
            metadata=new.metadata,
            overrides=new.overrides,
        )
        arguments = (
            *(new.incarnation, expires_ms, "" if new.ttl_s is None else new.ttl_s),
            encoding.head(state),
        )
        try:
            found = await self._scripts.run(
                session_scripts.CREATE, self._keys(new.session_id), arguments
            )
        except StoreUnavailableError as error:
            if not isinstance(error, OutcomeUnknownError):  # else it may have been made
                await self._note_or_later(state, None)
            raise
        living = encoding.shown(new.session_id, Stored(*found))
        if living.incarnation != new.incarnation:
            if new.ttl_s is None:  # what lasts has one place, which that one lost to this try
                await self._reserve(replace(new, incarnation=living.incarnation), limits)
            else:
                await self._unreserve(state)
        return living

    async def known_default(self, user_id: str | None) -> str | None:
        field = _digest(user_id or "")
        known = await self._scripts.call("HGET", f"{self._index}defaults", field)
        return None if known is None else str(known.decode())

    async def default_id(self, user_id: str | None, proposed: str) -> str:
        arguments = (_digest(user_id or ""), proposed)
        known = await self._scripts.run(
            index_scripts.DEFAULT_ID, (f"{self._index}defaults",), arguments
        )
        return str(known.decode())

    async def load(self, session_id: str) -> SessionState | None:
        found = await self._scripts.run(session_scripts.LOAD, self._keys(session_id), ())
        return None if found is None else encoding.shown(session_id, Stored(*found))

    async def exists(self, session_id: str) -> bool:
        return bool(await self._scripts.run(session_scripts.EXISTS, self._keys(session_id), ()))

    async def extend(self, session_id: str, ttl_s: int | None) -> SessionState | None:
        ttl = "" if ttl_s is None else ttl_s
        found = await self._scripts.run(session_scripts.EXTEND, self._keys(session_id), (ttl,))
        if found is None:
            return None
        stored = Stored(*found)
        state = encoding.shown(session_id, stored)
        if stored.expires_ms:
            await self._note_or_later(state, int(stored.expires_ms))
        return state

    async def count(self) -> int:
        return int(await self._scripts.run(index_scripts.COUNT, (f"{self._index}sessions",), ()))

    async def page(self, user_id: str | None, *, after: int, limit: int) -> tuple[Listed, ...]:
        keys = [f"{self._index}sessions", f"{self._index}order"]
        if user_id is not None:
            keys.append(self._user_key(user_id))
        listed: list[Listed] = []
        while len(listed) < limit:
            found = await self._scripts.run(index_scripts.PAGE, keys, (after, limit))
            members = [member.decode().split(" ") for member in found[::2]]
            places = [int(place) for place in found[1::2]]
            heads = await self._heads([session_id for session_id, _ in members])
            listed += [
                Listed(place, *head)
                for place, (_, incarnation), head in zip(places, members, heads, strict=True)
                # A place may be of a session that was not made, or made anew.
                if head is not None and head[0].incarnation == incarnation
            ]
            if len(places) < limit:
                break
            after = places[-1]
        return tuple(listed[:limit])

    async def lock(self, session_id: str, owner: str, *, rolling_forward: bool) -> Lock | None:
        arguments = (owner, _LEASE_MS, int(rolling_forward))
        word, *rest = await self._scripts.run(
            session_scripts.LOCK, self._keys(session_id), arguments
        )
        if word == b"gone":
            raise SessionNotFoundError("there is no such session, or it expired")
        if word == b"busy":
            return None
        number, now_ms, found = rest
        stored = Stored(*found)
        return Lock(
            session_id=session_id,
            owner=owner,
            number=int(number),
            state=encoding.session(session_id, stored),
            intent=encoding.intent_of(session_id, stored),
            locked_at=int(now_ms) / 1000,
        )

    async def renew(self, lock: Lock) -> None:
        arguments = (lock.owner, lock.number, _LEASE_MS)
        await self._scripts.run(session_scripts.RENEW, self._keys(lock.session_id), arguments)

    async def release(self, session_id: str, owner: str) -> None:
        await self._scripts.run(session_scripts.RELEASE, self._keys(session_id), (owner,))

    async def save(self, lock: Lock, state: SessionState, intent_id: str | None) -> Saved:
        head = encoding.head(state)
        kept = state.percept is lock.state.percept
        percept = b"" if kept else encoding.percept(state)
        changes = encoding.list_changes(lock.state, state)
        arguments = (
            *(lock.owner, lock.number, state.incarnation, intent_id or ""),
            *(head, percept, *_flat(changes)),
        )
        # What gives the STM away is no larger for the request that it remembers instead.
        clears = bool(lock.state.stm) and not state.stm
        grows = any(change.added for change in changes) and not clears
        larger = grows or len(head) + len(percept) > _size(lock.state, kept) + SLACK_BYTES
        script = session_scripts.SAVE if larger else session_scripts.SAVE_SMALLER
        word = await self._scripts.run(script, self._keys(lock.session_id), arguments)
        return Saved(word.decode())

    async def intend(self, lock: Lock, intent: Intent) -> bool:
        index, pair = f"{self._index}intents", f"{lock.session_id} {intent.intent_id}"
        keys = self._keys(lock.session_id)
        if self._client.clustered:
            await self._scripts.call("ZADD", index, lock.locked_at, pair)
        else:
            keys = (*keys, index)
        arguments = (
            *(lock.owner, lock.number, lock.state.incarnation),
            *(intent.intent_id, encoding.intent(intent), lock.locked_at, pair),
        )
        return bool(await self._scripts.run(session_scripts.INTEND, keys, arguments))

    async def install(self, lock: Lock, intent_id: str, state: SessionState) -> Fate:
        arguments = (
            *(state.incarnation, intent_id, encoding.head(state), encoding.percept(state)),
            *_flat(encoding.list_changes(None, state)),
        )
        word = await self._scripts.run(
            session_scripts.INSTALL, self._keys(lock.session_id), arguments
        )
        return Fate(word.decode())

    async def fate(self, session_id: str, intent_id: str) -> Fate:
        word = await self._scripts.run(session_scripts.FATE, self._keys(session_id), (intent_id,))
        return Fate(word.decode())

    async def remove(self, lock: Lock) -> bool:
        keys = self._keys(lock.session_id)
        if not self._client.clustered:
            keys = (*keys, f"{self._index}order", *self._indexes(lock.state))
        member = _member(lock.state)
        arguments = (lock.owner, lock.number, lock.state.incarnation, member)
        if not await self._scripts.run(session_scripts.REMOVE, keys, arguments):
            return False
        if self._client.clustered:
            await self._note_or_later(lock.state, None)
        return True

    async def pending(self, *, older_than_s: float) -> tuple[tuple[str, str], ...]:
        await self._catch_up()
        keys, found = (f"{self._index}intents",), []
        for offset in count(0, PENDING_AT_ONCE):
            arguments = (older_than_s, offset, PENDING_AT_ONCE)
            some = await self._scripts.run(index_scripts.PENDING, keys, arguments)
            found += some
            if len(some) < PENDING_AT_ONCE:
                break
        pairs = (pair.decode().partition(" ") for pair in found)
        return tuple((session_id, intent_id) for session_id, _, intent_id in pairs)

    async def forget(self, session_id: str, intent_id: str) -> None:
        await self._scripts.call("ZREM", f"{self._index}intents", f"{session_id} {intent_id}")

    async def _reserve(self, new: NewSession, limits: Limits) -> tuple[int, str]:
        """A place within the limits: the time, and when the session expires."""
        keys = [f"{self._index}{name}" for name in _PLACES]
        if new.user_id is not None and limits.sessions_of_user is not None:
            keys.append(self._user_key(new.user_id))
        ttl = "" if new.ttl_s is None else new.ttl_s
        most_of_user = "" if limits.sessions_of_user is None else limits.sessions_of_user
        arguments = (_member(new), ttl, limits.sessions, most_of_user)
        word, *rest = await self._scripts.run(index_scripts.RESERVE, keys, arguments)
        if word != b"ok":
            raise SessionLimitExceededError.of(word.decode())
        return int(rest[0]), rest[1].decode()

    async def _unreserve(self, state: SessionState) -> None:
        """Give its place within the limits back."""
        keys = [f"{self._index}order", *self._indexes(state)]
        await self._scripts.run(index_scripts.UNRESERVE, keys, (_member(state),))

    async def _note_or_later(self, state: SessionState, expires_ms: int | None) -> None:
        """Let the indexes know when a session expires, or that it is not there (None): what was
        done with the session stays, whatever becomes of its place in them."""
        try:
            await self._note(state, expires_ms)
        except StoreUnavailableError as error:
            if len(self._unnoted) < MAX_UNNOTED:
                self._unnoted[_member(state)] = (state, expires_ms)
            log.warning("index of sessions is behind", reason=error.message)
        else:
            self._unnoted.pop(_member(state), None)

    async def _note(self, state: SessionState, expires_ms: int | None) -> None:
        if expires_ms is None:
            await self._unreserve(state)
            return
        # A session that they forgot stays forgotten.
        arguments = (_member(state), expires_ms)
        await self._scripts.run(index_scripts.NOTE_EXPIRY, self._indexes(state), arguments)

    async def _note_now(self, state: SessionState, expires_ms: int | None) -> None:
        """As `_note`, long after: the session may have been extended again by now."""
        if expires_ms is not None:
            keys = self._keys(state.session_id)
            found = await self._scripts.run(session_scripts.LOAD, keys, ())
            if found is None or not (present := Stored(*found).expires_ms):
                return
            expires_ms = int(present)
        await self._note(state, expires_ms)

    async def _catch_up(self) -> None:
        for member, wanted in tuple(self._unnoted.items()):
            if self._unnoted.get(member) is not wanted:
                continue
            try:
                await self._note_now(*wanted)
            except StoreUnavailableError:
                return
            if self._unnoted.get(member) is wanted:
                del self._unnoted[member]

    async def _heads(self, session_ids: Sequence[str]) -> list[tuple[SessionState, int] | None]:
        """Sessions without their lists, and how long their STMs are; None for those that ended or
        that nobody can read."""
        heads: list[tuple[SessionState, int] | None] = []
        for first in range(0, len(session_ids), LISTED_AT_ONCE):
            some = session_ids[first : first + LISTED_AT_ONCE]
            keys = [self._keys(session_id) for session_id in some]
            heads += map(_head, some, await self._scripts.run_on_each(session_scripts.LISTED, keys))
            await asyncio.sleep(0)
        return heads

    def _indexes(self, state: SessionState) -> list[str]:
        """Where its expiry is noted."""
        of_user = [] if state.user_id is None else [self._user_key(state.user_id)]
        return [f"{self._index}sessions", *of_user]

    def _keys(self, session_id: str) -> tuple[str, ...]:
        base = f"{self._prefix}{{{session_id}}}"
        return (base, *(f"{base}:{name}" for name in _LISTS))

    def _user_key(self, user_id: str) -> str:
        return f"{self._index}user:{_digest(user_id)}"


def _head(session_id: str, found: Any) -> tuple[SessionState, int] | None:
    if found is None:
        return None
    stored, events = found
    try:
        state = encoding.shown(session_id, Stored(*stored))
    except StoreUnavailableError as error:  # the others are listed all the same
        log.warning("session not listed", session=label_of(session_id), reason=error.message)
        return None
    return state, len(state.stm) if events < 0 else events


def _size(state: SessionState, kept: bool) -> int:
    """Bytes of what is no list, without the percept where that stays."""
    return len(encoding.head(state)) + (0 if kept else len(encoding.percept(state)))


def _flat(changes: Iterable[ListChange]) -> Iterator[Any]:
    for change in changes:
        yield change.drop
        yield len(change.added)
        yield from change.added


def _member(session: NewSession | SessionState) -> str:
    """What the limit indexes hold: a session of the same id that was made anew is another one."""
    return f"{session.session_id} {session.incarnation}"


def _digest(user_id: str) -> str:
    return sha256(user_id.encode()).hexdigest()[:40]
