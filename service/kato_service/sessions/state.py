"""What one session holds, and how a request changes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Generic, TypeVar

from kato_service.domain.genes import GeneValue
from kato_service.domain.pattern import Emotives, Metadata, Stm
from kato_service.errors import KatoError
from kato_service.knowledge.model.entries import Applied, Entry

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Remembered:
    """A request that carried a ``unique_id``, and what is needed to answer it again."""

    key: str
    """16 hex: the first 8 bytes of SHA-256 of the operation's client-given unique_id."""
    operation: str
    """observe | observe-sequence | learn | clear-stm | clear-all"""
    time: int
    stm_length: int
    status: str = ""
    pattern_name: str = ""
    """Bare digest, '' where nothing was learned."""
    frequency: int | None = None
    """After a learn; 0 while a planned one is not in the log yet."""
    count: int = 0
    """Observations applied, for a sequence."""
    stm_truncated: bool = False
    partial: bool = False
    """A sequence that a failure cut: its repeat goes on behind item ``count``."""


@dataclass(frozen=True, slots=True)
class SessionState:
    """One session, a value: every change makes a new one."""

    session_id: str
    incarnation: str
    """Random, given by create."""
    user_id: str | None
    processor_id: str
    """Names the knowledge base."""
    created_at: float
    """Seconds since the epoch, by the store's clock; so are all *_at."""
    ttl_s: int | None
    """None: never expires (default sessions)."""
    expires_at: float | None
    last_accessed_at: float
    access_count: int = 0
    """Changing requests."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, GeneValue] = field(default_factory=dict)
    time: int = 0
    stm: Stm = ()
    stm_seq: int = 0
    """+1 for every event or emotive map accepted, every learn, every clear."""
    pending_emotives: tuple[Emotives, ...] = ()
    learned_emotives: Emotives = field(default_factory=dict)
    """Mean of those that the last learn took; what is felt until new ones come."""
    pending_metadata: Metadata = field(default_factory=dict)
    percept: Mapping[str, Any] = field(default_factory=dict)
    """The last observation as it was sent: strings, vectors, emotives, metadata."""
    symbols: tuple[str, ...] = ()
    """The symbols of the last observation (vector symbols first)."""
    remembered: tuple[Remembered, ...] = ()
    """At most 256, oldest first."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that touches the log, stored before it happens (sessions.md §4)."""

    intent_id: str
    entries: tuple[Entry, ...]
    since: int
    """The log's last revision known when it was planned: tokens are looked up behind it."""
    state: SessionState
    """The session as it will be afterwards."""
    created_at: float


@dataclass(frozen=True, slots=True)
class Change(Generic[A]):
    """What a request does to its session, planned before anything is stored."""

    state: SessionState | None
    """The session afterwards; None: nothing changes (e.g. a repeated request)."""
    answer: Callable[[tuple[Applied, ...]], A]
    """The request's answer, from the outcome of its entries (same order as ``entries``)."""
    entries: tuple[Entry, ...] = ()
    """What is appended to the log of ``state.processor_id``, in order, each with its token."""
    error: KatoError | None = None
    """Raised to the client after the change was stored (a sequence cut by a store's failure)."""


@lru_cache(maxsize=4096)
def label_of(session_id: str) -> str:
    """What logs may know of a session id, which is the right to use the session."""
    return sha256(session_id.encode()).hexdigest()[:8]


def installed(state: SessionState, applied: tuple[Applied, ...]) -> SessionState:
    """*state* with the outcome of its last entry filled into the learn that it remembers last.

    Only into one that waits for it: the request itself may not be remembered, those before it are
    answered as the first time.
    """
    last = state.remembered[-1] if state.remembered else None
    if not applied or last is None or not last.pattern_name or last.frequency != 0:
        return state
    filled = replace(last, frequency=applied[-1].frequency)
    return replace(state, remembered=(*state.remembered[:-1], filled))
