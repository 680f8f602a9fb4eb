"""The affinities of all symbols for one emotive, kept as long as no affinity changes."""

from threading import Lock
from typing import Generic, Protocol, TypeVar

MOST_COLUMNS = 4
"""Columns of one index that are kept: one takes 8 bytes and more for every symbol."""


class Sized(Protocol):
    @property
    def size_bytes(self) -> int: ...


C = TypeVar("C", bound=Sized)


class AffinityColumns(Generic[C]):
    """The columns that searches of one index made. Any number of threads may use it at once."""

    def __init__(self) -> None:
        self.version = 0
        """Changes with any affinity, and with the order in which they are added."""
        self.memory_bytes = 0
        """Of the columns; every request reads it."""
        self._made: dict[str, C] = {}
        self._lock = Lock()

    def changed(self) -> None:
        with self._lock:
            self.version += 1
            self._made = {}
            self.memory_bytes = 0

    def get(self, emotive: str, version: int) -> C | None:
        """The column of that version; None: it has to be made."""
        with self._lock:
            return self._made.get(emotive) if version == self.version else None

    def keep(self, emotive: str, version: int, column: C) -> None:
        with self._lock:
            if version != self.version:
                return
            self._made.pop(emotive, None)
            while len(self._made) >= MOST_COLUMNS:
                del self._made[next(iter(self._made))]
            self._made[emotive] = column
            self.memory_bytes = sum(one.size_bytes for one in self._made.values())
