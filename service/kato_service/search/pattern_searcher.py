"""From a short-term memory to ranked predictions (processor.md §6–7), by one of two engines."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import cast

from kato_service.domain.answers.explanation import located
from kato_service.domain.answers.next_events import NOTHING_NEXT
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Stm, flatten
from kato_service.domain.prediction import Prediction
from kato_service.errors import MatchingBudgetError, SettingsError
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.search.fuzzy import MAX_ALIKE
from kato_service.search.matching import (
    ANY_MATCH,
    NO_DETAILS,
    Details,
    Found,
    MatchingIndex,
    Searchable,
    Wanted,
)
from kato_service.search.pace import Pace


def fewest_symbols(genes: Genes) -> int:
    """Symbols in a state at least: a shorter one predicts nothing."""
    return 1 if genes.single_symbol_predictions else 2


def nothing(details: Details) -> Found:
    """What too short a state is found to be."""
    return Found(next=NOTHING_NEXT if details.next else None)


@dataclass(frozen=True, slots=True)
class Search:
    """A prediction that is ready to run, on a knowledge base as it was at one moment."""

    patterns: Searchable
    stm: Stm
    genes: Genes
    needs_reading: bool
    """Whether the reading has to be held until the search has run."""
    details: Details


class PatternSearcher:
    def __init__(self, engine: str = "auto") -> None:
        """*engine*: ``c``, ``numpy``, or ``auto`` for the faster one that is installed.

        Raises:
            SettingsError: This installation does not have it.
        """
        self.engine_name, self._new_index, self.slower_because = _engine(engine)

    def new_index(self) -> MatchingIndex:
        """An empty index, for the fold of one knowledge base."""
        return self._new_index()

    def search(
        self, reading: KnowledgeReading, stm: Stm, genes: Genes, details: Details = NO_DETAILS
    ) -> Search:
        """A search of *reading* as it is now; takes microseconds, while the reading is held."""
        index = cast(MatchingIndex, reading.index)  # every index of a fold is from `new_index`
        weighs = genes.affinity_emotive is not None and not details.next
        frozen = index.frozen(weighs=weighs)
        return Search(frozen or index, stm, genes, frozen is None, details)

    def predict(self, reading: KnowledgeReading, stm: Stm, genes: Genes) -> tuple[Prediction, ...]:
        """The best predictions, best first: a pure function of its arguments."""
        return self.run(self.search(reading, stm, genes)).predictions

    def run(self, search: Search, pace: Pace | None = None) -> Found:
        """What it finds, best first. Computes, perhaps for long: call it from a thread.

        Raises:
            TimeoutError: Its *pace* gives it no more time.
            MatchingBudgetError: More symbols are alike than it may keep in memory.
        """
        state, genes = flatten(search.stm), search.genes
        if len(state) < fewest_symbols(genes):
            return nothing(search.details)
        wanted = _wanted(state, genes, search.details)
        threshold = ANY_MATCH if wanted.in_first_event else genes.recall_threshold
        limit, patterns = genes.max_predictions, search.patterns
        try:
            found = patterns.found(state, wanted, threshold=threshold, limit=limit, pace=pace)
            return _located(found, search.stm) if wanted.explain else found
        except OverflowError as exc:
            raise MatchingBudgetError(
                f"more than {MAX_ALIKE} pairs of symbols are alike enough to match;"
                " raise fuzzy_token_threshold, or predict from fewer symbols"
            ) from exc


def _wanted(state: tuple[str, ...], genes: Genes, details: Details) -> Wanted:
    rank_by = genes.rank_sort_algo
    # Without weights, the weighted fields are null: the ranking by potential stays as it is.
    if genes.affinity_emotive is None and rank_by.startswith("weighted_"):
        rank_by = "potential"
    if details.next:
        # What comes next depends on neither the ranking nor what symbols weigh.
        return Wanted(
            next=True,
            explain=details.explain,
            offset=details.offset,
            in_first_event=len(state) == 1,
            fuzzy_threshold=_fuzzy_threshold(state, genes),
        )
    return Wanted(
        later=details.later,
        futures=details.futures,
        explain=details.explain,
        offset=details.offset,
        as_text=details.as_text,
        rank_by=rank_by,
        in_first_event=len(state) == 1,
        fuzzy_threshold=_fuzzy_threshold(state, genes),
        affinity_emotive=genes.affinity_emotive,
    )


def _fuzzy_threshold(state: tuple[str, ...], genes: Genes) -> float:
    return genes.fuzzy_token_threshold if len(state) > 1 else 0.0


def _located(found: Found, stm: Stm) -> Found:
    """*found* with the places of matching blocks by event and symbol."""
    predictions = tuple(
        replace(one, explanation=located(one.explanation, one.sequence, stm))
        for one in found.predictions
        if one.explanation is not None
    )
    return replace(found, predictions=predictions)


def _engine(name: str) -> tuple[str, Callable[[], MatchingIndex], str]:
    """Its name, a factory of its indexes, and why ``auto`` did not get the faster engine."""
    if name == "numpy":
        return "numpy", _numpy_index(), ""
    if name not in ("auto", "c"):
        raise SettingsError(f"KATO_ENGINE: {name!r} is not an engine; accepted: auto, c, numpy")
    try:
        compiled = import_module("kato_service.search.compiled_index")
    except ImportError as exc:
        if name == "c":
            raise SettingsError(
                f"KATO_ENGINE: 'c' is not part of this installation ({exc}); accepted: auto, numpy"
            ) from exc
        return "numpy", _numpy_index(), str(exc)
    return "c", compiled.CompiledPatternIndex, ""


def _numpy_index() -> Callable[[], MatchingIndex]:
    from kato_service.search.numpy_index import NumpyPatternIndex

    return NumpyPatternIndex
