"""All knowledge bases of an instance, by processor id."""

import time
from collections.abc import Callable

from kato_service.knowledge.index import PatternIndex
from kato_service.knowledge.log import KnowledgeLog
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase


class KnowledgeBases:
    def __init__(
        self,
        log: KnowledgeLog,
        new_index: Callable[[], PatternIndex],
        *,
        max_staleness_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._new_index = new_index
        self._max_staleness_s = max_staleness_s
        self._clock = clock
        self._bases: dict[str, SuperKnowledgeBase] = {}

    async def start(self) -> None:
        """Set the log up; may be called again.

        Raises:
            StoreUnavailableError: It cannot be used now.
        """
        await self._log.start()

    def get(self, processor_id: str) -> SuperKnowledgeBase:
        """The knowledge base of that id, made on first use; asks no store."""
        if processor_id not in self._bases:
            self._bases[processor_id] = SuperKnowledgeBase(
                processor_id,
                self._log,
                self._new_index,
                max_staleness_s=self._max_staleness_s,
                clock=self._clock,
            )
        return self._bases[processor_id]

    def loaded(self) -> dict[str, int]:
        """Patterns of every knowledge base in memory, by processor id."""
        counts = {name: base.pattern_count for name, base in self._bases.items()}
        return {name: count for name, count in counts.items() if count is not None}

    async def close(self) -> None:
        """Entries that still wait are answered with an error; their intents stay."""
        for base in self._bases.values():
            await base.close()
        await self._log.close()
