"""Sessions inside this process, by the rules of those in Redis; they end with it."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from heapq import nsmallest

from kato_service.errors import SessionLimitExceededError, SessionNotFoundError
from kato_service.sessions.state import Intent, SessionState
from kato_service.sessions.store import (
    LEASE_S,
    NOTED,
    Fate,
    Limits,
    Listed,
    Lock,
    NewSession,
    Saved,
)

SWEEP_EVERY = 100
"""Sessions created between two looks for those that ended."""


@dataclass(slots=True)
class _Kept:
    """One session and who works on it."""

    state: SessionState
    place: int
    """In the order of creation."""
    counts_for: str | None
    """The user whose limit it counts for."""
    number: int = 0
    owner: str = ""
    lease_end: float = 0.0
    queue: dict[str, float] = field(default_factory=dict)
    """Owners that wait, in order, and the ends of their places' leases."""
    lost: deque[int] = field(default_factory=lambda: deque(maxlen=NOTED))
    intent: Intent | None = None
    installed: deque[str] = field(default_factory=lambda: deque(maxlen=NOTED))

    def expired(self, now: float) -> bool:
        return self.state.expires_at is not None and self.state.expires_at <= now

    def ended(self, now: float) -> bool:
        """Nobody will see it again."""
        return self.expired(now) and self.intent is None and self.lease_end <= now


class MemorySessionStore:
    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._defaults: dict[str | None, str] = {}
        self._of_user: Counter[str | None] = Counter()
        """Sessions kept that count for a user's limit, ended ones that were not dropped too."""
        self._places = 0
        self._intents: dict[tuple[str, str], float] = {}

    async def create(self, new: NewSession, limits: Limits) -> SessionState:
        known = self._living(new.session_id)
        if known is not None:
            return _shown(known)
        user_id = None if limits.sessions_of_user is None else new.user_id
        self._require_room(user_id, limits)
        now = self._clock()
        self._places += 1
        if self._places % SWEEP_EVERY == 0:
            self._drop_ended()
        state = SessionState(
            session_id=new.session_id,
            incarnation=new.incarnation,
            user_id=new.user_id,
            processor_id=new.processor_id,
            created_at=now,
            ttl_s=new.ttl_s,
            expires_at=None if new.ttl_s is None else now + new.ttl_s,
            last_accessed_at=now,
            metadata=new.metadata,
            overrides=new.overrides,
        )
        self._kept[new.session_id] = _Kept(state, self._places, user_id)
        self._of_user[user_id] += 1
        return state

    async def known_default(self, user_id: str | None) -> str | None:
        return self._defaults.get(user_id)

    async def default_id(self, user_id: str | None, proposed: str) -> str:
        return self._defaults.setdefault(user_id, proposed)

    async def load(self, session_id: str) -> SessionState | None:
        kept = self._living(session_id)
        return None if kept is None else _shown(kept)

    async def exists(self, session_id: str) -> bool:
        return self._living(session_id) is not None

    async def extend(self, session_id: str, ttl_s: int | None) -> SessionState | None:
        kept = self._living(session_id)
        if kept is None:
            return None
        ttl_s = ttl_s or kept.state.ttl_s
        if kept.state.expires_at is not None and ttl_s is not None:
            expires_at = self._clock() + ttl_s
            kept.state = replace(kept.state, ttl_s=ttl_s, expires_at=expires_at)
        return _shown(kept)

    async def count(self) -> int:
        return sum(1 for _ in self._all_living())

    async def page(self, user_id: str | None, *, after: int, limit: int) -> tuple[Listed, ...]:
        found = [
            kept
            for kept in self._all_living()
            if kept.place > after and user_id in (None, kept.counts_for)
        ]
        states = ((kept.place, _shown(kept)) for kept in nsmallest(limit, found, key=_place))
        return tuple(Listed(place, state, len(state.stm)) for place, state in states)

    async def lock(self, session_id: str, owner: str, *, rolling_forward: bool) -> Lock | None:
        now = self._clock()
        kept = self._kept.get(session_id)
        if kept is None or self._refused(kept, owner, now, rolling_forward=rolling_forward):
            raise SessionNotFoundError("there is no such session, or it expired")
        if not _entered(kept, owner, now):
            return None
        if kept.owner != owner:
            if kept.owner:
                kept.lost.append(kept.number)
            kept.number += 1
        kept.owner, kept.lease_end = owner, now + LEASE_S
        return Lock(session_id, owner, kept.number, kept.state, kept.intent, now)

    async def renew(self, lock: Lock) -> None:
        kept = self._kept.get(lock.session_id)
        if kept is not None and _holds(kept, lock):
            kept.lease_end = self._clock() + LEASE_S

    async def release(self, session_id: str, owner: str) -> None:
        kept = self._kept.get(session_id)
        if kept is None:
            return
        kept.queue.pop(owner, None)
        if kept.owner == owner:
            _unlock(kept)

    async def save(self, lock: Lock, state: SessionState, intent_id: str | None) -> Saved:
        kept = self._kept.get(lock.session_id)
        if kept is None or kept.state.incarnation != state.incarnation:
            return Saved.GONE
        if kept.number != lock.number:
            return _fate_of(kept, lock.number)
        if kept.owner == lock.owner:
            self._write(kept, state, intent_id)
            _unlock(kept)
        return Saved.SAVED

    async def intend(self, lock: Lock, intent: Intent) -> bool:
        kept = self._kept.get(lock.session_id)
        if kept is None or kept.state.incarnation != lock.state.incarnation:
            return False
        if self._fate(kept, intent.intent_id) is not Fate.ABSENT:
            return True
        if not _holds(kept, lock):
            return False
        kept.intent = intent
        self._intents[lock.session_id, intent.intent_id] = self._clock()
        return True

    async def install(self, lock: Lock, intent_id: str, state: SessionState) -> Fate:
        kept = self._kept.get(lock.session_id)
        if kept is None or kept.state.incarnation != state.incarnation:
            return Fate.ABSENT
        fate = self._fate(kept, intent_id)
        if fate is Fate.PENDING:
            self._write(kept, state, intent_id)
            return Fate.INSTALLED
        return fate

    async def fate(self, session_id: str, intent_id: str) -> Fate:
        kept = self._kept.get(session_id)
        return Fate.ABSENT if kept is None else self._fate(kept, intent_id)

    async def remove(self, lock: Lock) -> bool:
        kept = self._kept.get(lock.session_id)
        if kept is None or kept.state.incarnation != lock.state.incarnation:
            return True
        if not _holds(kept, lock):
            return False
        self._drop(lock.session_id)
        return True

    async def pending(self, *, older_than_s: float) -> tuple[tuple[str, str], ...]:
        latest = self._clock() - older_than_s
        return tuple(pair for pair, begun_at in self._intents.items() if begun_at <= latest)

    async def forget(self, session_id: str, intent_id: str) -> None:
        self._intents.pop((session_id, intent_id), None)

    def _living(self, session_id: str) -> _Kept | None:
        kept = self._kept.get(session_id)
        return None if kept is None or kept.expired(self._clock()) else kept

    def _all_living(self) -> Iterator[_Kept]:
        now = self._clock()
        return (kept for kept in self._kept.values() if not kept.expired(now))

    def _drop_ended(self) -> None:
        now = self._clock()
        for session_id in [key for key, kept in self._kept.items() if kept.ended(now)]:
            self._drop(session_id)

    def _drop(self, session_id: str) -> None:
        user_id = self._kept.pop(session_id).counts_for
        self._of_user[user_id] -= 1
        if not self._of_user[user_id]:
            del self._of_user[user_id]

    def _require_room(self, user_id: str | None, limits: Limits) -> None:
        if self._full(user_id, limits):
            self._drop_ended()
        if whose := self._full(user_id, limits):
            raise SessionLimitExceededError.of(whose)

    def _full(self, user_id: str | None, limits: Limits) -> str:
        """Whose limit is reached; '' for none."""
        if len(self._kept) >= limits.sessions:
            return "instance"
        of_user = limits.sessions_of_user
        if None not in (user_id, of_user) and self._of_user[user_id] >= (of_user or 0):
            return "user"
        return ""

    def _refused(self, kept: _Kept, owner: str, now: float, *, rolling_forward: bool) -> bool:
        held = kept.owner != "" and kept.lease_end > now
        needed = rolling_forward and (kept.intent is not None or held)
        return kept.expired(now) and kept.owner != owner and not needed

    def _write(self, kept: _Kept, state: SessionState, intent_id: str | None) -> None:
        times = {"ttl_s": kept.state.ttl_s, "expires_at": kept.state.expires_at}
        kept.state = replace(state, **times)  # type: ignore[arg-type]  # two fields of two types
        if intent_id is not None:
            kept.intent = None
            kept.installed.append(intent_id)

    def _fate(self, kept: _Kept, intent_id: str) -> Fate:
        if kept.intent is not None and kept.intent.intent_id == intent_id:
            return Fate.PENDING
        return Fate.INSTALLED if intent_id in kept.installed else Fate.ABSENT


def _place(kept: _Kept) -> int:
    return kept.place


def _shown(kept: _Kept) -> SessionState:
    if kept.intent is None:
        return kept.state
    times = {"ttl_s": kept.state.ttl_s, "expires_at": kept.state.expires_at}
    return replace(kept.intent.state, **times)  # type: ignore[arg-type]  # as above


def _entered(kept: _Kept, owner: str, now: float) -> bool:
    """Whether *owner* has the lock now; if not, it has a place in the queue."""
    if kept.owner == owner:
        return True
    if owner in kept.queue:
        kept.queue[owner] = now + LEASE_S
    kept.queue = {who: ends for who, ends in kept.queue.items() if ends > now}
    first = next(iter(kept.queue), owner)
    if (kept.owner and kept.lease_end > now) or first != owner:
        kept.queue.setdefault(owner, now + LEASE_S)
        return False
    kept.queue.pop(owner, None)
    return True


def _holds(kept: _Kept, lock: Lock) -> bool:
    return (kept.owner, kept.number) == (lock.owner, lock.number)


def _unlock(kept: _Kept) -> None:
    kept.owner, kept.lease_end = "", 0.0


def _fate_of(kept: _Kept, number: int) -> Saved:
    if number in kept.lost:
        return Saved.REFUSED
    if len(kept.lost) == NOTED and number < min(kept.lost):
        return Saved.UNKNOWN
    return Saved.SAVED
