"""An import: survey the source, append what is missing, compare.

Interrupted anywhere and repeated it goes on where it was (see `ImportProgress`).
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import SymbolStatistics
from kato_service.errors import SourceChangedError, TransferError
from kato_service.knowledge.model.entries import Import, Statistics
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.transfer.source import (
    MAX_SHOWN,
    KnowledgeSource,
    PatternsDigest,
    Refused,
    Survey,
)

PATIENCE_S = 600.0
"""For reading the target; loading a large knowledge base takes a while."""
BATCH_SYMBOLS = 200_000
TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Progress:
    """What a person sees while it runs."""

    doing: str
    done: int
    total: int


@dataclass(slots=True)
class Comparison:
    """The source beside the knowledge base, pattern by pattern and symbol by symbol."""

    equal: int = 0
    different: list[str] = field(default_factory=list)
    """The first few names, and what is different of the statistics."""
    different_count: int = 0
    has_other_entries: bool = False
    """The knowledge base was changed by more than this import, so it may be different."""

    @property
    def failed(self) -> bool:
        return bool(self.different_count) and not self.has_other_entries

    def differs(self, what: str) -> None:
        self.different_count += 1
        if len(self.different) < MAX_SHOWN:
            self.different.append(what)


class KnowledgeImport:
    """Of one source into one knowledge base."""

    def __init__(
        self,
        source: KnowledgeSource,
        target: SuperKnowledgeBase,
        survey: Survey,
        told: Callable[[Progress], None],
    ) -> None:
        self.source = source
        self.target = target
        self.survey = survey
        self._told = told

    async def check(self, *, merge: bool) -> int:
        """How many parts are in already.

        Raises:
            TransferError: The knowledge base holds other knowledge and *merge* is not wanted, or
                it has a name for other events.
        """
        async with self.target.reading(deadline=Deadline.after(PATIENCE_S)) as view:
            done = view.imports.get(self.survey.id, 0)
            if done or _is_empty(view):
                return done
            if not merge:
                raise TransferError(_holds(view))
            await self._require_same_names(view)
        return 0

    async def append(self) -> None:
        """Append what is not in yet; durable, part by part, whatever ends it.

        Raises:
            StoreUnavailableError: Source or target did not answer; repeat it.
            SourceChangedError: The source changed meanwhile.
        """
        async with self.target.reading(deadline=Deadline.after(PATIENCE_S)) as view:
            done, since = view.imports.get(self.survey.id, 0), view.revision
        async for entries in self._entries(done):
            await self.target.append(entries, since=since)
            self._told(Progress("imported", entries[-1].part + 1, self.survey.parts))

    async def compare(self) -> Comparison:
        found = Comparison()
        async with self.target.reading(deadline=Deadline.after(PATIENCE_S)) as view:
            found.has_other_entries = view.revision - view.cleared != self.survey.parts
            if view.imports.get(self.survey.id, 0) != self.survey.parts:
                found.has_other_entries = False
                found.differs("not every part is in: repeat the import")
            last = 0
            async for batch in _alive(self.source):
                for one in batch:
                    known = view.patterns.get(one.name)
                    if known is None or not _is_same(one, known) or known.first <= last:
                        found.differs(one.name)
                    else:
                        found.equal += 1
                    last = known.first if known else last
            if len(view.patterns) > self.survey.patterns:
                found.differs(f"{len(view.patterns) - self.survey.patterns} patterns more")
            _compare_statistics(self.survey, view.statistics, found)
        return found

    async def _entries(self, done: int) -> AsyncIterator[list[Import | Statistics]]:
        """In order of their parts, those before *done* left out."""
        part, digest = 0, PatternsDigest()
        entries: list[Import | Statistics] = []
        symbols = 0
        async for batch in _alive(self.source):
            for one in batch:
                digest.add(one)
                if part >= done:
                    entries.append(self._import(part, one))
                    symbols += one.symbol_count
                part += 1
                if symbols > BATCH_SYMBOLS:
                    yield entries
                    entries, symbols = [], 0
            if entries:
                yield entries
                entries, symbols = [], 0
        if digest.text != self.survey.patterns_digest:
            raise SourceChangedError(
                f"{self.source.name} changed while it was imported, and half of it is in: stop"
                " whoever writes to it, clear the knowledge base, and import again"
            )
        for corrections in self.survey.corrections:
            if part >= done:
                yield [Statistics(_token(), self.survey.id, part, corrections)]
            part += 1

    def _import(self, part: int, one: Pattern) -> Import:
        return Import(
            token=_token(),
            source=self.survey.id,
            part=part,
            name=one.name,
            events=one.events,
            frequency=one.frequency,
            learns=one.learns,
            emotives=one.emotives,
            metadata=one.metadata,
        )

    async def _require_same_names(self, view: KnowledgeReading) -> None:
        async for batch in _alive(self.source):
            for one in batch:
                known = view.patterns.get(one.name) or view.tombstones.get(one.name)
                if known is not None and known.events != one.events:
                    raise TransferError(
                        f"the name {one.name} means other events in the knowledge base: import"
                        " into another one (--user)"
                    )


def _is_empty(view: KnowledgeReading) -> bool:
    counted = view.statistics.total_learns or view.statistics.distinct_symbols
    return not (view.patterns or view.tombstones or view.imports or counted)


def _holds(view: KnowledgeReading) -> str:
    begun = (
        " (part of another import among it, or of this source as it was)" if view.imports else ""
    )
    return (
        f"the knowledge base holds {len(view.patterns)} patterns of other origin{begun}. Import"
        " into another one (--user), or clear it, or say --merge: then frequencies and statistics"
        " are added to what is there"
    )


async def _alive(source: KnowledgeSource) -> AsyncIterator[Sequence[Pattern]]:
    """Its patterns as the survey counted them: none refused, each name once."""
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
    wanted = survey.counted
    symbols = {*wanted.symbol_frequency, *known.symbol_frequency, *known.pattern_member_frequency}
    for symbol in sorted(symbols):
        if _counts(wanted, symbol) != _counts(known, symbol):
            found.differs(f"symbol {symbol!r}")
    totals = ("total_learns", "total_symbols", "total_distinct_symbols")
    for total in totals:
        if getattr(wanted, total) != getattr(known, total):
            found.differs(total)


def _counts(statistics: SymbolStatistics, symbol: str) -> tuple[int, int]:
    patterns = statistics.pattern_member_frequency.get(symbol, 0)
    return patterns, statistics.symbol_frequency.get(symbol, 0)


def _token() -> str:
    return secrets.token_hex(TOKEN_BYTES)
