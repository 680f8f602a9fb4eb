"""The named entries that a log still holds: what makes a repeated line harmless."""

from dataclasses import dataclass

from kato_service.knowledge.model.entry_names import EntryName, name_in

NAMED_BYTES = 130
"""Measured size of one: two numbers and their place in a dictionary."""
_HALF = 32
_MASK = (1 << _HALF) - 1
_NAME_CHARS = 8
"""Hex digits of a pattern's name that are kept: those of another pattern differ."""


@dataclass(frozen=True, slots=True)
class NamedEntry:
    """An entry that is in the log."""

    content: int
    """As in `EntryName`."""
    pattern: str
    """The first digits of the name of the pattern that it learned."""
    frequency: int | None
    """As it was at the entry's revision; None: it went in before this process looked."""


class NamedEntries:
    """Part of a fold, from the first line with an id on; a clear leaves it as it is.

    Those that are trimmed from the log are forgotten some time later, half of all at once.
    """

    def __init__(self) -> None:
        self.is_complete = False
        """Whether it has all that the log holds up to the fold's revision."""
        self._newer: dict[int, int] = {}
        """By key, the facts of an entry in one number."""
        self._newer_until = 0
        """The last revision among them."""
        self._older: dict[int, int] = {}
        self._older_until = 0

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    @property
    def memory_bytes(self) -> int:
        """Estimate, in constant time."""
        return NAMED_BYTES * len(self)

    def note(self, revision: int, token: str, pattern: str, frequency: int = 0) -> None:
        """Remember the entry at *revision*, if it is a named one; *frequency* 0: unknown."""
        name = name_in(token)
        if name is None:
            return
        learned = int(pattern[:_NAME_CHARS] or "0", 16)
        self._newer[name.key] = (name.content << _HALF | learned) << _HALF | frequency
        self._newer_until = max(self._newer_until, revision)

    def find(self, name: EntryName) -> NamedEntry | None:
        """The entry in the log that has the same key."""
        facts = self._newer.get(name.key)
        if facts is None:
            facts = self._older.get(name.key)
        if facts is None:
            return None
        learned = facts >> _HALF & _MASK
        return NamedEntry(facts >> 2 * _HALF, f"{learned:0{_NAME_CHARS}x}", facts & _MASK or None)

    def forget(self, trimmed: int) -> None:
        """Entries up to revision *trimmed* are gone from the log."""
        if trimmed < self._older_until or not self.is_complete:
            return
        if self._newer:
            self._older, self._older_until = self._newer, self._newer_until
            self._newer = {}
        elif trimmed:
            self._older = {}
