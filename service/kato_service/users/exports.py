"""Exports of the knowledge of users, at one revision and while it is learned (http-api.md §6)."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kato_service.domain.deadline import Deadline
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.portable.lines import KnowledgeLines, uncounted


@dataclass(frozen=True, slots=True)
class Export:
    revision: int
    """Of the log, as of which everything but the vectors is."""
    sections: AsyncIterator[Iterable[bytes]]
    """See `KnowledgeLines.sections`."""


class KnowledgeExports:
    def __init__(self, knowledge: KnowledgeBases, vectors: VectorStore | None) -> None:
        """*vectors*: None: this instance has none."""
        self._knowledge = knowledge
        self._vectors = vectors

    @asynccontextmanager
    async def open(
        self, kb: str, *, with_vectors: bool, deadline: Deadline
    ) -> AsyncIterator[Export]:
        """Copy *kb* as it is now. Nothing waits for the export, however long it is held.

        Raises:
            StoreUnavailableError: The log did not answer.
            DeadlineExceededError: The knowledge base was not ready before *deadline*.
        """
        base = self._knowledge.get(kb)
        with base.kept():
            async with base.reading(deadline=deadline) as reading:
                copy = reading.copied()
            vectors = self._vectors if with_vectors else None
            pages = None if vectors is None else vectors.pages(kb, copy.cleared)
            lines = KnowledgeLines(kb, copy, await asyncio.to_thread(uncounted, copy))
            yield Export(copy.revision, lines.sections(pages))
