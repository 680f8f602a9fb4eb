"""Imports of knowledge for users: what was received whole is put in once (http-api.md §6).

Its content and the `unique_id` of its sender name an import, and the fold counts its parts: it is
put in once, however often it is sent, and a repeat continues where the one before it stopped.
"""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import NO_AFFINITY
from kato_service.domain.shares import Holder
from kato_service.errors import (
    InvalidInputError,
    LimitExceededError,
    TransferError,
    VectorsDisabledError,
)
from kato_service.findings import Finding
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Clear, Import, Statistics
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.portable.importing import (
    import_of,
    new_token,
    require_same_clear,
    was_cleared,
)
from kato_service.portable.importing_vectors import VectorImport
from kato_service.portable.receiving import ReceivedKnowledge
from kato_service.portable.source import Survey
from kato_service.portable.vectors import VectorSurvey
from kato_service.users.import_space import ImportSpace

Mode = Literal["merge", "replace"]
GROUP_ENTRIES, GROUP_SYMBOLS = 500, 40_000
"""Of what is appended at once: one insert into the log."""
MAX_IMPORTS = 10_000
"""Imports of a knowledge base since its last clear: the progress of each is kept with it."""
ID_CHARS = 40
Group = list[Import | Statistics]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the sender of an import asks for."""

    mode: Mode = "merge"
    unique_id: str | None = None


@dataclass(slots=True)
class Progress:
    """How far an import is."""

    parts: int
    """Patterns and corrections."""
    repeated: int
    """Of these, how many another request has put in."""
    imported: int = 0
    """How many this request has put in so far."""
    vectors: int = 0
    """Vectors that are stored so far, by whichever request."""
    cleared: bool = False
    """Whether this request has dropped what was there before."""


class KnowledgeImports:
    def __init__(
        self, knowledge: KnowledgeBases, vectors: VectorStore | None, most_bytes: int
    ) -> None:
        """Args:
        vectors: None: this instance has none.
        most_bytes: Of the largest import, as it is kept until it is whole.
        """
        self.space = ImportSpace(most_bytes)
        self._knowledge = knowledge
        self._vectors = vectors

    async def begin(
        self,
        place: tuple[str, str | None],
        received: ReceivedKnowledge,
        wanted: Wanted,
        *,
        caller: Holder,
        timeout_s: float,
    ) -> "KnowledgeImport":
        """An import whose content is checked; nothing has changed yet.

        Args:
            place: The knowledge base, and whose it is.
            caller: Counts for a knowledge base that gets its first vectors.
            timeout_s: For each thing that is waited for.

        Raises:
            InvalidInputError: It cannot be put in.
            VectorLimitExceededError: It has vectors, and too many knowledge bases have some.
            StoreUnavailableError, DeadlineExceededError: A store did not answer.
        """
        survey = await received.ended()
        _require_sound(survey, received.vector_survey)
        begun = KnowledgeImport(self._knowledge.get(*place), received, survey, wanted, timeout_s)
        if received.vector_survey.count:
            if self._vectors is None:
                raise VectorsDisabledError.at(
                    reason="has vectors, which this instance does not take; send vectors=false to"
                    " leave them out"
                )
            begun.store, begun.caller = self._vectors, caller
        await begun.check()
        return begun


class KnowledgeImport:
    """One import by one request."""

    def __init__(
        self,
        base: SuperKnowledgeBase,
        received: ReceivedKnowledge,
        survey: Survey,
        wanted: Wanted,
        timeout_s: float,
    ) -> None:
        self.store: VectorStore | None = None
        """None: there are no vectors to import."""
        self.caller: Holder | None = None
        self._base = base
        self._received = received
        self._survey = survey
        self._wanted = wanted
        self._timeout_s = timeout_s
        self._source = _source_of(survey, wanted, is_bare=received.is_bare)
        self._replaces = False
        """Everything has to be dropped first: not by a repeat that continues."""
        self.progress = Progress(survey.parts, 0)

    async def check(self) -> None:
        """See `KnowledgeImports.begin`."""
        async with self._base.reading(deadline=self._deadline()) as reading:
            has_begun = self._source in reading.imports
            self._replaces = self._wanted.mode == "replace" and not has_begun
            self.progress.repeated = reading.imports.get(self._source, 0)
            is_new, is_empty = not self.progress.repeated, not _holds_names(reading)
            if not has_begun and not self._replaces and len(reading.imports) >= MAX_IMPORTS:
                raise LimitExceededError.at(
                    reason=f"would be import {MAX_IMPORTS + 1} of this knowledge base, which may"
                    f" have {MAX_IMPORTS} until the next clear-all; learn instead, or replace it by"
                    " an export of itself"
                )
            cleared = reading.cleared
        if self._replaces:
            await self._reserve(cleared)
            return
        if is_new and not is_empty:
            await self._require_same_events()
        if self.store is not None:
            await self._check_vectors(self.store, cleared)

    async def put_in(self) -> AsyncGenerator[Progress, None]:
        """Put in what is missing; each group of it is durable by itself, whatever ends this.

        Raises:
            StoreUnavailableError: A store did not answer, or the knowledge base was cleared
                meanwhile; repeat the import.
            InvalidInputError: It does not fit to what was learned meanwhile.
        """
        with self._base.kept():
            since = await self._base.open(deadline=self._deadline())
            if self._replaces:
                clear = Clear(new_token(), source=self._source)
                (begun,) = await self._base.append([clear], since=since)
                self.progress.cleared = begun.met
                yield self.progress
            async with self._base.reading(deadline=self._deadline()) as reading:
                cleared = reading.cleared
                self.progress.repeated = reading.imports.get(self._source, 0)
            if self.store is not None:
                # First: a pattern must never be there without its vectors.
                async for _ in self._stored_vectors(self.store, cleared):
                    yield self.progress
                await self._parts_since(cleared)
            async for group in self._groups(self.progress.repeated):
                applied = await self._base.append(await self._uncounted(group), since=since)
                new = sum(one.met for one in applied)
                self.progress.imported += new
                self.progress.repeated += len(applied) - new  # another request was faster
                yield self.progress
            if await self._parts_since(cleared) != self._survey.parts:
                raise was_cleared()

    async def _reserve(self, cleared: int) -> None:
        """Make sure that it may have vectors, before anything is dropped."""
        if self.store is not None and await self.store.dimension(self._base.id, cleared) is None:
            await self.store.reserve(self._base.id, self.caller)

    async def _require_same_events(self) -> None:
        async for batch in self._received.patterns():
            async with self._base.reading(deadline=self._deadline()) as reading:
                for one in batch:
                    known = reading.patterns.get(one.name) or reading.tombstones.get(one.name)
                    if known is not None and known.events != one.events:
                        raise InvalidInputError.at(
                            reason=f"has a pattern {one.name} whose name belongs to other events in"
                            " this knowledge base; import it for another user, or replace this one"
                        )

    async def _groups(self, known: int) -> AsyncIterator[Group]:
        """Entries in order of their parts, without the first *known* ones, which are in."""
        part, group, symbols = 0, Group(), 0
        async for batch in self._received.patterns():
            for one in batch:
                if part >= known:
                    group.append(import_of(self._source, part, one))
                    symbols += one.symbol_count
                part += 1
                if len(group) >= GROUP_ENTRIES or symbols > GROUP_SYMBOLS:
                    yield group
                    group, symbols = [], 0
        if group:
            yield group
        for corrections in self._survey.corrections:
            if part >= known:
                yield [Statistics(new_token(), self._source, part, corrections)]
            part += 1

    async def _uncounted(self, group: Group) -> Group:
        """Of single patterns, only the learns that the statistics do not count: a delete takes away
        a frequency, and leaves what was counted."""
        if not self._received.is_bare:
            return group
        async with self._base.reading(deadline=self._deadline()) as reading:
            return [_rest_of(one, reading) if isinstance(one, Import) else one for one in group]

    async def _check_vectors(self, store: VectorStore, cleared: int) -> VectorImport:
        """Raises InvalidInputError: They do not fit to those of the knowledge base."""
        importing = VectorImport(
            self._received,
            store,
            (self._base.id, cleared),
            self._received.vector_survey,
            caller=self.caller,
        )
        try:
            await importing.check()
        except TransferError as exc:
            reason = exc.message.removeprefix(f"{self._received.name}: ")
            raise InvalidInputError.at(reason=f"cannot be imported: {reason}") from exc
        return importing

    async def _stored_vectors(self, store: VectorStore, cleared: int) -> AsyncIterator[int]:
        importing = await self._check_vectors(store, cleared)
        async for done in importing.stored():
            self.progress.vectors = done
            yield done

    async def _parts_since(self, cleared: int) -> int:
        """How many parts are in since the clear at revision *cleared*.

        Raises:
            OutcomeUnknownError: There was another one.
        """
        async with self._base.reading(deadline=self._deadline()) as reading:
            require_same_clear(reading, cleared)
            return reading.imports.get(self._source, 0)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._timeout_s)


def _source_of(survey: Survey, wanted: Wanted, *, is_bare: bool) -> str:
    """What the fold counts the parts of an import by.

    A whole export that is added without an id has the name that `kato-service import` gives to its
    content. Lines alone without an id are new each time, as sequences are that are learned without
    one. A replacement is another import than adding the same content.
    """
    replaces = wanted.mode == "replace"
    if wanted.unique_id is None and not is_bare and not replaces:
        return survey.id
    unique_id = secrets.token_hex() if wanted.unique_id is None else wanted.unique_id
    kind = f"{'replacing ' if replaces else ''}{'lines' if is_bare else 'export'}"
    named = f"{kind}\0{survey.id}\0{unique_id}"
    return sha256(named.encode()).hexdigest()[:ID_CHARS]


def _holds_names(reading: KnowledgeReading) -> bool:
    return bool(reading.patterns or reading.tombstones)


def _rest_of(one: Import, reading: KnowledgeReading) -> Import:
    known = reading.patterns.get(one.name) or reading.tombstones.get(one.name)
    if known is None:
        return one
    # A tombstone has no frequency.
    counted = max(0, known.learns - known.frequency)
    return replace(one, learns=max(0, one.learns - counted), affinity=NO_AFFINITY)


def _require_sound(survey: Survey, vectors: VectorSurvey) -> None:
    """Raises InvalidInputError: There is something that cannot be imported."""
    count = survey.refused_count + vectors.refused_count
    if count:
        every = [*survey.refused, *vectors.refused]
        findings = [Finding(("body",), f"has a wrong line: {one}") for one in every]
        raise InvalidInputError(findings, count)
