"""Knowledge as lines of JSON: the same lines for the same knowledge.

A header, one line per pattern in order of first learns, one line per corrected symbol, one line per
vector, and a trailer with counts and a checksum over all lines before it, which reveals a file that
was cut or changed. Without vectors, the lines have the version that older programs read.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from hashlib import sha256
from typing import Any

import orjson

from kato_service import json_text
from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections, SymbolCounts
from kato_service.knowledge.model.reading import KnowledgeCopy
from kato_service.knowledge.vectors.vector_store import VectorPage
from kato_service.portable.source import difference

FORMAT = "kato-knowledge"
VERSION = 1
VERSION_WITH_VECTORS = 2


def uncounted(copy: KnowledgeCopy) -> Corrections:
    """What the statistics hold in addition to the learns of the patterns: those of deleted ones,
    and corrections of imports. Computes, in proportion to these: call it from a thread."""
    counted = SymbolCounts()
    for tombstone in copy.tombstones:
        if tombstone.learns:
            counted.add_learn(tombstone.events, tombstone.learns)
    counted.correct(copy.corrections)
    members, occurrences = counted.pattern_member_frequency, counted.symbol_frequency
    totals = (counted.total_learns, counted.total_symbols, counted.total_distinct_symbols)
    return Corrections(difference(members, occurrences, SymbolCounts()), *totals)


class KnowledgeLines:
    """The lines of one export."""

    def __init__(self, kb: str, copy: KnowledgeCopy, corrections: Corrections) -> None:
        """*corrections*: see `uncounted`."""
        self._kb = kb
        self._copy = copy
        self._corrections = corrections
        self._hash = sha256()
        self._has_vectors = False
        self.vectors = 0
        """Lines of vectors so far."""
        self.digest = ""
        """SHA-256 of the lines, without the trailer; once there is one."""

    @property
    def patterns(self) -> int:
        return len(self._copy.patterns)

    @property
    def corrected_symbols(self) -> int:
        return len(self._corrections.symbols)

    async def sections(
        self, vectors: AsyncIterator[VectorPage] | None = None
    ) -> AsyncIterator[Iterable[bytes]]:
        """The lines in sections, each of which is to be used up before the next one is taken; its
        lines are made when they are taken.

        Raises:
            StoreUnavailableError: The vectors cannot be read.
            VectorsClearedError: The knowledge base was cleared, and with it the vectors.
        """
        found = None if vectors is None else await anext(vectors, None)
        yield (self._header(has_vectors=bool(found)),)
        yield self._knowledge()
        yield self._vectors(found or ())
        if vectors is not None:
            async for page in vectors:
                yield self._vectors(page)
        yield (self._trailer(),)

    def _header(self, *, has_vectors: bool) -> bytes:
        self._has_vectors = has_vectors
        version = VERSION_WITH_VECTORS if has_vectors else VERSION
        opening = {"format": FORMAT, "version": version, "knowledge_base": self._kb}
        return self._line(
            {**opening, "revision": self._copy.revision, "patterns": len(self._copy.patterns)}
        )

    def _knowledge(self) -> Iterator[bytes]:
        """The lines of patterns, and those of corrections."""
        for page in self._copy.patterns.pages():
            for pattern in page:
                yield self._line(fields_of(pattern))
        for symbol, (members, occurrences) in self._corrections.symbols.items():
            counts = {"pattern_member_frequency": members, "frequency": occurrences}
            yield self._line({"symbol": symbol, **counts})

    def _vectors(self, page: VectorPage) -> Iterator[bytes]:
        for one in page:
            label = {} if one.label is None else {"label": one.label}
            self.vectors += 1
            yield self._line({"vector": one.symbol, "components": one.vector, **label})

    def _trailer(self) -> bytes:
        corrections = self._corrections
        ending = {"patterns": len(self._copy.patterns), "symbols": len(corrections.symbols)}
        if self._has_vectors:
            ending["vectors"] = self.vectors
        totals = {
            "total_learns": corrections.total_learns,
            "total_symbols": corrections.total_symbols,
            "total_distinct_symbols": corrections.total_distinct_symbols,
        }
        self.digest = self._hash.hexdigest()
        return orjson.dumps({**ending, **totals, "sha256": self.digest}) + b"\n"

    def _line(self, row: dict[str, Any]) -> bytes:
        line = orjson.dumps(row) + b"\n"
        self._hash.update(line)
        return line


def fields_of(pattern: Pattern) -> dict[str, Any]:
    """What the line of a pattern holds."""
    return {
        "name": pattern.name,
        "events": pattern.events,
        "frequency": pattern.frequency,
        "learns": pattern.learns,
        "emotives": pattern.emotives,
        "metadata": json_text.embedded_lists(pattern.metadata),
        **({"affinity": pattern.affinity} if pattern.affinity else {}),
    }
