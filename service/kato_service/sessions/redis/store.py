"""Sessions in Redis: lock and load, save and unlock, one round trip each (sessions.md §8)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
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
from kato_service.sessions.redis.index import SessionIndex, digest_of, member_of
from kato_service.sessions.state import Intent, SessionState, label_of
from kato_service.sessions.store import (
    LEASE_S,
    Fate,
    Limits,
    Listed,
    Lock,
    NewSession,
    Saved,
)

log = structlog.get_logger()

LISTED_AT_ONCE = 100
"""Sessions read in one round trip: few enough that nobody else waits for them."""
SLACK_BYTES = 1024
"""Bytes by which counters, times and genes may enlarge a session in a full Redis."""


class RedisSessionStore:
    def __init__(
        self,
        client: RedisClient,
        processor_id: str,
        *,
        circuit: Circuit | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        """*lease_s*: seconds that a lock outlives its last renewal."""
        self._client = client
        self._lease_ms = int(lease_s * 1000)
        self._scripts = RedisScripts(client, circuit or Circuit("redis"))
        self._prefix = f"kato:{processor_id}:"
        self._index = SessionIndex(
            self._scripts, f"{self._prefix}{{{processor_id}}}:", self._expires_ms
        )

    async def create(self, new: NewSession, limits: Limits) -> SessionState:
        try:
            new, now_ms, expires_ms = await self._index.reserve(new, limits)
        except SessionLimitExceededError:
            known = await self.load(new.session_id)
            if known is None:
                raise
            return known
        state = new.created(now_ms / 1000, expires_at=None)
        arguments = (
            *(new.incarnation, expires_ms, "" if new.ttl_s is None else new.ttl_s),
            *(encoding.head(state), "1" if new.later else ""),
        )
        try:
            found = await self._scripts.run(
                session_scripts.CREATE, self._keys(new.session_id), arguments
            )
        except StoreUnavailableError as error:
            if not isinstance(error, OutcomeUnknownError):  # else it may exist
                await self._index.note_or_later(state, None)
            raise
        living = encoding.shown(new.session_id, Stored(*found))
        if living.incarnation != new.incarnation:
            # Another create was first: the place reserved for this one must not stay.
            if new.ttl_s is None:
                # Sessions that never expire have one place, which this try took from the winner.
                await self._index.reserve(replace(new, incarnation=living.incarnation), limits)
            else:
                await self._index.unreserve(state)
        return living

    async def known_default(self, user_id: str | None) -> str | None:
        return await self._index.known_default(user_id)

    async def default_id(self, user_id: str | None) -> str:
        return await self._index.default_id(user_id)

    async def forget_user(self, user_id: str | None) -> None:
        await self._index.forget_user(user_id)

    async def count(self) -> int:
        return await self._index.count()

    async def pending(self, *, older_than_s: float) -> tuple[tuple[str, str], ...]:
        return await self._index.pending(older_than_s=older_than_s)

    async def forget(self, session_id: str, intent_id: str) -> None:
        await self._index.forget(session_id, intent_id)

    async def load(self, session_id: str) -> SessionState | None:
        found = await self._scripts.run(session_scripts.LOAD, self._keys(session_id), ())
        return None if found is None else encoding.shown(session_id, Stored(*found))

    async def exists(self, session_id: str) -> bool:
        return bool(await self._scripts.run(session_scripts.EXISTS, self._keys(session_id), ()))

    async def versions(self, session_ids: Sequence[str]) -> list[str | None]:
        found = await self._on_each(session_scripts.VERSION, session_ids)
        return [None if version is None else str(version.decode()) for version in found]

    async def extend(self, session_id: str, ttl_s: int | None) -> SessionState | None:
        ttl = "" if ttl_s is None else ttl_s
        found = await self._scripts.run(session_scripts.EXTEND, self._keys(session_id), (ttl,))
        if found is None:
            return None
        stored = Stored(*found)
        state = encoding.shown(session_id, stored)
        if stored.expires_ms:
            await self._index.note_or_later(state, int(stored.expires_ms))
        return state

    async def page(self, user_id: str | None, *, after: int, limit: int) -> tuple[Listed, ...]:
        listed: list[Listed] = []
        while len(listed) < limit:
            members, places = await self._index.page(user_id, after=after, limit=limit)
            heads = await self._heads([session_id for session_id, _ in members])
            listed += [
                Listed(place, *head)
                for place, (_, incarnation), head in zip(places, members, heads, strict=True)
                # A place may belong to a create that failed, or to an earlier incarnation.
                if head is not None and head[0].incarnation == incarnation
            ]
            if len(places) < limit:
                break
            after = places[-1]
        return tuple(listed[:limit])

    async def lock(self, session_id: str, owner: str, *, rolling_forward: bool) -> Lock | None:
        arguments = (owner, self._lease_ms, int(rolling_forward))
        word, *rest = await self._scripts.run(
            session_scripts.LOCK, self._keys(session_id), arguments
        )
        if word == b"gone":
            raise SessionNotFoundError
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
        arguments = (lock.owner, lock.number, self._lease_ms)
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
        # Emptying the STM frees more than the request that is remembered in its place takes.
        clears = bool(lock.state.stm) and not state.stm
        grows = any(change.added for change in changes) and not clears
        larger = grows or len(head) + len(percept) > _size(lock.state, kept) + SLACK_BYTES
        script = session_scripts.SAVE if larger else session_scripts.SAVE_SMALLER
        word = await self._scripts.run(script, self._keys(lock.session_id), arguments)
        return Saved(word.decode())

    async def intend(self, lock: Lock, intent: Intent) -> bool:
        index, pair = self._index.intents, f"{lock.session_id} {intent.intent_id}"
        keys = self._keys(lock.session_id)
        if self._client.clustered:
            # The index is on another node, so it cannot be one step: written first, a crash leaves
            # at worst a member whose intent is absent, which a sweep forgets.
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
            keys = (*keys, *self._index.places_of(lock.state))
        arguments = (
            *(lock.owner, lock.number, lock.state.incarnation),
            *(member_of(lock.state), digest_of(lock.state.user_id or "")),
        )
        if not await self._scripts.run(index_scripts.REMOVE, keys, arguments):
            return False
        if self._client.clustered:
            await self._index.note_or_later(lock.state, None)
        return True

    async def _expires_ms(self, session_id: str) -> int | None:
        found = await self._scripts.run(session_scripts.LOAD, self._keys(session_id), ())
        present = None if found is None else Stored(*found).expires_ms
        return int(present) if present else None

    async def _heads(self, session_ids: Sequence[str]) -> list[tuple[SessionState, int] | None]:
        """Sessions without their lists, and the lengths of their STMs.

        None for a session that ended, or that this version cannot read.
        """
        found = await self._on_each(session_scripts.LISTED, session_ids)
        return list(map(_head, session_ids, found))

    async def _on_each(self, script: str, session_ids: Sequence[str]) -> list[Any]:
        keys = [self._keys(session_id) for session_id in session_ids]
        return await self._scripts.run_on_each(script, keys, at_once=LISTED_AT_ONCE)

    def _keys(self, session_id: str) -> tuple[str, ...]:
        base = f"{self._prefix}{{{session_id}}}"
        return (base, f"{base}:stm", f"{base}:emotives", f"{base}:remembered")


def _head(session_id: str, found: Any) -> tuple[SessionState, int] | None:
    if found is None:
        return None
    stored, events = found
    try:
        state = encoding.shown(session_id, Stored(*stored))
    except StoreUnavailableError as error:  # one unreadable session must not fail the whole list
        log.warning("session not listed", session=label_of(session_id), reason=error.message)
        return None
    return state, len(state.stm) if events < 0 else events


def _size(state: SessionState, kept: bool) -> int:
    """Bytes of head and percept; *kept*: the percept stays as it is and is not counted."""
    return len(encoding.head(state)) + (0 if kept else len(encoding.percept(state)))


def _flat(changes: Iterable[ListChange]) -> Iterator[Any]:
    for change in changes:
        yield change.drop
        yield len(change.added)
        yield from change.added
