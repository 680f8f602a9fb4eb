"""Knowledge as a file: gzip-compressed lines, the same bytes for the same knowledge."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import IO, Any, TypeVar

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections, SymbolCounts
from kato_service.errors import TransferError, WrongFieldError
from kato_service.knowledge.model.reading import KnowledgeCopy
from kato_service.knowledge.vectors.vector_store import VectorPage
from kato_service.portable.lines import KnowledgeLines, uncounted
from kato_service.portable.patterns import PATTERN_FIELDS, count, pattern_of, require_known
from kato_service.portable.reading import DAMAGED, KnowledgeReader
from kato_service.portable.source import Refused
from kato_service.portable.vectors import NamedVector, vector_of

T = TypeVar("T")
BATCH = 1000
"""Patterns that are handed on at once, at most."""
VECTOR_BATCH = 100
VECTOR_FIELDS = ("vector", "components", "label")
"""Of a line about a vector."""
TURN_S = 0.001
"""Seconds after which what was read is handed on: whoever else runs in this process waits."""
COMPRESSION = 6
MAX_LINE_BYTES = 80 * 2**20
"""The largest entry, if every byte of it were escaped. A longer line may have no end at all."""
GZIP = b"\x1f\x8b"


async def write(
    copy: KnowledgeCopy,
    kb: str,
    out: IO[bytes],
    vectors: AsyncIterator[VectorPage] | None = None,
) -> KnowledgeLines:
    """Write all of *copy*, and *vectors*; gives the lines, which tell what was written."""
    lines = KnowledgeLines(kb, copy, uncounted(copy))
    with gzip.GzipFile("", "wb", COMPRESSION, out, mtime=0) as file:
        async for section in lines.sections(vectors):
            file.writelines(section)
    return lines


class PortableKnowledge:
    """A file as a `KnowledgeSource` and a `VectorSource`.

    Every pass checks it from its header to its trailer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"file {path.name!r}"
        self._reader = KnowledgeReader(self.name)

    async def patterns(self) -> AsyncIterator[Sequence[Pattern | Refused]]:
        patterns = (
            pattern_in(number, given) for number, given in self._read() if "vector" not in given
        )
        async for batch in batches(patterns, BATCH):
            yield batch

    async def vectors(self) -> AsyncIterator[Sequence[NamedVector | Refused]]:
        vectors = (vector_in(number, given) for number, given in self._read() if "vector" in given)
        async for batch in batches(vectors, VECTOR_BATCH):
            yield batch

    async def corrections(self, counted: SymbolCounts) -> tuple[Corrections, Sequence[Refused]]:
        """The corrections in the file, as of the last whole pass; *counted* does not matter."""
        return self._reader.corrections, self._reader.refused

    def notes(self) -> Sequence[str]:
        return ()

    def vector_notes(self) -> Sequence[str]:
        return ()

    def _read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The lines of patterns and vectors, with their numbers."""
        self._reader = KnowledgeReader(self.name)
        for number, line in enumerate(self._lines(), start=1):
            given = self._reader.take(number, line)
            if given is not None:
                yield number, given
        self._reader.end()

    def _lines(self) -> Iterator[bytes]:
        try:
            with opened(self._path) as file:
                while line := file.readline(MAX_LINE_BYTES + 1):
                    if len(line) > MAX_LINE_BYTES:
                        raise TransferError(f"{self.name}: a line is too long; it is {DAMAGED}")
                    yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise TransferError(f"{self.name} is {DAMAGED}") from exc
        except OSError as exc:
            raise TransferError(f"{self.name}: cannot be read ({exc.strerror})") from exc


async def batches(items: Iterator[T], most: int) -> AsyncIterator[Sequence[T]]:
    """*items*, up to *most* and for a moment at a time, so that others get their turns."""
    while batch := list(_some(items, most, perf_counter() + TURN_S)):
        yield batch
        await asyncio.sleep(0)


def pattern_in(number: int, given: dict[str, Any], *, is_bare: bool = False) -> Pattern | Refused:
    """The pattern in a line, if it is one that can be stored.

    Args:
        is_bare: A program may have written the line that does not know what learns are. What it
            names otherwise than we do would be lost.
    """
    try:
        if is_bare:
            require_known(given, PATTERN_FIELDS)
        if "learns" in given or not is_bare:
            count("learns", given.get("learns"))
        return pattern_of(given)
    except WrongFieldError as exc:
        return Refused(f"line {number}", exc.message)


def vector_in(
    number: int, given: dict[str, Any], *, is_bare: bool = False
) -> NamedVector | Refused:
    """The vector in a line, if it is one that can be stored; *is_bare*: see `pattern_in`."""
    where, label = f"line {number}", given.get("label")
    try:
        if is_bare:
            require_known(given, VECTOR_FIELDS)
    except WrongFieldError as exc:
        return Refused(where, exc.message)
    return vector_of(given["vector"], given.get("components"), where, label)


def _some(items: Iterator[T], most: int, until: float) -> Iterator[T]:
    for number, item in enumerate(items, start=1):
        yield item
        if number == most or perf_counter() > until:
            return


def opened(path: Path) -> IO[bytes]:
    """The lines of a file, which may be compressed or not."""
    with path.open("rb") as file:
        is_packed = file.read(len(GZIP)) == GZIP
    return gzip.open(path, "rb") if is_packed else path.open("rb")  # type: ignore[return-value]  # reads bytes
