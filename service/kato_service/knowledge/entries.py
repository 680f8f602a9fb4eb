"""The entries of a knowledge base's log (knowledge.md §1)."""

from dataclasses import dataclass, field

from kato_service.domain.pattern import Emotives, Event, Metadata, Pattern


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


Entry = Learn | Update | Delete | Clear


def subject(entry: Entry) -> str | None:
    """The name of the pattern that an entry is about; None: of no single one."""
    return None if isinstance(entry, Clear) else entry.name


def symbol_count(entry: Entry) -> int:
    """What an entry costs to insert and to fold, roughly."""
    return sum(map(len, entry.events)) if isinstance(entry, Learn) else 0


@dataclass(frozen=True, slots=True)
class Applied:
    """An entry that is in the log, and what it did there."""

    entry: Entry
    revision: int
    frequency: int | None
    """The pattern's frequency right after this entry; None where it can no longer be told,
    0 where an update or delete met no pattern."""
    met: bool = True
    """False where an update or delete met no pattern."""
    pattern: Pattern | None = None
    """What an update made of its pattern; None where it can no longer be told."""
