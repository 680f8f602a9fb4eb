"""The port to matching engines: the patterns of a fold, and the best of them for a state."""

from typing import Protocol

from kato_service.domain.prediction import Prediction
from kato_service.knowledge.model.index import PatternIndex
from kato_service.search.pace import Pace


class Searchable(Protocol):
    def best(
        self,
        state: tuple[str, ...],
        *,
        threshold: float,
        limit: int,
        pace: Pace | None = None,
    ) -> tuple[Prediction, ...]:
        """The *limit* best predictions, best first, equal ones by first learn.

        They are the best of all patterns that an exhaustive ``SequenceMatcher(None, pattern, state,
        autojunk=False)`` finds at least *threshold* similar (0.0: of all patterns). Any number of
        threads may ask at once.

        Args:
            state: The flattened STM.
            pace: What may hold it up or end it; it looks about every millisecond.

        Raises:
            TimeoutError: Its pace gives it no more time.
        """


class MatchingIndex(PatternIndex, Searchable, Protocol):
    """A fold's index. It may be asked itself while nothing changes it."""

    def frozen(self) -> Searchable | None:
        """A frozen copy, which may be asked whatever changes in the index later; None if copies
        of this kind of index cost too much."""
