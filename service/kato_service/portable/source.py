"""The port to sources of imported knowledge, and the survey that one pass over a source makes."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

import orjson

from kato_service.domain.pattern import Pattern, pattern_name
from kato_service.domain.statistics import Corrections, SymbolCounts

SYMBOLS_PER_CORRECTION = 2000
"""Symbols per entry of corrections: bounds the time that folding one entry takes."""
BYTES_PER_CORRECTION = 4 * 2**20
"""Bytes (UTF-8) of the symbols per entry, which has to fit into a document of MongoDB (16 MiB)."""
MAX_SHOWN = 10
"""Refusals, or differences, that are listed one by one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Something in a source that cannot be imported."""

    where: str
    """An ``_id``, or a line number."""
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class KnowledgeSource(Protocol):
    """Where knowledge is imported from. It is read several times, in the same order, and never
    written."""

    name: str
    """Its name in messages; without credentials."""

    def patterns(self) -> AsyncIterator[Sequence[Pattern | Refused]]:
        """All patterns, a bounded number at a time, in order of first learns.

        Raises:
            StoreUnavailableError: The source did not answer.
            TransferError: It is not a source of knowledge, or damaged.
        """

    async def corrections(self, counted: SymbolCounts) -> tuple[Corrections, Sequence[Refused]]:
        """What its statistics contain in addition to *counted* (those of its patterns), in a fixed
        order; and what cannot be imported of them."""

    def notes(self) -> Sequence[str]:
        """What a person should know about it, as of the last pass."""


@dataclass(slots=True)
class Survey:
    """What a whole pass over a source found: enough to import it, and to recognise it later."""

    patterns: int = 0
    symbols: int = 0
    """In all patterns, repeats included."""
    foreign_names: int = 0
    """Names that are not the hash of their events."""
    counted: SymbolCounts = field(default_factory=SymbolCounts)
    corrections: tuple[Corrections, ...] = ()
    """Pieces of the corrections, one for each entry."""
    refused_count: int = 0
    refused: list[Refused] = field(default_factory=list)
    """The first few."""
    patterns_digest: str = ""
    id: str = ""
    """Digest of all that is imported: the source in `Import` and `Statistics` entries."""

    @property
    def parts(self) -> int:
        return self.patterns + len(self.corrections)

    def refuse(self, refused: Refused) -> None:
        self.refused_count += 1
        if len(self.refused) < MAX_SHOWN:
            self.refused.append(refused)


async def surveyed(source: KnowledgeSource) -> Survey:
    """Read and check everything.

    Keeps in memory the names of all patterns (20 bytes each, in a set) and the counts of all
    symbols.

    Raises:
        StoreUnavailableError: The source did not answer.
        TransferError: It is not a source of knowledge, or damaged.
    """
    surveyor, names = Surveyor(), set[bytes]()
    async for batch in source.patterns():
        for one in batch:
            if isinstance(one, Refused):
                surveyor.refuse(one)
                continue
            name = bytes.fromhex(one.name)
            if name in names:
                surveyor.refuse(Refused(one.name, "the name is there twice"))
                continue
            names.add(name)
            surveyor.add(one)
    return surveyor.ended(*await source.corrections(surveyor.survey.counted))


class Surveyor:
    """Makes a survey while the patterns of a source pass."""

    def __init__(self, *, counts: bool = True) -> None:
        """*counts*: Whether the survey counts symbols, which takes memory for each of them."""
        self.survey = Survey()
        self._counts = counts
        self._digest = PatternsDigest()

    def add(self, one: Pattern) -> None:
        survey = self.survey
        survey.patterns += 1
        survey.symbols += one.symbol_count
        survey.foreign_names += one.name != pattern_name(one.events)
        if one.learns and self._counts:
            survey.counted.add_learn(one.events, one.learns)
        self._digest.add(one)

    def refuse(self, refused: Refused) -> None:
        self.survey.refuse(refused)

    def ended(self, corrections: Corrections, refused: Sequence[Refused]) -> Survey:
        """The survey; nothing is added any more."""
        survey = self.survey
        for each in refused:
            survey.refuse(each)
        survey.corrections = tuple(split(corrections))
        survey.patterns_digest = self._digest.text
        survey.id = _id_of(survey)
        return survey


class PatternsDigest:
    """Digest of patterns in their order: the same source gives the same digest."""

    def __init__(self) -> None:
        self._hash = sha256()

    def add(self, one: Pattern) -> None:
        extras = (one.emotives, list(one.metadata.items()))
        felt = (list(one.affinity.items()),) if one.affinity else ()
        content = (one.name, one.events, one.frequency, one.learns, *extras, *felt)
        self._hash.update(orjson.dumps(content))

    @property
    def text(self) -> str:
        return self._hash.hexdigest()


def split(corrections: Corrections) -> Iterator[Corrections]:
    """Pieces of *corrections* that each fit into an entry."""
    symbols: dict[str, tuple[int, int]] = {}
    size = 0
    for symbol, counts in corrections.symbols.items():
        if len(symbols) >= SYMBOLS_PER_CORRECTION or size > BYTES_PER_CORRECTION:
            yield Corrections(symbols)
            symbols, size = {}, 0
        symbols[symbol] = counts
        size += len(symbol.encode())
    totals = (
        corrections.total_learns,
        corrections.total_symbols,
        corrections.total_distinct_symbols,
    )
    if symbols or any(totals):
        yield Corrections(symbols, *totals)


def difference(
    patterns: dict[str, int], occurrences: dict[str, int], counted: SymbolCounts
) -> dict[str, tuple[int, int]]:
    """By symbol, in sorted order, these counts minus *counted*, where they differ."""
    known_patterns, known = counted.pattern_member_frequency, counted.symbol_frequency
    symbols = sorted({*patterns, *occurrences, *known_patterns, *known})
    rows = (
        (
            symbol,
            patterns.get(symbol, 0) - known_patterns.get(symbol, 0),
            occurrences.get(symbol, 0) - known.get(symbol, 0),
        )
        for symbol in symbols
    )
    return {symbol: counts for symbol, *counts in rows if any(counts)}  # type: ignore[misc]  # two of them


def _id_of(survey: Survey) -> str:
    rows = [
        (
            list(each.symbols.items()),
            each.total_learns,
            each.total_symbols,
            each.total_distinct_symbols,
        )
        for each in survey.corrections
    ]
    return sha256(survey.patterns_digest.encode() + orjson.dumps(rows)).hexdigest()[:40]
