"""Sessions inside this process, by the same rules as those in Redis; they end with the process.

Every method runs without a pause on the event loop, so each is atomic, as a script in Redis is.
What lasts is measured by a steady clock, so that setting the wall clock ends no session and
prolongs none; states show times of day.
"""

import secrets
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from typing import TypeVar

from kato_service.domain.shares import Holder
from kato_service.errors import SessionNotFoundError
from kato_service.sessions.state import Intent, SessionState
from kato_service.sessions.steady_clock import SteadyClock
from kato_service.sessions.store import (
    LEASE_S,
    NOTED,
    Fate,
    Limits,
    Listed,
    Lock,
    NewSession,
    Saved,
    Whose,
    derived_id,
)

K = TypeVar("K")
SWEEP_EVERY = 100
"""Creates between two sweeps that drop ended sessions."""


@dataclass(slots=True)
class _Session:
    """One session with its lock; all times here are of the steady clock."""

    state: SessionState
    """With the time of day of its expiry as last shown."""
    ends_at: float | None
    """None: it never expires."""
    place: int
    """In the order of creation."""
    counts_for: str | None
    """The user whose limit it counts for."""
    caller: Holder | None = None
    """Who created it."""
    number: int = 0
    """The last fencing token."""
    owner: str = ""
    """Holder of the lock; '' if it is free."""
    lease_end: float = 0.0
    queue: dict[str, float] = field(default_factory=dict)
    """Waiting owners in order, and when the leases of their places end."""
    lost: deque[int] = field(default_factory=lambda: deque(maxlen=NOTED))
    """Fencing tokens of locks that were taken over."""
    intent: Intent | None = None
    installed: deque[str] = field(default_factory=lambda: deque(maxlen=NOTED))
    """Ids of intents that were completed."""

    def expired(self, now: float) -> bool:
        return self.ends_at is not None and self.ends_at <= now

    def ended(self, now: float) -> bool:
        """Whether nobody will need it again."""
        return self.expired(now) and self.intent is None and self.lease_end <= now

    def shown(self, clock: SteadyClock) -> SessionState:
        """The state as reads see it: with the change of a pending intent."""
        self.note_expiry(clock)
        return self.state if self.intent is None else self._with_times(self.intent.state)

    def note_expiry(self, clock: SteadyClock) -> None:
        """Let the state show when the session ends by the wall clock as it is set now."""
        expires_at = None if self.ends_at is None else clock.time_of_day(self.ends_at)
        if expires_at != self.state.expires_at:
            self.state = replace(self.state, expires_at=expires_at)

    @property
    def version(self) -> str:
        intent_id = "" if self.intent is None else self.intent.intent_id
        return f"{self.state.incarnation} {self.state.access_count} {intent_id}"

    def may_be_locked(self, owner: str, now: float, *, rolling_forward: bool) -> bool:
        """Whether the session exists for a request that wants its lock."""
        if not self.expired(now) or self.owner == owner:
            return True
        held = self.owner != "" and self.lease_end > now
        return rolling_forward and (self.intent is not None or held)

    def lock(self, owner: str, now: float, lease_s: float) -> bool:
        """Lock it for *owner*, or give *owner* a place in the queue."""
        if not self._is_next(owner, now, lease_s):
            self.queue.setdefault(owner, now + lease_s)
            return False
        if self.owner != owner:
            if self.owner:
                self.lost.append(self.number)
            self.number += 1
        self.owner, self.lease_end = owner, now + lease_s
        return True

    def holds(self, lock: Lock) -> bool:
        return (self.owner, self.number) == (lock.owner, lock.number)

    def unlock(self) -> None:
        self.owner, self.lease_end = "", 0.0

    def write(self, state: SessionState, intent_id: str | None) -> None:
        self.state = self._with_times(state)
        if intent_id is not None:
            self.intent = None
            self.installed.append(intent_id)

    def fate(self, intent_id: str) -> Fate:
        if self.intent is not None and self.intent.intent_id == intent_id:
            return Fate.PENDING
        return Fate.INSTALLED if intent_id in self.installed else Fate.ABSENT

    def saved_with(self, number: int) -> Saved:
        """What became of the save under an older lock: it happened unless the lock was lost."""
        if number in self.lost:
            return Saved.REFUSED
        if len(self.lost) == NOTED and number < min(self.lost):
            return Saved.UNKNOWN
        return Saved.SAVED

    def _is_next(self, owner: str, now: float, lease_s: float) -> bool:
        if self.owner == owner:
            return True
        if owner in self.queue:
            self.queue[owner] = now + lease_s
        self.queue = {who: ends for who, ends in self.queue.items() if ends > now}
        first = next(iter(self.queue), owner)
        if (self.owner and self.lease_end > now) or first != owner:
            return False
        self.queue.pop(owner, None)
        return True

    def _with_times(self, state: SessionState) -> SessionState:
        """*state* with the lifetime that create and extend gave the session."""
        return replace(state, ttl_s=self.state.ttl_s, expires_at=self.state.expires_at)


class MemorySessionStore:
    def __init__(self, clock: SteadyClock | None = None, *, lease_s: float = LEASE_S) -> None:
        """*lease_s*: seconds that a lock outlives its last renewal."""
        self._clock = clock or SteadyClock()
        self._lease_s = lease_s
        self._sessions: dict[str, _Session] = {}
        """By id; ended ones stay until a sweep drops them."""
        self._defaults: dict[str | None, str] = {}
        """Ids of the default sessions that exist, by user."""
        self._secret = secrets.token_bytes(32)
        self._of_user: Counter[str | None] = Counter()
        """How many of the sessions count for each user."""
        self._of_caller: Counter[Holder | None] = Counter()
        """How many of the sessions each caller created."""
        self._places = 0
        self._intents: dict[tuple[str, str], float] = {}

    async def create(self, new: NewSession, limits: Limits) -> SessionState:
        if new.is_default:
            new = replace(new, session_id=self._defaults.get(new.user_id, new.session_id))
        known = self._living(new.session_id)
        if known is not None:
            return known.shown(self._clock)
        user_id = None if limits.sessions_of_user is None else new.user_id
        self._require_room(user_id, limits)
        now = self._clock.now()
        ends_at = None if new.ttl_s is None else now + new.ttl_s
        self._places += 1
        if self._places % SWEEP_EVERY == 0:
            self._drop_ended()
        expires_at = None if ends_at is None else self._clock.time_of_day(ends_at)
        state = new.created(self._clock.time_of_day(now), expires_at=expires_at)
        if new.session_id in self._sessions:
            self._drop(new.session_id)  # ended, and of the same id
        self._sessions[new.session_id] = _Session(
            state, ends_at, self._places, user_id, limits.caller
        )
        if new.is_default:
            self._defaults[new.user_id] = new.session_id
        self._of_user[user_id] += 1
        self._of_caller[limits.caller] += 1
        return state

    async def known_default(self, user_id: str | None) -> str | None:
        return self._defaults.get(user_id)

    async def default_id(self, user_id: str | None) -> str:
        return derived_id(self._secret, user_id)

    async def forget_user(self, user_id: str | None) -> None:
        self._drop_ended()

    async def load(self, session_id: str) -> SessionState | None:
        session = self._living(session_id)
        return None if session is None else session.shown(self._clock)

    async def exists(self, session_id: str) -> bool:
        return self._living(session_id) is not None

    async def versions(self, session_ids: Sequence[str]) -> list[str | None]:
        found = map(self._living, session_ids)
        return [None if session is None else session.version for session in found]

    async def extend(self, session_id: str, ttl_s: int | None) -> SessionState | None:
        session = self._living(session_id)
        if session is None:
            return None
        ttl_s = ttl_s or session.state.ttl_s
        if session.ends_at is not None and ttl_s is not None:
            session.ends_at = self._clock.now() + ttl_s
            session.state = replace(session.state, ttl_s=ttl_s)
        return session.shown(self._clock)

    async def count(self) -> int:
        return sum(1 for _ in self._all_living())

    async def page(self, user_id: str | None, *, after: int, limit: int) -> tuple[Listed, ...]:
        found = [
            session
            for session in self._all_living()
            if session.place > after and user_id in (None, session.counts_for)
        ]
        states = (
            (one.place, one.shown(self._clock)) for one in nsmallest(limit, found, key=_place)
        )
        return tuple(Listed(place, state, len(state.stm)) for place, state in states)

    async def lock(self, session_id: str, owner: str, *, rolling_forward: bool) -> Lock | None:
        now = self._clock.now()
        session = self._sessions.get(session_id)
        if session is None or not session.may_be_locked(
            owner, now, rolling_forward=rolling_forward
        ):
            raise SessionNotFoundError
        if not session.lock(owner, now, self._lease_s):
            return None
        session.note_expiry(self._clock)
        locked_at = self._clock.time_of_day(now)
        return Lock(session_id, owner, session.number, session.state, session.intent, locked_at)

    async def renew(self, lock: Lock) -> None:
        session = self._sessions.get(lock.session_id)
        if session is not None and session.holds(lock):
            session.lease_end = self._clock.now() + self._lease_s

    async def release(self, session_id: str, owner: str) -> None:
        session = self._sessions.get(session_id)
        if session is None:
            return
        session.queue.pop(owner, None)
        if session.owner == owner:
            session.unlock()

    async def save(self, lock: Lock, state: SessionState, intent_id: str | None) -> Saved:
        session = self._sessions.get(lock.session_id)
        if session is None or session.state.incarnation != state.incarnation:
            return Saved.GONE
        if session.number != lock.number:
            return session.saved_with(lock.number)
        if session.owner == lock.owner:
            session.write(state, intent_id)
            session.unlock()
        return Saved.SAVED

    async def intend(self, lock: Lock, intent: Intent) -> bool:
        session = self._sessions.get(lock.session_id)
        if session is None or session.state.incarnation != lock.state.incarnation:
            return False
        if session.fate(intent.intent_id) is not Fate.ABSENT:
            return True
        if not session.holds(lock):
            return False
        session.intent = intent
        self._intents[lock.session_id, intent.intent_id] = self._clock.now()
        return True

    async def install(self, lock: Lock, intent_id: str, state: SessionState) -> Fate:
        session = self._sessions.get(lock.session_id)
        if session is None or session.state.incarnation != state.incarnation:
            return Fate.ABSENT
        fate = session.fate(intent_id)
        if fate is Fate.PENDING:
            session.write(state, intent_id)
            return Fate.INSTALLED
        return fate

    async def fate(self, session_id: str, intent_id: str) -> Fate:
        session = self._sessions.get(session_id)
        return Fate.ABSENT if session is None else session.fate(intent_id)

    async def remove(self, lock: Lock) -> bool:
        session = self._sessions.get(lock.session_id)
        if session is None or session.state.incarnation != lock.state.incarnation:
            return True
        if not session.holds(lock):
            return False
        self._drop(lock.session_id)
        return True

    async def pending(self, *, older_than_s: float) -> tuple[tuple[str, str], ...]:
        latest = self._clock.now() - older_than_s
        return tuple(pair for pair, stored_at in self._intents.items() if stored_at <= latest)

    async def forget(self, session_id: str, intent_id: str) -> None:
        self._intents.pop((session_id, intent_id), None)

    def _living(self, session_id: str) -> _Session | None:
        session = self._sessions.get(session_id)
        return None if session is None or session.expired(self._clock.now()) else session

    def _all_living(self) -> Iterator[_Session]:
        now = self._clock.now()
        return (session for session in self._sessions.values() if not session.expired(now))

    def _drop_ended(self) -> None:
        now = self._clock.now()
        for session_id in [key for key, session in self._sessions.items() if session.ended(now)]:
            self._drop(session_id)

    def _drop(self, session_id: str) -> None:
        session = self._sessions.pop(session_id)
        if self._defaults.get(session.state.user_id) == session_id:
            del self._defaults[session.state.user_id]
        _uncount(self._of_user, session.counts_for)
        _uncount(self._of_caller, session.caller)

    def _require_room(self, user_id: str | None, limits: Limits) -> None:
        # Ended sessions count until they are dropped; dropping them looks at all sessions, so it
        # waits until a limit seems to be reached.
        if self._full(user_id, limits):
            self._drop_ended()
        if whose := self._full(user_id, limits):
            raise limits.exceeded(whose)

    def _full(self, user_id: str | None, limits: Limits) -> Whose | None:
        """The owner of the limit that is reached; None: neither is."""
        if len(self._sessions) >= limits.sessions:
            return "instance"
        of_user = limits.sessions_of_user
        if None not in (user_id, of_user) and self._of_user[user_id] >= (of_user or 0):
            return "user"
        of_caller = self._of_caller[limits.caller] if limits.caller is not None else 0
        return "caller" if of_caller >= limits.sessions_of_caller else None


def _uncount(counts: Counter[K], one: K) -> None:
    counts[one] -= 1
    if not counts[one]:
        del counts[one]


def _place(session: _Session) -> int:
    return session.place
