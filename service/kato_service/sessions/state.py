"""The state of one session, and the change that a request makes to it: plain values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from hashlib import sha256
from operator import attrgetter
from typing import Any, Generic, TypeVar

from kato_service.domain.genes import GeneValue
from kato_service.domain.pattern import Emotives, Metadata, Stm
from kato_service.errors import KatoError, SessionNotFoundError
from kato_service.knowledge.model.entries import Applied, Entry

A = TypeVar("A")
Sees = Callable[[str | None], bool]
"""Whether a caller may know of the sessions of a user (None: of those without a user)."""
CONTENT_BITS = 48
"""Bits of a request's content that a session remembers."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A request that carried a ``unique_id``, and what the answer to its repeat needs."""

    key: str
    """16 hex: the first 8 bytes of the SHA-256 of its ``unique_id``."""
    operation: str
    """observe | observe-sequence | learn | clear-stm | clear-all"""
    time: int
    stm_length: int
    status: str = ""
    pattern_name: str = ""
    """Bare digest; '' if nothing was learned."""
    frequency: int | None = None
    """Learns of the pattern after this one; 0 while this one is not in the log yet."""
    count: int = 0
    """Observations that a sequence applied."""
    stm_truncated: bool = False
    partial: bool = False
    """A sequence that a failure interrupted: its repeat continues after ``count`` items."""
    content: int = 0
    """`CONTENT_BITS` bits of a hash of what was asked; 0: an earlier version did not note it."""


@dataclass(frozen=True, slots=True)
class SessionState:
    """One session as an immutable value: every change makes a new one."""

    session_id: str
    incarnation: str
    """Random, given by create: tells this session from an earlier one of the same id."""
    user_id: str | None
    processor_id: str
    """Names the knowledge base."""
    created_at: float
    """Seconds since the epoch, by the store's clock, like every ``*_at`` here."""
    ttl_s: int | None
    """None: never expires (default sessions)."""
    expires_at: float | None
    last_accessed_at: float
    later: bool = False
    """Made on ``/sessions``, for clients of later versions: every request extends it, and its genes
    have the defaults that those clients assume. Given by create, like ``ttl_s``."""
    access_count: int = 0
    """Changing requests."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, GeneValue] = field(default_factory=dict)
    """Genes that the session set itself."""
    configured: Mapping[str, GeneValue] = field(default_factory=dict)
    """Genes of the user's configuration, as it was when the session was created."""
    time: int = 0
    stm: Stm = ()
    stm_seq: int = 0
    """Grows by one with every event or emotive map accepted, every learn and every clear."""
    pending_emotives: tuple[Emotives, ...] = ()
    learned_emotives: Emotives = field(default_factory=dict)
    """Mean of the emotives that the last learn took; current until new ones are observed."""
    pending_metadata: Metadata = field(default_factory=dict)
    percept: Mapping[str, Any] = field(default_factory=dict)
    """The last observation as it was sent: strings, vectors, emotives, metadata; and, if it was
    sent with a ``unique_id``, this and the ``stm_seq`` that it led to."""
    symbols: tuple[str, ...] = ()
    """The symbols of the last observation (vector symbols first)."""
    remembered: tuple[Remembered, ...] = ()
    """At most 256, oldest first."""

    @property
    def chosen(self) -> Mapping[str, GeneValue]:
        """What the session set itself, else what its user's configuration says."""
        return {**self.configured, **self.overrides} if self.configured else self.overrides


_SETTERS = {one.name: getattr(SessionState, one.name).__set__ for one in fields(SessionState)}
"""By field the function that sets its slot; a frozen class allows no other way."""
_values = attrgetter(*_SETTERS)


def changed(state: SessionState, **values: Any) -> SessionState:
    """*state* with other values of some fields; `dataclasses.replace` takes twice the time.

    A state has twenty fields, and every observation makes two new ones.
    """
    made = object.__new__(SessionState)
    for set_value, value in zip(_SETTERS.values(), _values(state), strict=True):
        set_value(made, value)
    for name, value in values.items():
        _SETTERS[name](made, value)
    return made


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that will append to the log, stored before it does (sessions.md §4)."""

    intent_id: str
    entries: tuple[Entry, ...]
    since: int
    """The log's last revision when the change was planned: its tokens can only be after it."""
    state: SessionState
    """The session as it will be afterwards."""
    created_at: float


@dataclass(frozen=True, slots=True)
class Change(Generic[A]):
    """What a request does to its session and the log, planned before anything is stored."""

    state: SessionState | None
    """The session afterwards; None: nothing changes, as for a repeated request."""
    answer: Callable[[tuple[Applied, ...]], A]
    """Makes the request's answer from the outcomes of its ``entries``, in their order."""
    entries: tuple[Entry, ...] = ()
    """What is appended to the log of ``state.processor_id``, in order, each with its token."""
    error: KatoError | None = None
    """Raised once the change is stored: a failure interrupted the rest of a sequence."""


@lru_cache(maxsize=4096)
def label_of(session_id: str) -> str:
    """The first 8 hex of SHA-256: what logs show of an id, as an id is the right to the session."""
    return sha256(session_id.encode()).hexdigest()[:8]


def require_seen(state: SessionState, sees: Sees | None) -> None:
    """Raises SessionNotFoundError if the session is none of the caller's (None: all are): its
    answer must not differ from that for an id that was never given."""
    if sees is not None and not sees(state.user_id):
        raise SessionNotFoundError


def is_blank(state: SessionState) -> bool:
    """Whether nothing distinguishes the session from one that was just created."""
    held = (
        *(state.stm, state.time, state.pending_emotives, state.learned_emotives),
        *(state.pending_metadata, state.percept, state.symbols),
        *(state.remembered, state.overrides, state.metadata),
    )
    return not any(held)


def installed(state: SessionState, applied: tuple[Applied, ...]) -> SessionState:
    """*state* with the frequency filled into the learn that it remembers last.

    *applied* are the outcomes of the change that led to *state*. Only a learn that waits for its
    frequency gets one: if the request that made the change is not remembered itself, the last one
    remembered is older and has its own.
    """
    last = state.remembered[-1] if state.remembered else None
    if not applied or last is None or not last.pattern_name or last.frequency != 0:
        return state
    filled = replace(last, frequency=applied[-1].frequency)
    return replace(state, remembered=(*state.remembered[:-1], filled))
