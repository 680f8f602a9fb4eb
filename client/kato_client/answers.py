"""The answers of an instance. What the fields mean is in KATO's docs/http-api.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kato_client.records import Record

Events = list[list[str]]
"""Events, oldest first; each is a list of symbols."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Genes(Record):
    """The tunables in effect."""

    recall_threshold: float
    max_predictions: int
    persistence: int
    max_pattern_length: int
    stm_mode: str
    sort_symbols: bool
    vector_neighbors: int
    vector_min_score: float
    rank_sort_algo: str
    single_symbol_predictions: bool
    fuzzy_token_threshold: float
    affinity_emotive: str | None


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class SessionInfo(Record):
    """A session as it was when the instance answered."""

    session_id: str
    """In lists, without authentication, only its first 8 characters."""
    user_id: str | None
    processor_id: str
    created_at: datetime
    last_accessed: datetime
    expires_at: datetime | None
    ttl_seconds: int | None
    access_count: int
    """Requests that changed the session."""
    stm_length: int
    """Events in the short-term memory."""
    time: int
    """Observations so far."""
    metadata: dict[str, Any]
    config: Genes


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Observed(Record):
    """An applied observation."""

    stm_length: int
    time: int
    symbols: list[str]
    """The event as it was stored; empty if `repeated`."""
    auto_learned_pattern: str | None
    """The pattern that this observation made the session learn."""
    stm_truncated: bool = False
    """True if the oldest events, or emotives that waited for a learn, had to make room."""
    unique_id: str
    repeated: bool = False
    """Whether an earlier attempt had been applied already, and its answer was lost."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class ObservedSequence(Record):
    """An applied sequence."""

    observations_processed: int
    results: list[Observed]
    """Empty if `repeated`."""
    auto_learned_patterns: list[str]
    """Empty if `repeated`."""
    final_learned_pattern: str
    """The pattern of `learn_at_end`; empty if nothing was learned."""
    stm_length: int
    time: int
    unique_id: str
    repeated: bool = False


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Learned(Record):
    """What a learn did."""

    status: str
    """`learned`, or `insufficient_data`: a pattern needs at least two symbols."""
    pattern_name: str
    """Empty if nothing was learned."""
    frequency: int | None
    """Learns of the pattern so far; None if that cannot be told."""
    message: str
    unique_id: str
    repeated: bool = False


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Pattern(Record):
    """A learned pattern."""

    name: str
    pattern_data: Events
    length: int
    """Symbols."""
    frequency: int
    emotives: list[dict[str, float]]
    """One map per learn, the latest `persistence` of them."""
    metadata: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Explanation(Record):
    """What an answer was computed from, what it leaves out, and why."""

    patterns: int
    """All patterns that the user has."""
    compared: int
    sharing: int
    """Those that have a symbol in common with the short-term memory."""
    kept: int
    """Those that are similar enough."""
    recall_threshold: float
    offset: int
    limit: int
    left_out: dict[str, int]
    """Counts by reason."""
    nearest_below_threshold: dict[str, Any] | None = None
    """`pattern_name` and `similarity` of the most similar pattern that is not similar enough."""
    reasons: list[dict[str, str]]
    """Why the answer does not hold more: `code` and `message`."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Prediction(Record):
    """A pattern that matches the short-term memory.

    The fields from `normalized_entropy` on are there if `fields` names them, or is `all`.
    """

    type: str
    name: str
    pattern_name: str
    frequency: int
    emotives: dict[str, float]
    matches: list[str]
    past: Events
    present: Events
    future: Events
    missing: list[str]
    extras: list[str]
    sequence: Events
    """All events of the pattern."""
    potential: float
    evidence: float
    similarity: float
    fragmentation: float
    snr: float
    entropy: float
    hamiltonian: float
    grand_hamiltonian: float
    confluence: float
    confidence: float
    itfdf_similarity: float
    metadata: dict[str, list[Any]] | None = None
    normalized_entropy: float
    global_normalized_entropy: float
    shannon_entropy: float
    predictive_information: float
    tfidf_score: float
    bayesian_prior: float
    bayesian_likelihood: float
    bayesian_posterior: float
    anomalies: list[dict[str, Any]]
    weighted_similarity: float | None
    weighted_evidence: float | None
    weighted_confidence: float | None
    weighted_snr: float | None
    explanation: dict[str, Any]
    """With `explain`: the matching blocks, and the terms of the potential."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Predictions(Record):
    """What a short-term memory recalls, best first: iterate over it, or take `[0]`."""

    predictions: list[Prediction]
    processor_id: str
    count: int
    stm_length: int
    stale: bool = False
    """True if the instance could not ask its store, and answered from memory."""
    total: int
    """How many there are, listed or not."""
    future_potentials: list[dict[str, Any]]
    explanation: Explanation | None = None

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)

    def __len__(self) -> int:
        return len(self.predictions)

    def __getitem__(self, place: int) -> Prediction:
        return self.predictions[place]


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class NextEvent(Record):
    """An event that may come next."""

    event: list[str]
    weight: float
    """Its share: the weights of all events and of the stop add up to 1."""
    patterns: int
    """How many patterns say so."""
    pattern_names: list[str]
    """Up to ten of them, those that weigh most."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class NextSymbol(Record):
    """A symbol of events that may come next; it weighs what they weigh together."""

    symbol: str
    weight: float
    patterns: int
    pattern_names: list[str]


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Stop(Record):
    """That nothing comes next: what was learned ends where the short-term memory ends."""

    weight: float
    patterns: int
    pattern_names: list[str]


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Next(Record):
    """What comes next, the greatest weight first."""

    events: list[NextEvent]
    symbols: list[NextSymbol]
    stop: Stop
    event_count: int
    symbol_count: int
    processor_id: str
    stm_length: int
    stale: bool = False
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class LineFailure(Record):
    """Why a sequence was not learned, and never will be as it is."""

    line: int
    """Its number, from 1."""
    code: str
    message: str
    details: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class BulkLearned(Record):
    """What became of many sequences so far."""

    lines: int
    """Sequences that were learned, were too short, or failed."""
    learned: int
    repeated: int
    """Those that were learned before, by an earlier attempt or run with the same `unique_id`."""
    insufficient_data: int
    """Those with less than two symbols."""
    errors: int
    """Those that failed for good."""
    failures: list[LineFailure]
    """Why they did: the first 1000 of them."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Exported(Record):
    """What an export holds."""

    revision: int
    """Of the knowledge, as of which everything but the vectors is."""
    patterns: int
    symbols: int
    """Symbols whose statistics count more, or less, than the learns of these patterns."""
    vectors: int | None = None
    """None: there are none."""
    sha256: str
    """Of the lines, but the last."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Imported(Record):
    """What became of an import that is complete."""

    parts: int
    """Patterns, and groups of corrections."""
    imported: int
    """Of these, how many the last attempt has put in."""
    repeated: int
    """How many an earlier attempt, or import of the same, had put in."""
    vectors: int
    replaced: bool
    """Whether the last attempt has dropped what was there before."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class NearVector(Record):
    """A stored vector that is near to another one."""

    symbol: str
    label: str | None
    score: float
    """Cosine similarity."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class UserInfo(Record):
    """A user's knowledge base, as figures."""

    user_id: str | None
    """None for the knowledge base of sessions without a user."""
    processor_id: str
    patterns: int | None
    """None, like the next ones, if an earlier version wrote the last figures."""
    symbols: int | None
    learns: int | None
    last_learned_at: datetime | None
    as_of: datetime | None
    """When the figures were taken: in a list, at most some seconds after a change."""
    loaded_bytes: int | None
    configured: bool
    """Whether the user has a configuration."""
    vectors: int
    """In the answer to `info`, not in lists."""
    sessions: int
    """Like `vectors`."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class GrowthInterval(Record):
    """What an interval brought."""

    began_at: datetime
    """It ends where the next one begins, and the last one at `as_of`."""
    first_learned: int
    """Patterns that are there now and were first learned, or imported, in it."""
    changes: int
    """Learns, edits, deletions, clears and parts of imports, whatever became of their patterns."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Growth(Record):
    """The patterns that are there by when they were first learned; the oldest interval first."""

    revision: int
    as_of: datetime
    patterns: int
    """Those that are there now: the earlier ones and those of all intervals."""
    oldest: datetime | None
    """How far back times are known; None: not at all."""
    earlier: int
    """Patterns that were first learned before that."""
    interval_seconds: int
    intervals: list[GrowthInterval]


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Configuration(Record):
    """What sessions of a user start with."""

    user_id: str
    processor_id: str
    config: dict[str, Any]
    """The genes that it sets; sessions take all others from the instance."""
    changed_at: datetime | None
    """None if there is no configuration."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Erased(Record):
    """What erasing a user removed."""

    user_id: str | None
    processor_id: str
    erased: dict[str, int]
    """Counts of sessions, patterns, vectors, documents and remembered requests."""
    used_again: bool
    """Whether something was learned after the erasure had begun: only that is there."""
