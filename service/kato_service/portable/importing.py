"""An import: check the target, append what is missing, compare with the source.

If it is interrupted, a repeated import continues where it stopped (see `ImportProgress`).
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import SymbolStatistics
from kato_service.errors import OutcomeUnknownError, SourceChangedError, TransferError
from kato_service.knowledge.model.entries import Import, Statistics
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.portable.source import (
    MAX_SHOWN,
    KnowledgeSource,
    PatternsDigest,
    Refused,
    Survey,
)

READING_TIMEOUT_S = 600.0
"""Seconds for reading the target: loading a large knowledge base takes a while."""
BATCH_ENTRIES = 1000
BATCH_SYMBOLS = 200_000
"""Entries, and symbols, after which what was read is appended: bounds memory, and the loss if
interrupted."""
TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: *done* of *total* *units* are *doing*."""

    doing: str
    done: int
    total: int
    units: str = "parts"


@dataclass(slots=True)
class Comparison:
    """The source compared with the knowledge base, pattern by pattern and symbol by symbol."""

    equal: int = 0
    different: list[str] = field(default_factory=list)
    """The first few: names of patterns, symbols and totals that differ."""
    different_count: int = 0
    has_other_entries: bool = False
    """The knowledge base was changed by more than this import, so it may well differ."""

    @property
    def failed(self) -> bool:
        return bool(self.different_count) and not self.has_other_entries

    def differs(self, what: str) -> None:
        self.different_count += 1
        if len(self.different) < MAX_SHOWN:
            self.different.append(what)


class KnowledgeImport:
    """The import of one source into one knowledge base."""

    def __init__(
        self,
        source: KnowledgeSource,
        target: SuperKnowledgeBase,
        survey: Survey,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.source = source
        self.target = target
        self.survey = survey
        self._on_progress = on_progress

    async def check(self, *, merge: bool) -> int:
        """Check that the import is possible; gives how many of its parts are in already.

        Raises:
            TransferError: The knowledge base holds other knowledge and *merge* is false, or one of
                the names belongs to other events there.
        """
        async with self.target.reading(deadline=Deadline.after(READING_TIMEOUT_S)) as reading:
            done = reading.imports.get(self.survey.id, 0)
            if done or _is_empty(reading):
                return done
            if not merge:
                raise TransferError(_holds(reading))
            await self._require_same_events(reading)
        return 0

    async def append(self) -> None:
        """Append what is not in yet. Each part is durable by itself, whatever ends the import.

        Raises:
            StoreUnavailableError: Source or target did not answer; repeat the import.
            SourceChangedError: The source changed during the import.
        """
        since = await self.target.open(deadline=Deadline.after(READING_TIMEOUT_S))
        async with self.target.reading(deadline=Deadline.after(READING_TIMEOUT_S)) as reading:
            done = reading.imports.get(self.survey.id, 0)
        async for entries in self._entries(done):
            await self.target.append(entries, since=since)
            self._on_progress(Progress("imported", entries[-1].part + 1, self.survey.parts))

    async def compare(self) -> Comparison:
        """Compare the source with what the knowledge base holds now.

        Raises:
            StoreUnavailableError: Source or target did not answer.
        """
        found = Comparison()
        async with self.target.reading(deadline=Deadline.after(READING_TIMEOUT_S)) as reading:
            # Each part is one entry: any other number means that something else was appended, too.
            found.has_other_entries = reading.revision - reading.cleared != self.survey.parts
            if reading.imports.get(self.survey.id, 0) != self.survey.parts:
                found.has_other_entries = False
                found.differs("not every part is imported: repeat the import")
            last = 0
            async for batch in _alive(self.source):
                for one in batch:
                    known = reading.patterns.get(one.name)
                    if known is None or not _is_same(one, known) or known.first <= last:
                        found.differs(one.name)
                    else:
                        found.equal += 1
                    last = known.first if known else last
            if len(reading.patterns) > self.survey.patterns:
                found.differs(f"{len(reading.patterns) - self.survey.patterns} additional patterns")
            _compare_statistics(self.survey, reading.statistics, found)
        return found

    async def _entries(self, done: int) -> AsyncIterator[list[Import | Statistics]]:
        """Groups of entries in order of their parts, without those before *done*."""
        part, digest = 0, PatternsDigest()
        entries: list[Import | Statistics] = []
        symbols = 0
        async for batch in _alive(self.source):
            for one in batch:
                digest.add(one)
                if part >= done:
                    entries.append(import_of(self.survey.id, part, one))
                    symbols += one.symbol_count
                part += 1
                if len(entries) >= BATCH_ENTRIES or symbols > BATCH_SYMBOLS:
                    yield entries
                    entries, symbols = [], 0
        if entries:
            yield entries
        if digest.text != self.survey.patterns_digest:
            raise SourceChangedError(
                f"{self.source.name} changed while it was imported, and part of it is in: stop"
                " what writes to it, clear the knowledge base, and import again"
            )
        for corrections in self.survey.corrections:
            if part >= done:
                yield [Statistics(new_token(), self.survey.id, part, corrections)]
            part += 1

    async def _require_same_events(self, reading: KnowledgeReading) -> None:
        async for batch in _alive(self.source):
            for one in batch:
                known = reading.patterns.get(one.name) or reading.tombstones.get(one.name)
                if known is not None and known.events != one.events:
                    raise TransferError(
                        f"the name {one.name} belongs to other events in the knowledge base: import"
                        " into another one (--user)"
                    )


def require_same_clear(reading: KnowledgeReading, cleared: int) -> None:
    """Raises OutcomeUnknownError: The last clear is another one than that at *cleared*."""
    if reading.cleared != cleared:
        raise was_cleared()


def was_cleared() -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "the knowledge base was cleared while this was imported; import it again"
    )


def _is_empty(reading: KnowledgeReading) -> bool:
    counted = reading.statistics.total_learns or reading.statistics.distinct_symbols
    return not (reading.patterns or reading.tombstones or reading.imports or counted)


def _holds(reading: KnowledgeReading) -> str:
    imported = (
        " (among them parts of another import, or of an earlier state of this source)"
        if reading.imports
        else ""
    )
    return (
        f"the knowledge base holds {len(reading.patterns)} patterns of other origin{imported}:"
        " import into another one (--user), clear it, or use --merge, which adds frequencies and"
        " statistics to the existing ones"
    )


async def _alive(source: KnowledgeSource) -> AsyncIterator[Sequence[Pattern]]:
    """Its patterns as the survey counted them: without refused ones, each name once."""
    seen: set[bytes] = set()
    async for batch in source.patterns():
        kept = []
        for one in batch:
            if isinstance(one, Refused) or bytes.fromhex(one.name) in seen:
                continue
            seen.add(bytes.fromhex(one.name))
            kept.append(one)
        yield kept


def _is_same(one: Pattern, known: Pattern) -> bool:
    return replace(known, first=0, revision=0) == one


def _compare_statistics(survey: Survey, known: SymbolStatistics, found: Comparison) -> None:
    for each in survey.corrections:
        survey.counted.correct(each)
    expected = survey.counted
    symbols = {*expected.symbol_frequency, *known.symbol_frequency, *known.pattern_member_frequency}
    for symbol in sorted(symbols):
        if _counts(expected, symbol) != _counts(known, symbol):
            found.differs(f"symbol {symbol!r}")
    totals = ("total_learns", "total_symbols", "total_distinct_symbols")
    for total in totals:
        if getattr(expected, total) != getattr(known, total):
            found.differs(total)


def _counts(statistics: SymbolStatistics, symbol: str) -> tuple[int, int]:
    patterns = statistics.pattern_member_frequency.get(symbol, 0)
    return patterns, statistics.symbol_frequency.get(symbol, 0)


def new_token() -> str:
    return secrets.token_hex(TOKEN_BYTES)


def import_of(source: str, part: int, one: Pattern) -> Import:
    """The entry that puts *one* in, as that *part* of the import of *source*."""
    return Import(
        token=new_token(),
        source=source,
        part=part,
        name=one.name,
        events=one.events,
        frequency=one.frequency,
        learns=one.learns,
        emotives=one.emotives,
        metadata=one.metadata,
        affinity=one.affinity,
    )
