"""Which knowledge bases stay in memory: the most recently used ones within a limit of bytes.

Every knowledge base reports its uses here. Nothing is polled, so the cost of a use does not depend
on how many knowledge bases there are.
"""

import asyncio
import time
from collections import OrderedDict
from itertools import islice
from typing import Protocol

import structlog

from kato_service.knowledge.totals import Share, Totals

log = structlog.get_logger()

SLICE_S = 0.005
"""Seconds of unloading after which the event loop gets a turn."""


class Unloadable(Protocol):
    """A knowledge base, as far as its residency is concerned."""

    id: str

    @property
    def in_use(self) -> bool: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def pattern_count(self) -> int | None: ...
    @property
    def checkpoint_lag(self) -> int: ...
    @property
    def is_blank(self) -> bool: ...
    def unload(self) -> None: ...


class Residency:
    """Refers to every knowledge base from its first use until it is unloaded, so to all in use.

    Above the limit, idle knowledge bases are unloaded, least recently used first. The most recently
    used one always stays, so that a knowledge base that is larger than the limit works, alone. One
    whose log has no entry is not kept at all: anybody can ask for any number of them.
    """

    def __init__(self, limit_bytes: float) -> None:
        self.totals = Totals()
        """As of the last use of each."""
        self.unloads = 0
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, Unloadable] = OrderedDict()
        """By id, least recently used first."""
        self._is_check_due = False
        self._blank: set[str] = set()
        """Those that were blank when their last use ended."""

    @property
    def used_bytes(self) -> int:
        """Estimated, as of the last use of each."""
        return self.totals.size_bytes

    @property
    def has_room(self) -> bool:
        """Whether half of the memory is free: what is loaded ahead of its use unloads nothing."""
        return self.used_bytes * 2 <= self._limit_bytes

    def use_started(self, base: Unloadable) -> None:
        self._kept[base.id] = base
        self._kept.move_to_end(base.id)

    def use_ended(self, base_id: str) -> None:
        """A request, or a background task of the knowledge base, no longer uses it."""
        if base_id in self._kept:
            self._kept.move_to_end(base_id)
            self.upkeep_ended(base_id)

    def upkeep_ended(self, base_id: str) -> None:
        """Work that does not count as a use has ended: its size may be another one now."""
        base = self._kept.get(base_id)
        if base is None:
            return
        self._weigh(base)
        if base.is_blank:
            self._blank.add(base_id)
        if self._blank or self.used_bytes > self._limit_bytes:
            self._check_soon()

    def _weigh(self, base: Unloadable) -> None:
        share = Share(base.memory_bytes, base.pattern_count, base.checkpoint_lag)
        self.totals.report(base.id, share)

    def _check_soon(self) -> None:
        """Check in the next turn of the event loop: a request that uses its knowledge base several
        times in a row would otherwise load it as many times."""
        if not self._is_check_due:
            self._is_check_due = True
            asyncio.get_running_loop().call_soon(self._check)

    def _check(self) -> None:
        self._is_check_due = False
        self._drop_blank()
        before = self.unloads
        slice_end = time.monotonic() + SLICE_S
        for base in self._surplus():
            if time.monotonic() > slice_end:
                self._check_soon()
                break
            self._unload(base)
        if self.unloads > before:
            log.info(
                "knowledge bases unloaded", count=self.unloads - before, used_bytes=self.used_bytes
            )

    def _surplus(self) -> list[Unloadable]:
        """What has to be unloaded, least recently used first."""
        surplus = []
        excess = self.used_bytes - self._limit_bytes
        for base in islice(self._kept.values(), max(0, len(self._kept) - 1)):
            if excess <= 0:
                break
            if not base.in_use:
                surplus.append(base)
                excess -= self.totals.size_of(base.id)
        return surplus

    def _drop_blank(self) -> None:
        for base_id in self._blank:
            base = self._kept.get(base_id)
            if base is not None and base.is_blank and not base.in_use:
                self._drop(base)
        self._blank.clear()

    def _unload(self, base: Unloadable) -> None:
        self._drop(base)
        self.unloads += 1

    def _drop(self, base: Unloadable) -> None:
        base.unload()
        del self._kept[base.id]
        self.totals.drop(base.id)
