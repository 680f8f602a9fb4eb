"""All knowledge bases of an instance, by processor id."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from weakref import WeakValueDictionary

from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.residency import Residency
from kato_service.knowledge.snapshots.snapshots import CLOSE_S, SAVE_S, Snapshots
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase, TimeLimits
from kato_service.knowledge.writing import trimming
from kato_service.knowledge.writing.materialiser import Materialiser
from kato_service.knowledge.writing.trimming import LogTrimmer, TrimPlan
from kato_service.knowledge.writing.upkeep import CHECK_S, TRIM_S, Rounds, Upkeep


@dataclass(frozen=True, slots=True)
class KnowledgeUsage:
    """What the knowledge bases in memory amount to."""

    bases: int
    patterns: int
    used_bytes: int
    """Estimated, as of the last use of each."""
    unloads: int
    """Since the start of this process."""
    checkpoint_lag: int
    """The most entries that the views of one of them do not show yet."""
    views_written: int
    """Since the start of this process."""
    view_failures: int
    """Attempts at that which a store did not answer."""


class KnowledgeBases:
    def __init__(
        self,
        log: KnowledgeLog,
        new_index: Callable[[], PatternIndex],
        *,
        max_staleness_s: float = 0.0,
        memory_bytes: float = inf,
        trim: TrimPlan | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without *trim* no log is ever trimmed from here."""
        trim = trim or TrimPlan()
        self._log = log
        self._new_index = new_index
        self._limits = TimeLimits(
            max_staleness_s, trim.retention_s / 2, clock, lambda: trim.now().timestamp()
        )
        self._memory = Residency(memory_bytes)
        self._materialiser = Materialiser(self._materialise, clock=clock)
        self._trimmer = LogTrimmer(log, trim)
        self._snapshots: Snapshots | None = None
        rounds = (
            Rounds(self._check, every_s=CHECK_S),
            Rounds(self._trim, every_s=TRIM_S),
            Rounds(self._save_snapshot, every_s=SAVE_S),
        )
        self._upkeep = Upkeep(self._loaded, rounds, clock=clock)
        self._bases: WeakValueDictionary[str, SuperKnowledgeBase] = WeakValueDictionary()
        """All that anybody refers to, above all the memory: so one id has one object."""

    def start_from(self, snapshots: Snapshots) -> None:
        """Let knowledge bases start from these files, and write them; to be called first."""
        self._snapshots = snapshots

    async def start(self) -> None:
        """Set the log up; may be called again.

        Raises:
            StoreUnavailableError: It cannot be used now.
        """
        await self._log.start()

    def get(self, processor_id: str) -> SuperKnowledgeBase:
        """The knowledge base of that id, made where there is none; asks no store."""
        base = self._bases.get(processor_id)
        if base is None:
            base = SuperKnowledgeBase(
                processor_id,
                self._log,
                self._new_index,
                self._memory,
                self._limits,
                self._materialiser.lagging,
            )
            base.start_from(self._snapshots)
            self._bases[processor_id] = base
        return base

    async def run_materialiser(self) -> None:
        """Write the views of what changed, until cancelled."""
        await self._materialiser.run()

    async def run_upkeep(self) -> None:
        """Notice restored stores, trim, write snapshots, until cancelled."""
        await self._upkeep.run()

    async def materialise_due(self) -> None:
        """One round of what `run_materialiser` does."""
        await self._materialiser.write_due()

    def usage(self) -> KnowledgeUsage:
        bases = list(self._bases.values())
        counts = [base.pattern_count for base in bases]
        loaded = [count for count in counts if count is not None]
        return KnowledgeUsage(
            bases=len(loaded),
            patterns=sum(loaded),
            used_bytes=self._memory.used_bytes,
            unloads=self._memory.unloads,
            checkpoint_lag=max((base.checkpoint_lag for base in bases), default=0),
            views_written=self._materialiser.written,
            view_failures=self._materialiser.failures,
        )

    def _loaded(self) -> list[str]:
        bases = list(self._bases.values())
        return [base.id for base in bases if base.pattern_count is not None]

    async def _check(self, processor_id: str) -> None:
        base = self._bases.get(processor_id)
        if base is not None:
            await base.check()

    async def _save_snapshot(self, processor_id: str) -> None:
        base = self._bases.get(processor_id)
        if base is not None:
            await base.save_snapshot()

    async def _trim(self, processor_id: str) -> None:
        while await self._trimmer.trim(processor_id) == trimming.BATCH:
            pass

    async def _materialise(self, processor_id: str) -> int | None:
        """What was unloaded meanwhile is written after it is loaded again."""
        base = self._bases.get(processor_id)
        return 0 if base is None else await base.materialise()

    async def close(self) -> None:
        """Entries that still wait are answered with an error; their intents stay."""
        for base in list(self._bases.values()):
            await base.close()
        await self._save_snapshots()
        await self._log.close()

    async def _save_snapshots(self) -> None:
        if self._snapshots is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                for base in list(self._bases.values()):
                    await base.save_snapshot(at_the_end=True)
        except TimeoutError:
            self._snapshots.give_up()
