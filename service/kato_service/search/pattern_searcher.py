"""From a short-term memory to ranked predictions (processor.md §6–7), by one of two engines."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Stm, flatten
from kato_service.domain.prediction import Prediction
from kato_service.errors import SettingsError
from kato_service.knowledge.index import PatternIndex
from kato_service.knowledge.view import KnowledgeView
from kato_service.search.matching import MatchingIndex
from kato_service.search.numpy_index import NumpyPatternIndex

MIN_STATE_SYMBOLS = 2
"""A shorter state predicts nothing."""


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

    def predict(self, view: KnowledgeView, stm: Stm, genes: Genes) -> tuple[Prediction, ...]:
        """The best predictions, best first: a pure function of its arguments.

        It computes for as long as it takes: call it from a thread, while *view* is held.
        """
        state = flatten(stm)
        if len(state) < MIN_STATE_SYMBOLS:
            return ()
        return _asked(view.index).best(
            state,
            view.statistics,
            threshold=genes.recall_threshold,
            limit=genes.max_predictions,
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


def _asked(index: PatternIndex) -> MatchingIndex:
    """Every index of a fold comes from `PatternSearcher.new_index`."""
    return cast(MatchingIndex, index)
