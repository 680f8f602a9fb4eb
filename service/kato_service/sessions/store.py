"""The port to where sessions are kept (sessions.md); memory.py and redis/ implement it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from kato_service.domain.genes import GeneValue
from kato_service.sessions.state import Intent, SessionState

LEASE_S = 2.0
"""How long a lock, or a place in its queue, outlives its last renewal."""
NOTED = 64
"""Numbers of lost locks, and installed intents, that a session remembers."""


@dataclass(frozen=True, slots=True)
class NewSession:
    session_id: str
    incarnation: str
    user_id: str | None
    processor_id: str
    ttl_s: int | None
    """None: it never expires."""
    metadata: Mapping[str, Any]
    overrides: Mapping[str, GeneValue]


@dataclass(frozen=True, slots=True)
class Limits:
    """Live sessions; None: not limited."""

    sessions: int
    sessions_of_user: int | None


@dataclass(frozen=True, slots=True)
class Lock:
    """Exclusive access to one session, until its lease ends or somebody took it over."""

    session_id: str
    owner: str
    number: int
    """Fencing number: greater than that of every lock before."""
    state: SessionState
    """The session as it was when the lock was taken."""
    intent: Intent | None
    """A change that somebody began and that is to be completed first."""
    locked_at: float
    """By the store's clock."""


@dataclass(frozen=True, slots=True)
class Listed:
    place: int
    """In the order of creation."""
    state: SessionState
    """As far as a list shows it: what it observed and remembers may be missing."""
    stm_length: int
    """Events."""


class Saved(StrEnum):
    SAVED = "saved"
    """It is stored, now or by an earlier call for the same lock."""
    REFUSED = "refused"
    """The lock was lost before anything was stored: nothing changed."""
    GONE = "gone"
    """The session does not exist any more."""
    UNKNOWN = "unknown"
    """So many locks were lost since that nobody can tell."""


class Fate(StrEnum):
    """What became of an intent."""

    PENDING = "pending"
    INSTALLED = "installed"
    ABSENT = "absent"
    """It was never stored, or the session is gone."""


class SessionStore(Protocol):
    """Every call is safe to repeat, and is repeated by the store itself where its answer got lost.

    All of them raise StoreUnavailableError where the store did not answer, OutcomeUnknownError
    where moreover something may have been stored. Expiry is judged by the store's clock.
    """

    async def create(self, new: NewSession, limits: Limits) -> SessionState:
        """Keep a new session; one of that id that lives already stays as it is and is given.

        Raises:
            SessionLimitExceededError: There are as many as *limits* allow.
        """

    async def known_default(self, user_id: str | None) -> str | None:
        """The id of a user's default session, if it was given one; writes nothing."""

    async def default_id(self, user_id: str | None, proposed: str) -> str:
        """The id of a user's default session, the same for ever; *proposed* where there is none."""

    async def load(self, session_id: str) -> SessionState | None:
        """The session, as it will be where a change of it is being completed; takes no lock."""

    async def exists(self, session_id: str) -> bool: ...

    async def extend(self, session_id: str, ttl_s: int | None) -> SessionState | None:
        """Give it *ttl_s* (None: what it had) from now; one that never expires stays so."""

    async def count(self) -> int:
        """Live sessions."""

    async def page(self, user_id: str | None, *, after: int, limit: int) -> tuple[Listed, ...]:
        """Up to *limit* live sessions in order of creation.

        Args:
            after: Only those behind this place.
        """

    async def lock(self, session_id: str, owner: str, *, rolling_forward: bool) -> Lock | None:
        """Lock and load; None: not yet, but *owner* has a place in the queue while it asks.

        The owner that holds the lock gets the same again.

        Args:
            rolling_forward: Lock it past its expiry too, while an intent waits in it; wait for one
                who holds it past its expiry and may be about to store an intent.

        Raises:
            SessionNotFoundError: There is none, or it expired.
        """

    async def renew(self, lock: Lock) -> None:
        """Let the lease begin anew."""

    async def release(self, session_id: str, owner: str) -> None:
        """Give the lock, or the place in the queue, back."""

    async def save(self, lock: Lock, state: SessionState, intent_id: str | None) -> Saved:
        """Store the state and unlock; *intent_id* is thereby completed (`forget` it then).

        ``expires_at`` and ``ttl_s`` are no part of what is stored.
        """

    async def intend(self, lock: Lock, intent: Intent) -> bool:
        """Store what is about to happen; False: the lock was lost, nothing was stored *now*.

        From here on the session outlives its expiry until the intent is installed.
        """

    async def install(self, lock: Lock, intent_id: str, state: SessionState) -> Fate:
        """Complete an intent under the lock, which stays: PENDING is never answered."""

    async def fate(self, session_id: str, intent_id: str) -> Fate: ...

    async def remove(self, lock: Lock) -> bool:
        """Delete the session; False: the lock was lost and it is still there."""

    async def pending(self, *, older_than_s: float) -> tuple[tuple[str, str], ...]:
        """Sessions and ids of intents that were begun so long ago and not noted as done."""

    async def forget(self, session_id: str, intent_id: str) -> None:
        """Note that an intent is done or was never stored."""
