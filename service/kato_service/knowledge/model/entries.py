"""The entries of a knowledge base's log (knowledge.md §1)."""

from dataclasses import dataclass, field

from kato_service.domain.pattern import Emotives, Event, Metadata, Pattern
from kato_service.domain.statistics import Corrections


@dataclass(frozen=True, slots=True)
class Learn:
    token: str
    """Random, one per entry: how an entry is known again, whoever completes it."""
    name: str
    events: tuple[Event, ...]
    emotives: Emotives | None
    """Mean of the pending maps ({} counts as one map); None when none were pending."""
    persistence: int
    """How many emotive maps the pattern keeps from here on."""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    token: str
    name: str
    frequency: int | None = None
    emotives: tuple[Emotives, ...] | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    token: str
    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    token: str


@dataclass(frozen=True, slots=True)
class Import:
    """A pattern as another knowledge base had it: as many learns at once.

    Its learns are counted like learns here. Onto a pattern that exists it adds: frequency, learns,
    emotive maps behind the known ones, metadata. A deleted one it brings back as a learn does.
    """

    token: str
    source: str
    """Which import it is part of: a digest of all that is imported. What makes an import
    idempotent, also long after its entries were trimmed, is the fold's `ImportProgress`."""
    part: int
    """Its place in that import, from 0; `Statistics` are counted along."""
    name: str
    """40 hex digits; not necessarily the hash of the events."""
    events: tuple[Event, ...]
    frequency: int
    learns: int
    emotives: tuple[Emotives, ...] = ()
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What an import's statistics have beside what its patterns account for.

    Signed; a large correction comes in several entries, each well below the 16 MiB of a document
    of MongoDB.
    """

    token: str
    source: str
    part: int
    corrections: Corrections


Entry = Learn | Update | Delete | Clear | Import | Statistics


def subject(entry: Entry) -> str | None:
    """The name of the pattern that an entry is about; None: of no single one."""
    return None if isinstance(entry, Clear | Statistics) else entry.name


def symbol_count(entry: Entry) -> int:
    """What an entry costs to insert and to fold, roughly."""
    match entry:
        case Learn() | Import():
            return sum(map(len, entry.events))
        case Statistics():
            return len(entry.corrections.symbols)
        case _:
            return 0


@dataclass(frozen=True, slots=True)
class Applied:
    """An entry that is in the log, and what it did there."""

    entry: Entry
    revision: int
    frequency: int | None
    """The pattern's frequency right after this entry; None where it can no longer be told,
    0 where an update or delete met no pattern."""
    met: bool = True
    """False where an update or delete met no pattern, and where a part of an import changed
    nothing: it was in already, or its name is that of other events."""
    pattern: Pattern | None = None
    """What an update made of its pattern; None where it can no longer be told."""
