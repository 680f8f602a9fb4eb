"""The port of matching engines: the patterns of a fold, and the best of them for a state."""

from math import inf
from typing import Protocol

from kato_service.domain.prediction import Prediction
from kato_service.knowledge.model.index import PatternIndex


class Searchable(Protocol):
    def best(
        self,
        state: tuple[str, ...],
        *,
        threshold: float,
        limit: int,
        until: float = inf,
    ) -> tuple[Prediction, ...]:
        """The *limit* best predictions, best first, equal ones by first learn.

        Of every pattern that an exhaustive ``SequenceMatcher(None, pattern, state,
        autojunk=False)`` finds to be at least *threshold* similar; at 0.0 of every pattern.
        Any number of threads may ask at once.

        Args:
            until: When to give up, seconds of the monotonic clock.

        Raises:
            TimeoutError: It was not done then.
        """


class MatchingIndex(PatternIndex, Searchable, Protocol):
    """A fold's index that may be asked while nothing changes it."""

    def snapshot(self) -> Searchable | None:
        """All as it is now, to be asked whatever changes later; None if it cannot be had."""
