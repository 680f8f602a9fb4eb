"""The port of matching engines: the patterns of a fold, and the best of them for a state."""

from typing import Protocol

from kato_service.domain.prediction import Prediction
from kato_service.domain.statistics import SymbolStatistics
from kato_service.knowledge.index import PatternIndex


class MatchingIndex(PatternIndex, Protocol):
    """A fold's index that any number of threads may ask while nothing changes it."""

    def best(
        self,
        state: tuple[str, ...],
        statistics: SymbolStatistics,
        *,
        threshold: float,
        limit: int,
    ) -> tuple[Prediction, ...]:
        """The *limit* best predictions, best first, equal ones by first learn.

        Of every pattern that an exhaustive ``SequenceMatcher(None, pattern, state,
        autojunk=False)`` finds to be at least *threshold* similar; at 0.0 of every pattern.

        Args:
            statistics: Those of the fold, which has told the index of the same learns.
        """
