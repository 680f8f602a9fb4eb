"""Reading what a knowledge base knows of its symbols (later-clients.md L8)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from heapq import nsmallest
from typing import TypeVar, cast

from kato_service.domain.affinity import add_felt, affinities
from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import flatten
from kato_service.errors import MatchingBudgetError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.processing.matching_threads import MatchingThreads
from kato_service.search.matching import MatchingIndex, SymbolRow
from kato_service.search.pace import Pace, paced

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageLimits:
    """What one answer holds at most: some megabytes, and one symbol at least."""

    symbols: int = 100_000
    sums: int = 500_000
    """Of all its symbols together."""


PAGE_LIMITS = PageLimits()


@dataclass(frozen=True, slots=True)
class AffinityPage:
    affinities: dict[str, dict[str, float]]
    """By symbol and emotive; both in order of code points."""
    more: bool
    """Whether there are symbols after these."""


@dataclass(frozen=True, slots=True)
class SymbolPage:
    rows: tuple[SymbolRow, ...]
    """In order of the symbols' code points."""
    more: bool


class SymbolOperations:
    def __init__(self, knowledge: KnowledgeBases, threads: MatchingThreads) -> None:
        self._knowledge = knowledge
        self._threads = threads

    async def affinity(self, kb: str, symbol: str, *, deadline: Deadline) -> dict[str, float]:
        """By emotive, the affinity of a symbol; empty for one that has none or is unknown.

        Raises:
            MatchingBudgetError: There are too many patterns to look through.
        """
        return await self._read(kb, partial(_affinity, symbol), deadline)

    async def affinities(self, kb: str, *, after: str | None, deadline: Deadline) -> AffinityPage:
        """The symbols that have an affinity.

        Args:
            after: Only symbols after this one; None: from the first.

        Raises:
            MatchingBudgetError: There are too many patterns to look through.
        """
        return await self._read(kb, partial(_affinities, after, PAGE_LIMITS), deadline)

    async def counts(self, kb: str, *, after: str | None, deadline: Deadline) -> SymbolPage:
        """The symbols that were learned, or that a pattern holds, with their counts.

        Args:
            after: Only symbols after this one; None: from the first.

        Raises:
            MatchingBudgetError: There are too many patterns to look through.
        """
        return await self._read(kb, partial(_counts, after, PAGE_LIMITS), deadline)

    async def _read(
        self, kb: str, compute: Callable[[MatchingIndex, Pace], T], deadline: Deadline
    ) -> T:
        """What *compute* finds, in a thread; learns wait for it, so all of it is of one moment."""
        self._threads.require_place(kb)
        async with self._knowledge.get(kb).reading(deadline=deadline) as knowledge:
            index = cast(MatchingIndex, knowledge.index)  # every index of a fold is one
            try:
                return await self._threads.run_to_its_end(kb, partial(compute, index), deadline)
            except MatchingBudgetError as exc:
                raise MatchingBudgetError(
                    "reading the symbols took longer than the seconds of MATCHING_BUDGET_S, and"
                    " would again: this knowledge base is too large for it"
                ) from exc


def _affinity(symbol: str, index: MatchingIndex, pace: Pace) -> dict[str, float]:
    holders = (one for one in paced(index.felt(), pace) if symbol in flatten(one.events))
    return dict(sorted(affinities(holders).get(symbol, {}).items()))


def _affinities(
    after: str | None, limits: PageLimits, index: MatchingIndex, pace: Pace
) -> AffinityPage:
    felt = (symbol for one in paced(index.felt(), pace) for symbol in flatten(one.events))
    found = _first(felt, after, limits.symbols + 1)
    listed = found[: limits.symbols]
    sums: dict[str, dict[str, float]] = {symbol: {} for symbol in listed}
    count = 0
    for one in paced(index.felt(), pace):
        for symbol in dict.fromkeys(flatten(one.events)):
            if (of := sums.get(symbol)) is not None:
                count -= len(of)
                add_felt(of, one.affinity)
                count += len(of)
        while count > limits.sums and len(listed) > 1:
            count -= len(sums.pop(listed.pop()))
    ordered = {symbol: dict(sorted(sums[symbol].items())) for symbol in listed}
    return AffinityPage(ordered, more=len(listed) < len(found))


def _first(symbols: Iterable[str], after: str | None, limit: int) -> list[str]:
    """The first *limit* of the distinct *symbols*, in order; never many times as many in memory."""
    kept: set[str] = set()
    for symbol in symbols:
        if after is None or symbol > after:
            kept.add(symbol)
            if len(kept) >= 4 * limit:
                kept = set(nsmallest(limit, kept))
    return nsmallest(limit, kept)


def _counts(after: str | None, limits: PageLimits, index: MatchingIndex, pace: Pace) -> SymbolPage:
    most = limits.symbols
    found = nsmallest(most + 1, _known(after, index.symbol_rows(pace)))
    return SymbolPage(tuple(found[:most]), more=len(found) > most)


def _known(after: str | None, rows: Iterable[SymbolRow]) -> Iterator[SymbolRow]:
    """Corrections may leave negative counts, which are none."""
    for symbol, occurrences, holders in rows:
        is_known = occurrences > 0 or holders > 0
        if is_known and (after is None or symbol > after):
            yield SymbolRow(symbol, max(occurrences, 0), holders)
