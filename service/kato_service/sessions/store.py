"""The port to the store of sessions (sessions.md); memory.py and redis/ implement it."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from kato_service.domain.genes import GeneValue
from kato_service.domain.shares import Holder, share_of_caller
from kato_service.errors import SessionLimitExceededError
from kato_service.sessions.state import Intent, SessionState

LEASE_S = 2.0
"""Seconds that a lock, or a place in its queue, outlives its last renewal."""
DEFAULT_ID_BYTES = 18
"""Of the hash that the id of a default session consists of; a multiple of 3, so without padding."""
Whose = Literal["instance", "user", "caller"]
"""Who a limit on sessions is for."""
UNSTORED = ""
"""Stands for the id of a default session that does not exist: reads create none."""
NOTED = 64
"""Lost fencing tokens, and ids of installed intents, that a session keeps."""


@dataclass(frozen=True, slots=True)
class NewSession:
    session_id: str
    incarnation: str
    user_id: str | None
    processor_id: str
    ttl_s: int | None
    """Seconds it lives; None: it never expires."""
    metadata: Mapping[str, Any]
    overrides: Mapping[str, GeneValue]
    is_default: bool = False
    """Whether it is the default session of its user, who has only one."""
    later: bool = False
    """As in `SessionState`."""
    configured: Mapping[str, GeneValue] = field(default_factory=dict)
    """As in `SessionState`."""

    def created(self, at: float, *, expires_at: float | None) -> SessionState:
        """The session as it begins; both times by the store's clock."""
        return SessionState(
            session_id=self.session_id,
            incarnation=self.incarnation,
            user_id=self.user_id,
            processor_id=self.processor_id,
            created_at=at,
            ttl_s=self.ttl_s,
            expires_at=expires_at,
            last_accessed_at=at,
            later=self.later,
            metadata=self.metadata,
            overrides=self.overrides,
            configured=self.configured,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions may live when a new one is created."""

    sessions: int
    """Live sessions of the instance, at most."""
    sessions_of_user: int | None
    """Live sessions of the user, at most; None: the new session counts for no user."""
    caller: Holder | None = None
    """Who asks for the session; None: it counts for no caller."""

    @property
    def sessions_of_caller(self) -> int:
        """Live sessions that one caller may have created, at most: it leaves some to others."""
        return share_of_caller(self.sessions)

    def exceeded(self, whose: Whose) -> SessionLimitExceededError:
        """The error of a create that reached the limit of the instance, the user or the caller."""
        if whose == "user" and self.sessions_of_user is not None:
            return SessionLimitExceededError.of_user(self.sessions_of_user)
        if whose == "caller" and self.caller is not None:
            return SessionLimitExceededError.of_caller(self.caller.noun, self.sessions_of_caller)
        return SessionLimitExceededError.of_instance(self.sessions)


@dataclass(frozen=True, slots=True)
class Lock:
    """Exclusive access to one session, until its lease ends or another owner takes it over."""

    session_id: str
    owner: str
    number: int
    """Fencing token: greater than that of every earlier lock of the session."""
    state: SessionState
    """The session as it was when the lock was taken."""
    intent: Intent | None
    """A change that another request left unfinished; to be completed before anything else."""
    locked_at: float
    """Seconds since the epoch, by the store's clock."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A session as a list shows it."""

    place: int
    """In the order of creation."""
    state: SessionState
    """What it observed and remembers may be missing: a list does not show that."""
    stm_length: int
    """Events."""


class Saved(StrEnum):
    """What became of a save."""

    SAVED = "saved"
    """The state is stored, by this call or by an earlier one for the same lock."""
    REFUSED = "refused"
    """The lock was lost before anything was stored: nothing changed."""
    GONE = "gone"
    """The session does not exist any more."""
    UNKNOWN = "unknown"
    """More locks were lost since than a session keeps: it may have been stored or not."""


class Fate(StrEnum):
    """What became of an intent."""

    PENDING = "pending"
    INSTALLED = "installed"
    ABSENT = "absent"
    """It was never stored, or the session is gone."""


def derived_id(secret: bytes, user_id: str | None) -> str:
    """The id of a user's default session, which nobody can guess who does not have the secret."""
    name = b"" if user_id is None else b"user " + user_id.encode()
    digest = hmac.digest(secret, name, "sha256")
    return urlsafe_b64encode(digest[:DEFAULT_ID_BYTES]).decode()


class SessionStore(Protocol):
    """Every call is idempotent; an adapter may send one again whose answer was lost.

    Every call raises StoreUnavailableError if the store did not answer, and OutcomeUnknownError if
    something may have been stored all the same. Expiry is judged by the store's clock.
    """

    async def create(self, new: NewSession, limits: Limits) -> SessionState:
        """Store a new session; if one of that id lives already, return that one unchanged.

        A default session gets the id that the store has for its user already, if it has one.

        Raises:
            SessionLimitExceededError: *limits* are reached.
        """

    async def known_default(self, user_id: str | None) -> str | None:
        """The id of a user's default session, if it exists; writes nothing.

        An earlier version may have left the id of one that does not exist any more.
        """

    async def default_id(self, user_id: str | None) -> str:
        """The id that a new default session of a user should have: always the same.

        It is derived from a secret of the store, so nothing is kept for each user.
        """

    async def forget_user(self, user_id: str | None) -> None:
        """Drop what is kept of a user in addition to the sessions that live."""

    async def load(self, session_id: str) -> SessionState | None:
        """The session with the change of a pending intent, without a lock; None: not alive."""

    async def exists(self, session_id: str) -> bool:
        """Whether the session lives."""

    async def versions(self, session_ids: Sequence[str]) -> list[str | None]:
        """For each session, a text that differs after every change; None: not alive."""

    async def extend(self, session_id: str, ttl_s: int | None) -> SessionState | None:
        """The session, which now lives *ttl_s* seconds from now; None: not alive.

        Args:
            ttl_s: None: as long as before. A session that never expires is not changed.
        """

    async def count(self) -> int:
        """How many sessions live."""

    async def page(self, user_id: str | None, *, after: int, limit: int) -> tuple[Listed, ...]:
        """Up to *limit* live sessions in order of creation.

        Args:
            user_id: Only sessions that count for this user; None: all.
            after: Only sessions after this place.
        """

    async def lock(self, session_id: str, owner: str, *, rolling_forward: bool) -> Lock | None:
        """Lock the session and load it; None: not yet, ask again.

        *owner* keeps its place in the queue as long as it asks at least once per lease. The owner
        that holds the lock gets the same lock again.

        Args:
            rolling_forward: Lock an expired session too if an intent waits in it; and while an
                expired session is held, wait for its holder, which may be about to store one.

        Raises:
            SessionNotFoundError: There is no such session, or it expired.
        """

    async def renew(self, lock: Lock) -> None:
        """Start the lease over, if the lock is still held."""

    async def release(self, session_id: str, owner: str) -> None:
        """Give back the lock, or the place in its queue."""

    async def save(self, lock: Lock, state: SessionState, intent_id: str | None) -> Saved:
        """Store *state* and unlock, if the lock was not lost.

        Args:
            state: Its ``expires_at`` and ``ttl_s`` are not stored: only create and extend set them.
            intent_id: The intent that *state* completes, if any; `forget` it afterwards.
        """

    async def intend(self, lock: Lock, intent: Intent) -> bool:
        """Store the intent in the session; False: the lock was lost, and this call stored nothing.

        From then on the session is kept beyond its expiry until the intent is installed.
        """

    async def install(self, lock: Lock, intent_id: str, state: SessionState) -> Fate:
        """Store *state*, which completes the intent, and keep the lock; never returns PENDING."""

    async def fate(self, session_id: str, intent_id: str) -> Fate:
        """What became of an intent so far."""

    async def remove(self, lock: Lock) -> bool:
        """Delete the session; False: the lock was lost, and the session is still there."""

    async def pending(self, *, older_than_s: float) -> tuple[tuple[str, str], ...]:
        """Session id and intent id of every intent of that age that was not forgotten yet."""

    async def forget(self, session_id: str, intent_id: str) -> None:
        """Take an intent off those that `pending` returns: it is installed, or was never stored."""
