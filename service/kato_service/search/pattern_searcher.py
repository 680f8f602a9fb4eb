"""From a short-term memory to ranked predictions (processor.md §6–7), by one of two engines."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import inf
from typing import cast

from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Stm, flatten
from kato_service.domain.prediction import Prediction
from kato_service.errors import SettingsError
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.search.matching import MatchingIndex, Searchable
from kato_service.search.numpy_index import NumpyPatternIndex

MIN_STATE_SYMBOLS = 2
"""A shorter state predicts nothing."""


@dataclass(frozen=True, slots=True)
class Search:
    """One question to a knowledge base as it was at one moment."""

    patterns: Searchable
    state: tuple[str, ...]
    genes: Genes
    needs_view: bool
    """Whether the view has to be held until it has run."""


class PatternSearcher:
    def __init__(self, engine: str = "auto") -> None:
        """Choose the engine: ``c``, ``numpy``, or the faster one that there is (``auto``).

        Raises:
            SettingsError: This installation does not have it.
        """
        self.engine_name, self._new_index, self.slower_because = _engine(engine)

    def new_index(self) -> MatchingIndex:
        """An empty index, for the fold of one knowledge base."""
        return self._new_index()

    def search(self, view: KnowledgeReading, stm: Stm, genes: Genes) -> Search:
        """What will predict from *view* as it is now; made while it is held, in microseconds."""
        index = cast(MatchingIndex, view.index)  # every index of a fold is from `new_index`
        snapshot = index.snapshot()
        return Search(snapshot or index, flatten(stm), genes, needs_view=snapshot is None)

    def predict(self, view: KnowledgeReading, stm: Stm, genes: Genes) -> tuple[Prediction, ...]:
        """The best predictions, best first: a pure function of its arguments."""
        return self.run(self.search(view, stm, genes))

    def run(self, search: Search, *, until: float = inf) -> tuple[Prediction, ...]:
        """Computes for as long as it takes: to be called from a thread.

        Args:
            until: When to give up, seconds of the monotonic clock.

        Raises:
            TimeoutError: It was not done then.
        """
        state, genes = search.state, search.genes
        if len(state) < MIN_STATE_SYMBOLS:
            return ()
        return search.patterns.best(
            state,
            threshold=genes.recall_threshold,
            limit=genes.max_predictions,
            until=until,
        )


def _engine(wanted: str) -> tuple[str, Callable[[], MatchingIndex], str]:
    """Its name, what makes its indexes, and why ``auto`` could not have the faster one."""
    if wanted == "numpy":
        return "numpy", NumpyPatternIndex, ""
    if wanted not in ("auto", "c"):
        raise SettingsError(f"KATO_ENGINE: {wanted!r} is no engine; accepted: auto, c, numpy")
    try:
        compiled = import_module("kato_service.search.compiled_index")
    except ImportError as exc:
        if wanted == "c":
            raise SettingsError(
                f"KATO_ENGINE: 'c' is not part of this installation ({exc}); accepted: auto, numpy"
            ) from exc
        return "numpy", NumpyPatternIndex, str(exc)
    return "c", compiled.CompiledPatternIndex, ""
