"""All knowledge bases of a process, by processor id."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakValueDictionary

from kato_service.findings import Place
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.configurations import Configurations
from kato_service.knowledge.model.erasures import Erasure, Erasures
from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.log import LAST_REVISION, Head, KnowledgeLog
from kato_service.knowledge.replica import moments
from kato_service.knowledge.replica.moments import Reach
from kato_service.knowledge.residency import Residency
from kato_service.knowledge.snapshots.snapshots import Snapshots
from kato_service.knowledge.super_knowledge_base import SharedParts, SuperKnowledgeBase
from kato_service.knowledge.writing.erasing import LogEraser, Removed
from kato_service.knowledge.writing.materialiser import Materialiser
from kato_service.knowledge.writing.trimming import NO_TRIM, LogTrimmer, TrimPlan
from kato_service.knowledge.writing.upkeep import Rounds, Upkeep

MOST_NAMES = 10_000
"""Users that are kept in mind, until the log of each notes its own."""


@dataclass(frozen=True, slots=True)
class KnowledgeUsage:
    """What the loaded knowledge bases amount to, each as of its last use."""

    bases: int
    patterns: int
    used_bytes: int
    """Estimated."""
    unloads: int
    """Since the start of this process."""
    checkpoint_lag: int
    """Entries that the views do not show yet, of the knowledge base that has most of them."""
    views_written: int
    """Since the start of this process."""
    view_failures: int
    """Attempts to write views that failed because the store did not answer."""


class KnowledgeBases:
    def __init__(
        self,
        log: KnowledgeLog,
        new_index: Callable[[], PatternIndex],
        *,
        limits: KnowledgeLimits = DEFAULT_LIMITS,
        trim: TrimPlan = NO_TRIM,
        snapshots: Snapshots | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        new_index: Makes the empty index of a fold: `PatternSearcher.new_index`.
        trim: When the log may be trimmed; never by default.
        snapshots: Files that knowledge bases start from and write; none by default.
        """
        self._log = log
        self._limits = limits
        self._snapshots = snapshots
        self._residency = Residency(limits.memory_bytes)
        self._materialiser = Materialiser(self._materialise, limits, clock=clock)
        self._trimmer = LogTrimmer(log, trim, limits)
        self._upkeep = Upkeep(
            self._loaded,
            (
                Rounds(self._check, every_s=limits.check_every_s, most=limits.bases_per_round),
                Rounds(self._trim, every_s=limits.trim_every_s, most=limits.bases_per_round),
                Rounds(self._save, every_s=limits.snapshot_every_s, most=limits.bases_per_round),
            ),
            tick_s=limits.check_every_s,
            clock=clock,
        )
        self._shared = SharedParts(
            log=log,
            new_index=new_index,
            residency=self._residency,
            limits=limits,
            on_lag=self._materialiser.schedule,
            snapshots=snapshots,
            clock=clock,
            wall=lambda: trim.now().timestamp(),
        )
        self._bases: WeakValueDictionary[str, SuperKnowledgeBase] = WeakValueDictionary()
        """All that are referred to, above all by the residency: one id has one object."""
        self._users: dict[str, str] = {}
        """Whose some of them are, as requests said; the oldest are forgotten."""
        self.is_set_up = asyncio.Event()
        """Set once the log was."""

    async def start(self) -> None:
        """Set up the log; may be repeated.

        Raises:
            StoreUnavailableError: It cannot be used now.
        """
        await self._log.start()
        self.is_set_up.set()

    def get(self, processor_id: str, user: str | None = None) -> SuperKnowledgeBase:
        """The knowledge base of that id, created if there is none yet; no store is asked.

        Args:
            user: Whose it is, where that is known.
        """
        base = self._bases.get(processor_id)
        if base is None:
            base = self._bases[processor_id] = SuperKnowledgeBase(processor_id, self._shared)
            user = user or self._users.get(processor_id)
        if user is not None:
            self._users[processor_id] = user
            base.belongs_to(user)
            if len(self._users) > MOST_NAMES:
                del self._users[next(iter(self._users))]
        return base

    @property
    def configurations(self) -> Configurations:
        return self._log.configurations

    @property
    def erasures(self) -> Erasures:
        return self._log.erasures

    async def head(self, processor_id: str) -> Head | None:
        """The head of its log, as the store has it now; None: it has none."""
        return await self._log.head(processor_id)

    async def heads(self, instance: str, after: str, *, limit: int) -> Sequence[tuple[str, Head]]:
        """Knowledge bases of *instance* with their heads; see `KnowledgeLog.heads`. None is
        loaded."""
        return await self._log.heads(instance, after, limit=limit)

    async def learned_at(self, processor_id: str, head: Head) -> datetime | None:
        """When the last learn went in, as the log has it now; None: not known, or never."""
        known = head.figures
        after = 0 if known is None else known.revision
        found = await self._log.learned_at(processor_id, after, LAST_REVISION)
        return found or (None if known is None else known.learned_at)

    async def revision_at(self, processor_id: str, when: datetime, place: Place) -> int:
        """The last revision of its log that went in at *when* or earlier; see `moments`."""
        return await moments.revision_at(self._log, processor_id, when, place)

    async def reach(self, processor_id: str) -> Reach:
        """Which entries its log has."""
        return await moments.reach(self._log, processor_id)

    async def revisions_at(
        self, processor_id: str, times: Sequence[datetime], within: Reach
    ) -> list[int]:
        """For each time, the last revision that went in then or earlier; see `moments`."""
        return await moments.revisions_at(self._log, processor_id, times, within)

    async def create(self, processor_id: str, user: str) -> None:
        """Note that there is such a user, unless that is known; nothing is loaded."""
        await self._log.create(processor_id, user)

    def loaded_bytes(self, processor_id: str) -> int | None:
        """Estimated size in the memory of this process; None: not loaded."""
        base = self._bases.get(processor_id)
        return None if base is None else base.loaded_bytes

    async def remove_erased(
        self, erasure: Erasure, on_progress: Callable[[], Awaitable[None]]
    ) -> Removed:
        """Remove from the store what an erasure has cleared; see `LogEraser`."""
        eraser = LogEraser(self._log, self._limits)
        removed = await eraser.remove(
            erasure.kb, erasure.incarnation, erasure.revision, on_progress
        )
        base = self._bases.get(erasure.kb)
        if base is not None:
            await base.check()
        await self.remove_snapshots([erasure])
        return removed

    async def scrub(self) -> None:
        """Leave nothing of what was removed in files of this process."""
        await self._log.scrub()

    async def remove_snapshots(self, erasures: Sequence[Erasure]) -> int:
        """Remove snapshot files of this process that hold what was erased."""
        erased = {one.incarnation: one.revision for one in erasures if one.incarnation}
        if self._snapshots is None or not erased:
            return 0
        return await self._snapshots.remove(erased)

    async def run_materialiser(self) -> None:
        """Write the views of what changed, until cancelled."""
        await self._materialiser.run()

    async def run_upkeep(self) -> None:
        """Notice restored stores, trim logs and write snapshot files, until cancelled."""
        await self._upkeep.run()

    async def materialise_due(self) -> None:
        """One round of `run_materialiser`."""
        await self._materialiser.write_due()

    def usage(self) -> KnowledgeUsage:
        """Read from running sums: as fast for any number of knowledge bases."""
        totals = self._residency.totals
        return KnowledgeUsage(
            bases=totals.loaded,
            patterns=totals.patterns,
            used_bytes=self._residency.used_bytes,
            unloads=self._residency.unloads,
            checkpoint_lag=totals.largest_lag,
            views_written=self._materialiser.written,
            view_failures=self._materialiser.failures,
        )

    async def close(self) -> None:
        """Fail the entries that still wait (their intents stay stored), then write snapshots."""
        for base in list(self._bases.values()):
            await base.close()
        await self._save_all()
        await self._log.close()

    def _loaded(self) -> list[str]:
        bases = list(self._bases.values())
        return [base.id for base in bases if base.pattern_count is not None]

    async def _check(self, processor_id: str) -> None:
        base = self._bases.get(processor_id)
        if base is not None:
            await base.check()

    async def _trim(self, processor_id: str) -> None:
        while await self._trimmer.trim(processor_id) == self._limits.trim_entries:
            pass

    async def _save(self, processor_id: str) -> None:
        base = self._bases.get(processor_id)
        if base is not None:
            await base.save_snapshot()

    async def _materialise(self, processor_id: str) -> int | None:
        """Views written. A knowledge base that was unloaded meanwhile is written after it is
        loaded again: loading it reports its lag."""
        base = self._bases.get(processor_id)
        return 0 if base is None else await base.materialise()

    async def _save_all(self) -> None:
        if self._snapshots is None:
            return
        try:
            async with asyncio.timeout(self._limits.snapshot_close_s):
                for base in list(self._bases.values()):
                    await base.save_snapshot(at_the_end=True)
        except TimeoutError:
            self._snapshots.give_up()
