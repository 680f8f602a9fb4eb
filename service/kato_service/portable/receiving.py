"""Knowledge that arrives line by line: checked at once, and kept until its end shows that it is
whole."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kato_service.domain.pattern import Pattern
from kato_service.errors import WrongFieldError
from kato_service.portable.file import BATCH, VECTOR_BATCH, batches, pattern_in, vector_in
from kato_service.portable.reading import KnowledgeReader, require_single_names
from kato_service.portable.source import Refused, Survey, Surveyor
from kato_service.portable.spool import Spool
from kato_service.portable.vectors import NamedVector, VectorSurvey, misfit

Checked = Callable[[Pattern | NamedVector], str | None]
"""Why something is not to be imported; None: it may be."""


class ReceivedKnowledge:
    """The lines of one import; a `VectorSource`, once all of them are there."""

    name = "the body"

    def __init__(self, directory: Path, checked: Checked, *, with_vectors: bool) -> None:
        """Args:
        directory: Where lines are kept that are too many for memory.
        checked: Has the last word on what may be imported.
        """
        self.vector_survey = VectorSurvey()
        self._checked = checked
        self._with_vectors = with_vectors
        self._spool = Spool(directory)
        self._reader = self._new_reader()
        self._surveyor = Surveyor(counts=False)

    @property
    def is_bare(self) -> bool:
        """Lines of patterns and vectors alone: nothing tells whether they are all."""
        return self._reader.is_bare

    @property
    def kept_bytes(self) -> int:
        return self._spool.size_bytes

    def close(self) -> None:
        self._spool.close()

    def take(self, number: int, line: bytes) -> None:
        """Check and keep a line, with its end. What cannot be imported is in the surveys.

        Raises:
            TransferError: It does not belong to what came before it.
        """
        given = self._reader.take(number, line)
        self._spool.add(line)
        if given is None:
            return
        if self.is_bare and (refused := _repetition(number, line)) is not None:
            self._surveyor.refuse(refused)
        elif "vector" not in given:
            self._survey_pattern(number, self._pattern(number, given))
        elif self._with_vectors:
            self._survey_vector(number, self._vector(number, given))

    async def flush(self) -> None:
        """Write what waits to be written; raises StoreRefusedError."""
        await self._spool.flush()

    async def ended(self) -> Survey:
        """Nothing follows; gives what the patterns are.

        Raises:
            TransferError: Something is missing, or was changed.
            StoreRefusedError: The disk takes no more.
        """
        self._reader.end()
        await self._spool.flush(at_the_end=True)
        return self._surveyor.ended(self._reader.corrections, self._reader.refused)

    async def patterns(self) -> AsyncIterator[Sequence[Pattern]]:
        """All patterns, a few at a time."""
        found = (self._pattern(*each) for each in self._read() if "vector" not in each[1])
        async for batch in batches(found, BATCH):
            yield [one for one in batch if isinstance(one, Pattern)]

    async def vectors(self) -> AsyncIterator[Sequence[NamedVector | Refused]]:
        vectors = (self._vector(*each) for each in self._read() if "vector" in each[1])
        async for batch in batches(vectors, VECTOR_BATCH):
            yield batch

    def vector_notes(self) -> Sequence[str]:
        return ()

    def _pattern(self, number: int, given: dict[str, Any]) -> Pattern | Refused:
        return pattern_in(number, given, is_bare=self.is_bare)

    def _vector(self, number: int, given: dict[str, Any]) -> NamedVector | Refused:
        return vector_in(number, given, is_bare=self.is_bare)

    def _survey_pattern(self, number: int, one: Pattern | Refused) -> None:
        refused = one if isinstance(one, Refused) else self._refusal(number, one)
        if refused is not None:
            self._surveyor.refuse(refused)
        elif isinstance(one, Pattern):
            self._surveyor.add(one)

    def _survey_vector(self, number: int, one: NamedVector | Refused) -> None:
        survey = self.vector_survey
        refused = one if isinstance(one, Refused) else self._refusal(number, one)
        if refused is None and isinstance(one, NamedVector):
            refused = misfit(one, survey.dimension)
            survey.count += refused is None
            survey.dimension = survey.dimension or len(one.components)
        if refused is not None:
            survey.refuse(refused)

    def _refusal(self, number: int, one: Pattern | NamedVector) -> Refused | None:
        reason = self._checked(one)
        return None if reason is None else Refused(f"line {number}", reason)

    def _read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        reader = self._new_reader()
        for number, line in enumerate(self._spool.lines(), start=1):
            given = reader.take(number, line)
            if given is not None:
                yield number, given

    def _new_reader(self) -> KnowledgeReader:
        return KnowledgeReader(self.name, may_be_bare=True)


def _repetition(number: int, line: bytes) -> Refused | None:
    try:
        require_single_names(line)
    except WrongFieldError as exc:
        return Refused(f"line {number}", exc.message)
    return None
