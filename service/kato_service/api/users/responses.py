"""The JSON of answers about users, for the OpenAPI documents alone."""

from typing import Any, Literal

from pydantic import Field

from kato_service.api.shapes.responses import NAME, Answer

_AT = "2026-01-31T12:00:00.000Z"
_PROCESSOR_ID = "kato~2bd806c97f0e00af1a1fc3328fa763a9269723c8"


class ListedUser(Answer):
    """A knowledge base and its user, without loading it."""

    user_id: str | None = Field(examples=["alice"])
    """Null for the knowledge base of sessions without a user, and where an earlier version created
    the knowledge base and nothing was learned since."""
    processor_id: str = Field(examples=[_PROCESSOR_ID])
    """Names the knowledge base."""
    patterns: int | None = Field(examples=[12])
    """Null, like the following ones, if an earlier version wrote the last figures."""
    symbols: int | None = Field(examples=[31])
    """Different symbols that were learned since the last `clear-all`."""
    learns: int | None = Field(examples=[40])
    """Learns since the last `clear-all`."""
    last_learned_at: str | None = Field(examples=[_AT])
    """When something was learned or imported last; null if that is not known, or never."""
    revision: int | None = Field(examples=[57])
    """The entry of the knowledge base's log that the figures are as of."""
    as_of: str | None = Field(examples=[_AT])
    """When the figures were taken: in a list, at most some seconds after a change."""
    loaded_bytes: int | None = Field(examples=[18432])
    """Estimated size in memory, if the process that answers has it loaded."""
    configured: bool = Field(examples=[False])
    """Whether the user has a configuration."""


class User(ListedUser):
    """A user as of now."""

    vectors: int = Field(examples=[0])
    """Vectors since the last `clear-all`."""
    sessions: int = Field(examples=[2])
    """Live sessions, without the default session of older paths."""


class Users(Answer):
    """A page of knowledge bases."""

    users: list[ListedUser]
    next_cursor: str | None = Field(examples=[None])
    """Continue with it until it is null."""


class ErasedCounts(Answer):
    """What this request erased."""

    sessions: int = Field(examples=[2])
    remembered_requests: int = Field(examples=[3])
    """Requests with a `unique_id` that the sessions remembered."""
    patterns: int = Field(examples=[12])
    vectors: int = Field(examples=[0])
    documents: int = Field(examples=[21])
    """Entries of the log and stored patterns that were removed."""


class UserErased(Answer):
    """The user is erased."""

    status: Literal["erased"] = Field(examples=["erased"])
    user_id: str | None = Field(examples=["alice"])
    processor_id: str = Field(examples=[_PROCESSOR_ID])
    erased: ErasedCounts
    used_again: bool = Field(examples=[False])
    """Whether something was learned after the erasure had begun: only that is there."""


class Configuration(Answer):
    """What sessions of a user start with."""

    user_id: str = Field(examples=["alice"])
    processor_id: str = Field(examples=[_PROCESSOR_ID])
    config: dict[str, Any] = Field(examples=[{"recall_threshold": 0.3, "max_predictions": 10}])
    """The genes that it sets; sessions take all others from the instance."""
    changed_at: str | None = Field(examples=[_AT])
    """Null if there is no configuration."""
    ignored: list[str] = Field(default=[])
    """Genes of the request that have no effect here; present only if there are any."""


class ConfigurationDeleted(Answer):
    """The user has no configuration any more."""

    status: Literal["deleted"] = Field(examples=["deleted"])
    user_id: str = Field(examples=["alice"])
    processor_id: str = Field(examples=[_PROCESSOR_ID])


class PatternsDeleted(Answer):
    """What became of the patterns that fit."""

    status: Literal["deleted", "counted"] = Field(examples=["deleted"])
    """`counted` after a dry run."""
    matched: int = Field(examples=[12])
    """Patterns that fitted when they were looked at."""
    deleted: int = Field(examples=[12])
    """Of those; fewer where other requests deleted some first."""
    next_cursor: str | None = Field(examples=[None])
    """Not null: there may be more; repeat the request with it as `cursor`."""


class ImportCounts(Answer):
    """How far an import is."""

    parts: int = Field(examples=[12])
    """Patterns, and groups of corrections."""
    imported: int = Field(examples=[12])
    """Of these, how many this request has put in."""
    repeated: int = Field(examples=[0])
    """How many an earlier request of the same import had put in."""
    vectors: int = Field(examples=[0])
    """Vectors of the import that are stored."""
    replaced: bool = Field(examples=[False])
    """Whether this request has dropped what was there before."""


class ImportFailure(Answer):
    """Why an import ended before all of it was in."""

    code: str
    message: str
    retryable: bool
    """Whether the same request may succeed later; it continues where this one ended."""


class ImportSummary(ImportCounts):
    """The last line of the answer."""

    complete: bool = Field(examples=[True])
    """Whether all of it is in."""
    error: ImportFailure | None = Field(examples=[None])
    """Null, if it is complete."""


class ImportedKnowledge(Answer):
    """A line of the answer: how far the import is, or at the end the summary."""

    progress: ImportCounts | None = Field(default=None, examples=[None])
    summary: ImportSummary | None = None


class ExportedPattern(Answer):
    """A line about a pattern. The first line of an export is its header, with `format`, `version`,
    `knowledge_base`, `revision` and `patterns`; after the patterns come lines with `symbol`, whose
    counts are corrections, and with `vector`; the last line has counts, totals and `sha256`."""

    name: str = Field(examples=[NAME])
    """40 hexadecimal digits."""
    events: list[list[str]] = Field(examples=[[["a"], ["b"]]])
    """Events, oldest first."""
    frequency: int = Field(examples=[3])
    learns: int = Field(examples=[3])
    """How often the statistics count it: unlike the frequency, it is never edited."""
    emotives: list[dict[str, float]] = Field(examples=[[{"joy": 0.5}]])
    """One map per learn, oldest first."""
    metadata: dict[str, list[Any]] = Field(examples=[{"source": ["book"]}])
    affinity: dict[str, float] | None = Field(default=None, examples=[None])
    """By emotive, the sum over all learns; left out if there is none."""


class GrowthInterval(Answer):
    """What an interval brought."""

    began_at: str = Field(examples=["2026-01-31T11:00:00.000Z"])
    """It ends where the next one begins, and the last one at `as_of`."""
    first_learned: int = Field(examples=[3])
    """Patterns that are there now and were first learned, or imported, in it."""
    changes: int = Field(examples=[5])
    """Learns, edits, deletions, clears and parts of imports, whatever became of their patterns."""


class PatternsGrowth(Answer):
    """Patterns by when they were first learned, as far back as the log has entries."""

    revision: int = Field(examples=[57])
    """The entry of the knowledge base's log that the figures are as of."""
    as_of: str = Field(examples=[_AT])
    patterns: int = Field(examples=[12])
    """Patterns that are there now: the earlier ones and those of all intervals."""
    oldest: str | None = Field(examples=["2026-01-31T11:03:20.000Z"])
    """When the oldest entry that the log has went in; null if it has none."""
    earlier: int = Field(examples=[9])
    """Patterns that were first learned before it; when is not known."""
    interval_seconds: int = Field(examples=[3600])
    """The length of all intervals."""
    intervals: list[GrowthInterval]
    """The oldest first."""
