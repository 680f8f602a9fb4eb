"""The entries of a knowledge base's log (knowledge.md §1).

`Learn` and `Applied` are made for every learn, and a named tuple is made in a quarter of the time
of a frozen dataclass.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from kato_service.domain.pattern import (
    NO_AFFINITY,
    NO_METADATA,
    Emotives,
    Event,
    Metadata,
    Pattern,
)
from kato_service.domain.statistics import Corrections


class Learn(NamedTuple):
    token: str
    """Random, one per entry: identifies it in the log, whoever completes its intent."""
    name: str
    events: tuple[Event, ...]
    emotives: Emotives | None
    """Mean of the session's pending maps ({} counts as one map); None if there were none."""
    persistence: int
    """Emotive maps that the pattern keeps from this learn on."""
    metadata: Metadata = NO_METADATA


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
    erases: bool = False
    """The user is erased: what was planned before this entry never gets in after it."""
    source: str | None = None
    """The import that begins with it and replaces everything; the fold knows it as begun."""


@dataclass(frozen=True, slots=True)
class Import:
    """A pattern as another knowledge base had it: many learns at once.

    Its learns are counted like those of this knowledge base. To a pattern that exists it adds
    frequency, learns, emotive maps (after the known ones), metadata and affinity. A deleted pattern
    comes back, as after a learn.
    """

    token: str
    source: str
    """Digest of all that is imported: which import the entry is part of. The fold's
    `ImportProgress` makes the import idempotent, also long after its entries were trimmed."""
    part: int
    """Its place in that import, from 0; patterns come first, then `Statistics`."""
    name: str
    """40 hex digits; not necessarily the hash of the events."""
    events: tuple[Event, ...]
    frequency: int
    learns: int
    emotives: tuple[Emotives, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    affinity: Emotives = field(default_factory=lambda: NO_AFFINITY)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What an import's statistics contain in addition to what its patterns account for.

    Signed. A large correction comes in several entries, each well below the 16 MiB of a document
    of MongoDB.
    """

    token: str
    source: str
    part: int
    corrections: Corrections


Entry = Learn | Update | Delete | Clear | Import | Statistics


def subject(entry: Entry) -> str | None:
    """The name of the pattern that an entry is about; None if it is about no single one."""
    if type(entry) is Learn:
        return entry.name
    return None if isinstance(entry, Clear | Statistics) else entry.name


def symbol_count(entry: Entry) -> int:
    """Roughly what an entry costs to insert and to fold."""
    if type(entry) is Learn:
        return sum(map(len, entry.events))
    match entry:
        case Import():
            return sum(map(len, entry.events))
        case Statistics():
            return len(entry.corrections.symbols)
        case _:
            return 0


class Applied(NamedTuple):
    """An entry that is in the log, and what it did at its revision."""

    entry: Entry
    revision: int
    frequency: int | None
    """The pattern's frequency right after this entry; None if it is no longer known, 0 if an
    update or delete found no pattern."""
    met: bool = True
    """False if an update or delete found no pattern, or if a part of an import changed nothing: it
    was in already, or its name belongs to other events. Also of a named learn, or of the clear of
    an import, that is a repeat: the log has it from before."""
    is_known: bool = True
    """False for a repeat that learned another pattern than it would now, which is not known."""
    pattern: Pattern | None = None
    """The pattern right after an update, or right before a delete; None if it was not there, or is
    no longer known."""
