"""The port through which a fold keeps a search index up to date (search/ implements it)."""

from typing import Protocol

from kato_service.domain.pattern import Pattern


class PatternIndex(Protocol):
    def put(self, pattern: Pattern) -> None:
        """Add a pattern, or replace the one of its name."""

    def remove(self, name: str) -> None:
        """Drop a pattern; unknown names are no error."""

    def clear(self) -> None: ...
