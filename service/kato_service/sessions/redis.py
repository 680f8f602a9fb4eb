"""Sessions in Redis: lock and load, save and unlock, one round trip each (sessions.md)."""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, cast

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import OutOfMemoryError, RedisError

from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_pool import is_busy, is_unanswered
from kato_service.errors import (
    OutcomeUnknownError,
    SessionLimitExceededError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from kato_service.sessions import encoding, scripts
from kato_service.sessions.encoding import ListChange, Stored
from kato_service.sessions.state import Intent, SessionState
from kato_service.sessions.store import LEASE_S, Fate, Limits, Lock, NewSession, Saved

ATTEMPTS = 3
"""Of a call whose answer got lost; every script may run twice."""
PAUSE_S = 0.05
PENDING_AT_ONCE = 100
LOADED_AT_ONCE = 4
"""Sessions of listings."""
SLACK_BYTES = 1024
"""By which counters, times and genes may enlarge a session in a full Redis."""
_LEASE_MS = int(LEASE_S * 1000)
_WAYS_OUT = {
    "MISCONF": "redis cannot write to its disk: give it room; nothing was changed",
    "READONLY": "redis is a replica that takes no writes: wait for its failover",
}
"""By the word that its refusal begins with."""
_LISTS = ("stm", "emotives", "remembered")


class RedisSessionStore:
    def __init__(self, client: Redis, processor_id: str, *, circuit: Circuit | None = None) -> None:
        self._client = client
        self._circuit = circuit or Circuit("redis")
        self._prefix = f"kato:{processor_id}:"
        self._index = f"{self._prefix}{{{processor_id}}}:"
        self._scripts: dict[str, AsyncScript] = {}
        self._loading = asyncio.Semaphore(LOADED_AT_ONCE)

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
            *(encoding.head(state), encoding.percept(state)),
        )
        found = await self._run(scripts.CREATE, self._keys(new.session_id), arguments)
        living = encoding.shown(new.session_id, Stored(*found))
        if living.incarnation != new.incarnation:
            await self._unreserve(state)
        return living

    async def default_id(self, user_id: str | None, proposed: str) -> str:
        key, field = f"{self._index}defaults", _digest(user_id or "")
        for _ in range(ATTEMPTS):
            await self._repeated(lambda: self._client.hsetnx(key, field, proposed))
            known = await self._repeated(lambda: self._client.hget(key, field))
            if known is not None:
                return str(known.decode())
        raise StoreUnavailableError("redis does not keep what it acknowledged")

    async def load(self, session_id: str) -> SessionState | None:
        found = await self._run(scripts.LOAD, self._keys(session_id), ())
        return None if found is None else encoding.shown(session_id, Stored(*found))

    async def exists(self, session_id: str) -> bool:
        return bool(await self._run(scripts.EXISTS, self._keys(session_id), ()))

    async def extend(self, session_id: str, ttl_s: int | None) -> SessionState | None:
        ttl = "" if ttl_s is None else ttl_s
        found = await self._run(scripts.EXTEND, self._keys(session_id), (ttl,))
        if found is None:
            return None
        stored = Stored(*found)
        state = encoding.shown(session_id, stored)
        if stored.expires_ms:
            await self._note_expiry(state, stored.expires_ms)
        return state

    async def count(self) -> int:
        return int(await self._run(scripts.COUNT, (f"{self._index}sessions",), ()))

    async def page(
        self, user_id: str | None, *, after: int, limit: int
    ) -> tuple[tuple[int, SessionState], ...]:
        keys = [f"{self._index}sessions", f"{self._index}order"]
        if user_id is not None:
            keys.append(self._user_key(user_id))
        found = await self._run(scripts.PAGE, keys, (after, limit))
        members = [member.decode().split(" ") for member in found[::2]]
        states = await asyncio.gather(*(self._load_of_page(one[0]) for one in members))
        rows = zip(map(int, found[1::2]), members, states, strict=True)
        return tuple(
            (place, state)
            for place, (_, incarnation), state in rows
            if state is not None and state.incarnation == incarnation
        )

    async def lock(self, session_id: str, owner: str, *, rolling_forward: bool) -> Lock | None:
        arguments = (owner, _LEASE_MS, int(rolling_forward))
        word, *rest = await self._run(scripts.LOCK, self._keys(session_id), arguments)
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
        await self._run(scripts.RENEW, self._keys(lock.session_id), arguments)

    async def release(self, session_id: str, owner: str) -> None:
        await self._run(scripts.RELEASE, self._keys(session_id), (owner,))

    async def save(self, lock: Lock, state: SessionState, intent_id: str | None) -> Saved:
        changes = encoding.list_changes(lock.state, state)
        grows = any(change.added for change in changes) or _much_larger(lock.state, state)
        kept = state.percept is lock.state.percept
        arguments = (
            *(lock.owner, lock.number, state.incarnation, intent_id or ""),
            *(encoding.head(state), b"" if kept else encoding.percept(state)),
            *_flat(changes),
        )
        script = scripts.SAVE if grows else scripts.SAVE_SMALLER
        word = await self._run(script, self._keys(lock.session_id), arguments)
        return Saved(word.decode())

    async def intend(self, lock: Lock, intent: Intent) -> bool:
        pair = f"{lock.session_id} {intent.intent_id}"
        index = f"{self._index}intents"
        await self._repeated(lambda: self._client.zadd(index, {pair: lock.locked_at}))
        arguments = (
            *(lock.owner, lock.number, lock.state.incarnation),
            *(intent.intent_id, encoding.intent(intent)),
        )
        return bool(await self._run(scripts.INTEND, self._keys(lock.session_id), arguments))

    async def install(self, lock: Lock, intent_id: str, state: SessionState) -> Fate:
        arguments = (
            *(state.incarnation, intent_id, encoding.head(state), encoding.percept(state)),
            *_flat(encoding.list_changes(None, state)),
        )
        word = await self._run(scripts.INSTALL, self._keys(lock.session_id), arguments)
        return Fate(word.decode())

    async def fate(self, session_id: str, intent_id: str) -> Fate:
        word = await self._run(scripts.FATE, self._keys(session_id), (intent_id,))
        return Fate(word.decode())

    async def remove(self, lock: Lock) -> bool:
        arguments = (lock.owner, lock.number, lock.state.incarnation)
        if not await self._run(scripts.REMOVE, self._keys(lock.session_id), arguments):
            return False
        await self._unreserve(lock.state)
        return True

    async def pending(self, *, older_than_s: float) -> tuple[tuple[str, str], ...]:
        with self._calling():
            seconds, microseconds = await self._client.time()
            latest = seconds + microseconds / 1e6 - older_than_s
            found = await self._client.zrangebyscore(
                f"{self._index}intents", "-inf", latest, 0, PENDING_AT_ONCE
            )
        pairs = (cast(bytes, pair).decode().partition(" ") for pair in found)
        return tuple((session_id, intent_id) for session_id, _, intent_id in pairs)

    async def forget(self, session_id: str, intent_id: str) -> None:
        with self._calling():
            await self._client.zrem(f"{self._index}intents", f"{session_id} {intent_id}")

    async def _reserve(self, new: NewSession, limits: Limits) -> tuple[int, str]:
        """A place within the limits: the time, and when the session expires."""
        keys = [f"{self._index}{name}" for name in ("sessions", "order", "places")]
        if new.user_id is not None and limits.sessions_of_user is not None:
            keys.append(self._user_key(new.user_id))
        ttl = "" if new.ttl_s is None else new.ttl_s
        most_of_user = "" if limits.sessions_of_user is None else limits.sessions_of_user
        arguments = (_member(new), ttl, limits.sessions, most_of_user)
        word, *rest = await self._run(scripts.RESERVE, keys, arguments)
        if word != b"ok":
            raise SessionLimitExceededError(
                f"there are as many live sessions of this {word.decode()} as it may have"
            )
        return int(rest[0]), rest[1].decode()

    async def _unreserve(self, state: SessionState) -> None:
        """Give its place within the limits back."""
        member = _member(state)
        with self._calling():
            await self._client.zrem(f"{self._index}order", member)
            await self._client.zrem(f"{self._index}sessions", member)
            if state.user_id is not None:
                await self._client.zrem(self._user_key(state.user_id), member)

    async def _load_of_page(self, session_id: str) -> SessionState | None:
        """Load one of many: others need connections too."""
        async with self._loading:
            return await self.load(session_id)

    async def _note_expiry(self, state: SessionState, expires_ms: bytes) -> None:
        """Let the limit indexes know; a session that they forgot stays forgotten."""
        score = {_member(state): int(expires_ms)}
        with self._calling():
            await self._client.zadd(f"{self._index}sessions", cast(Any, score), xx=True)
            if state.user_id is not None:
                key = self._user_key(state.user_id)
                await self._client.zadd(key, cast(Any, score), xx=True)
                await self._client.pexpireat(key, int(expires_ms), gt=True)

    def _keys(self, session_id: str) -> tuple[str, ...]:
        base = f"{self._prefix}{{{session_id}}}"
        return (base, *(f"{base}:{name}" for name in _LISTS))

    def _user_key(self, user_id: str) -> str:
        return f"{self._index}user:{_digest(user_id)}"

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script, again where its answer got lost.

        Raises:
            StoreUnavailableError: It did not run.
            OutcomeUnknownError: It may have run.
        """
        if script not in self._scripts:
            self._scripts[script] = self._client.register_script(script)
        return await self._repeated(lambda: self._scripts[script](keys=keys, args=arguments))

    async def _repeated(self, call: Callable[[], Any]) -> Any:
        """What *call* answers, which may happen twice: again where its answer got lost."""
        unanswered: OutcomeUnknownError | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_S * attempt * random.uniform(0.5, 1.0))
            try:
                with self._calling():
                    return await call()
            except OutcomeUnknownError as error:
                unanswered = error
            except StoreUnavailableError:
                # That it is refused now says nothing of an earlier try.
                if unanswered is None:
                    raise
        assert unanswered is not None
        raise unanswered

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Through the circuit, with errors of our own."""
        try:
            with self._circuit.guarding(is_unanswered):
                yield
        except (RedisError, OSError) as exc:
            raise _mapped(exc) from exc


def _mapped(exc: Exception) -> StoreUnavailableError:
    if is_busy(exc):
        return StoreUnavailableError("every connection to redis is in use: repeat later")
    if is_unanswered(exc):
        return OutcomeUnknownError("redis did not answer")
    if isinstance(exc, OutOfMemoryError):
        return StoreUnavailableError(
            "redis is full: give it more memory, or end sessions; nothing was changed"
        )
    word = str(exc).split(" ")[0]
    return StoreUnavailableError(_WAYS_OUT.get(word, f"redis refused: {word}"))


def _much_larger(before: SessionState, after: SessionState) -> bool:
    """Whether what is no list takes more room now."""
    return _size(after) > _size(before) + SLACK_BYTES


def _size(state: SessionState) -> int:
    return len(encoding.head(state)) + len(encoding.percept(state))


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
