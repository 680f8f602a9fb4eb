"""Knowledge as a file: gzip-compressed JSON lines, the same bytes for the same knowledge.

A header, one line per pattern in order of first learns, one line per corrected symbol, one line per
vector, and a trailer with counts and a checksum over all lines before it, which reveals a file that
was cut or changed. Without vectors, the file has the version that older programs read.
"""

import gzip
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson

from kato_service import json_text
from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections, SymbolCounts
from kato_service.errors import TransferError, WrongFieldError
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.knowledge.vectors.vector_store import VectorPage
from kato_service.transfer.patterns import MAX_COUNT, count, pattern_of, text
from kato_service.transfer.source import Refused, difference
from kato_service.transfer.vectors import NamedVector, vector_of

FORMAT = "kato-knowledge"
VERSION = 1
VERSION_WITH_VECTORS = 2
BATCH = 1000
"""Patterns that are handed on at once."""
VECTOR_BATCH = 100
COMPRESSION = 6
MAX_LINE_BYTES = 80 * 2**20
"""The largest entry, if every byte of it were escaped. A longer line may have no end at all."""
_DAMAGED = "the file is cut or damaged, and nothing was imported; export it again"


@dataclass(frozen=True, slots=True)
class Exported:
    patterns: int
    corrected_symbols: int
    vectors: int
    digest: str
    """SHA-256 of the lines, without the trailer."""


async def write(
    reading: KnowledgeReading,
    kb: str,
    out: IO[bytes],
    vectors: AsyncIterator[VectorPage] | None = None,
) -> Exported:
    """Write all of *reading*, and *vectors*. Statistics of deleted patterns become corrections."""
    found = None if vectors is None else await anext(vectors, None)
    first = found or ()
    with gzip.GzipFile("", "wb", COMPRESSION, out, mtime=0) as file:
        lines = _Lines(file)
        patterns = len(reading.patterns)
        version = VERSION_WITH_VECTORS if first else VERSION
        opening = {"format": FORMAT, "version": version, "knowledge_base": kb}
        lines.write({**opening, "revision": reading.revision, "patterns": patterns})
        corrections = _written_patterns(lines, reading)
        number = lines.write_vectors(first)
        if vectors is not None:
            async for page in vectors:
                number += lines.write_vectors(page)
        ending: dict[str, Any] = {"patterns": patterns, "symbols": len(corrections.symbols)}
        if version == VERSION_WITH_VECTORS:
            ending["vectors"] = number
        totals = {
            "total_learns": corrections.total_learns,
            "total_symbols": corrections.total_symbols,
            "total_distinct_symbols": corrections.total_distinct_symbols,
        }
        lines.write({**ending, **totals, "sha256": lines.digest})
    return Exported(patterns, len(corrections.symbols), number, lines.digest_before)


class PortableKnowledge:
    """A file as a `KnowledgeSource` and a `VectorSource`.

    Every pass checks it from its header to its trailer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"file {path.name!r}"
        self._corrections: dict[str, tuple[int, int]] = {}
        self._totals = (0, 0, 0)
        self._refused: list[Refused] = []

    async def patterns(self) -> AsyncIterator[Sequence[Pattern | Refused]]:
        patterns = (
            _pattern(number, given) for number, given in self._read() if "vector" not in given
        )
        while batch := list(islice(patterns, BATCH)):
            yield batch

    async def vectors(self) -> AsyncIterator[Sequence[NamedVector | Refused]]:
        vectors = (
            vector_of(
                given["vector"], given.get("components"), f"line {number}", given.get("label")
            )
            for number, given in self._read()
            if "vector" in given
        )
        while batch := list(islice(vectors, VECTOR_BATCH)):
            yield batch

    async def corrections(self, counted: SymbolCounts) -> tuple[Corrections, Sequence[Refused]]:
        """The corrections in the file, as of the last whole pass; *counted* does not matter."""
        return Corrections(self._corrections, *self._totals), self._refused

    def notes(self) -> Sequence[str]:
        return ()

    def vector_notes(self) -> Sequence[str]:
        return ()

    def _read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The lines of patterns and vectors, with their numbers."""
        self._corrections, self._refused = {}, []
        digest, patterns, vectors = sha256(), 0, 0
        lines = self._lines()
        for number, line in enumerate(lines, start=1):
            given = _parsed(line)
            if number == 1:
                _require_header(given)
            elif "sha256" in given:
                self._end(given, (patterns, vectors), digest.hexdigest())
                if next(lines, None) is not None:
                    raise TransferError(
                        f"{self.name}: there is more after its last line; {_DAMAGED}"
                    )
                return
            elif "symbol" in given:
                self._correct(number, given)
            else:
                vectors += "vector" in given
                patterns += "vector" not in given
                yield number, given
            digest.update(line)
        raise TransferError(f"{self.name}: {_DAMAGED}")

    def _lines(self) -> Iterator[bytes]:
        try:
            with gzip.open(self._path, "rb") as file:
                while line := file.readline(MAX_LINE_BYTES + 1):
                    if len(line) > MAX_LINE_BYTES:
                        raise TransferError(f"{self.name}: a line is too long; {_DAMAGED}")
                    yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise TransferError(f"{self.name}: {_DAMAGED}") from exc
        except OSError as exc:
            raise TransferError(f"{self.name}: cannot be read ({exc.strerror})") from exc

    def _correct(self, number: int, given: dict[str, Any]) -> None:
        try:
            symbol = text("symbol", given["symbol"])
            fields = ("pattern_member_frequency", "frequency")
            counts = [count(field, given.get(field), MAX_COUNT, -MAX_COUNT) for field in fields]
            self._corrections[symbol] = (counts[0], counts[1])
        except WrongFieldError as exc:
            self._refused.append(Refused(f"line {number}", exc.message))

    def _end(self, trailer: dict[str, Any], numbers: tuple[int, int], digest: str) -> None:
        symbols = len(self._corrections) + len(self._refused)
        found = (*numbers, symbols, digest)
        told = (trailer.get("patterns"), trailer.get("vectors", 0), trailer.get("symbols"))
        if (*told, trailer["sha256"]) != found:
            raise TransferError(f"{self.name}: {_DAMAGED}")
        fields = ("total_learns", "total_symbols", "total_distinct_symbols")
        try:
            totals = [count(field, trailer.get(field), MAX_COUNT, -MAX_COUNT) for field in fields]
        except WrongFieldError as exc:
            raise TransferError(f"{self.name}: the trailer: {exc.message}") from exc
        self._totals = (totals[0], totals[1], totals[2])


class _Lines:
    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._hash = sha256()
        self.digest_before = ""

    @property
    def digest(self) -> str:
        """SHA-256 of all lines so far."""
        self.digest_before = self._hash.hexdigest()
        return self.digest_before

    def write(self, row: dict[str, Any]) -> None:
        line = orjson.dumps(row) + b"\n"
        self._hash.update(line)
        self._file.write(line)

    def write_vectors(self, page: VectorPage) -> int:
        for one in page:
            label = {} if one.label is None else {"label": one.label}
            self.write({"vector": one.symbol, "components": one.vector, **label})
        return len(page)


def _written_patterns(lines: _Lines, reading: KnowledgeReading) -> Corrections:
    """Write the patterns and the corrections; gives the latter."""
    counted = SymbolCounts()
    for pattern in reading.index.after(0):
        lines.write(_plain(pattern))
        if pattern.learns:
            counted.add_learn(pattern.events, pattern.learns)
    corrections = _corrections(reading, counted)
    for symbol, (members, occurrences) in corrections.symbols.items():
        row = {"symbol": symbol, "pattern_member_frequency": members, "frequency": occurrences}
        lines.write(row)
    return corrections


def _plain(pattern: Pattern) -> dict[str, Any]:
    return {
        "name": pattern.name,
        "events": pattern.events,
        "frequency": pattern.frequency,
        "learns": pattern.learns,
        "emotives": pattern.emotives,
        "metadata": json_text.embedded_lists(pattern.metadata),
        **({"affinity": pattern.affinity} if pattern.affinity else {}),
    }


def _corrections(reading: KnowledgeReading, counted: SymbolCounts) -> Corrections:
    known = reading.statistics
    members, occurrences = known.pattern_member_frequency, known.symbol_frequency
    return Corrections(
        difference(dict(members), dict(occurrences), counted),
        known.total_learns - counted.total_learns,
        known.total_symbols - counted.total_symbols,
        known.total_distinct_symbols - counted.total_distinct_symbols,
    )


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise TransferError(f"a line is not JSON: {_DAMAGED}") from exc
    if not isinstance(given, dict):
        raise TransferError(f"a line is not a JSON object: {_DAMAGED}")
    return given


def _require_header(given: dict[str, Any]) -> None:
    if given.get("format") != FORMAT:
        raise TransferError("the file was not written by `kato-service export`")
    if given.get("version") not in (VERSION, VERSION_WITH_VECTORS):
        raise TransferError(
            f"the file has version {given.get('version')!r}, this program reads versions {VERSION}"
            f" and {VERSION_WITH_VECTORS}: use the program that wrote it, or a newer one"
        )


def _pattern(number: int, given: dict[str, Any]) -> Pattern | Refused:
    try:
        count("learns", given.get("learns"))
        return pattern_of(given)
    except WrongFieldError as exc:
        return Refused(f"line {number}", exc.message)
