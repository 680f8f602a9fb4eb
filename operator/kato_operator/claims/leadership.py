"""Leader election among the processes of one installation, by its Lease.

It follows the leader election of client-go: a Lease is taken when it is free, or when it was not
seen to change for its duration. The holder stops writing well before that.
"""

import asyncio
import math
import time
from collections.abc import Callable
from uuid import uuid4

import structlog

from kato_operator.claims import lease
from kato_operator.claims.lease import Installation, Unchanged
from kato_operator.cluster.kube import Kube
from kato_operator.errors import ConflictError, KubeError, MissingError
from kato_operator.kinds import LEASE
from kato_operator.manifests import Manifest

log = structlog.get_logger()

RENEWALS = 3
"""A Lease is renewed so many times in its duration."""
RETRIES = 15
"""So many attempts fit into the duration of a Lease, while it is not renewed."""
USABLE_SHARE = 2 / 3
"""The share of a Lease's duration, counted from the start of a renewal, in which its holder writes.

The rest is for requests that are on their way when it ends.
"""


def awake_or_not() -> float:
    """Seconds on a clock that also runs while the machine sleeps: the lid of a laptop may close."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Leadership:
    """Whether this process is the one of its installation that writes, as long as `run` runs.

    Args:
        process: Name that only this process has, and those that ran in its place before; empty if
            such a name is not known. A predecessor's Lease is taken at once.
        lease_s: Seconds that a Lease lasts.
    """

    def __init__(
        self,
        kube: Kube,
        installation: Installation,
        *,
        process: str,
        lease_s: int,
        clock: Callable[[], float] = awake_or_not,
    ) -> None:
        self._kube = kube
        self.installation = installation
        self._process = process
        self._identity = f"{process or 'process'}_{uuid4().hex[:8]}"
        self._lease_s = lease_s
        self._clock = clock
        self._live: Manifest | None = None
        self._unchanged = Unchanged(clock=clock, longest_s=lease_s / RENEWALS)
        self._usable_until = -math.inf
        self._held_since = 0.0
        self._is_holding = False
        self._has_held = False
        self._failure = ""
        self._acquired = asyncio.Event()

    @property
    def remaining_s(self) -> float:
        """Seconds for which this process may still write; not above 0 when it may not."""
        return self._usable_until - self._clock()

    @property
    def is_held(self) -> bool:
        return self.remaining_s > 0

    @property
    def held_for_s(self) -> float:
        """Seconds since this process holds the Lease without interruption; 0 if it does not."""
        return self._clock() - self._held_since if self.is_held else 0.0

    @property
    def holder(self) -> str:
        """Who holds the Lease, as last seen; empty if nobody."""
        return lease.holder(self._live or {})

    async def held(self) -> None:
        """Wait until this process holds the Lease."""
        while not self.is_held:
            self._acquired.clear()
            await self._acquired.wait()

    async def run(self) -> None:
        """Take the Lease as soon as possible, and renew it, until cancelled."""
        while True:
            delay_s = await self.step()
            await asyncio.sleep(delay_s)

    async def step(self) -> float:
        """One attempt to take or renew; the seconds until the next one."""
        self._notice_loss()
        try:
            succeeded = await self._attempt()
        except (ConflictError, MissingError):  # changed or deleted by others: look again
            self._live, succeeded = None, False
        except KubeError as error:
            self._unchanged.missed()
            succeeded = False
            self._note(str(error))
        self._notice_loss()
        return self._lease_s / (RENEWALS if succeeded else RETRIES)

    async def release(self) -> None:
        """Free the Lease for the next process that looks; nothing may be written from now on."""
        was_held, self._usable_until = self.is_held, -math.inf
        if not was_held:
            return
        try:
            live = await self._look()
            if live is not None and lease.holder(live) == self._identity:
                await self._put(lease.released(live))
        except KubeError as error:
            log.warning("lease not released", error=str(error), expires_in_s=self._lease_s)
        else:
            log.info("lease released", lease=str(self.installation))

    def _notice_loss(self) -> None:
        """Log that the Lease was lost since the last attempt, or by it."""
        if self._is_holding and not self.is_held:
            self._is_holding = False
            log.warning("lease lost, nothing is written", lease=str(self.installation))

    def _note(self, failure: str) -> None:
        """Log a failure of attempts, unless it is that of the attempt before."""
        if failure != self._failure:
            log.warning("lease not taken", lease=str(self.installation), error=failure)
        self._failure = failure

    async def _attempt(self) -> bool:
        asked_at = self._clock()
        if self._live is None or not self.is_held:
            self._live = await self._look()
        if not self._may_take(self._live):
            self._usable_until = -math.inf
            return False
        wanted = lease.taken(
            self._live, self.installation, by=self._identity, lease_s=self._lease_s
        )
        self._live = await self._put(wanted)
        self._hold(asked_at)
        return True

    def _may_take(self, live: Manifest | None) -> bool:
        if live is None:
            return True
        silent_s = self._unchanged.seen(live["metadata"]["resourceVersion"])
        holder = lease.holder(live)
        if holder in ("", self._identity) or self._was_in_our_place(holder):
            return True
        return silent_s >= lease.duration_s(live, default_s=self._lease_s)

    def _was_in_our_place(self, holder: str) -> bool:
        """Whether the holder ran where this process runs now, such as in the same pod.

        A process that has held the Lease itself was replaced in turn: it does not take it back.
        """
        is_namesake = bool(self._process) and holder.rpartition("_")[0] == self._process
        return is_namesake and not self._has_held

    def _hold(self, asked_at: float) -> None:
        if not self._is_holding:
            self._is_holding, self._held_since = True, self._clock()
            log.info("lease taken", lease=str(self.installation), holder=self._identity)
        self._has_held, self._failure = True, ""
        self._usable_until = asked_at + self._lease_s * USABLE_SHARE
        self._acquired.set()

    async def _look(self) -> Manifest | None:
        place = self.installation
        path = LEASE.path(place.namespace, place.name)
        try:
            return await self._kube.direct("GET", path, timeout_s=self._timeout_s)
        except MissingError:
            return None

    async def _put(self, wanted: Manifest) -> Manifest:
        """Create the Lease, or replace it in the version that was seen."""
        meta = wanted["metadata"]
        is_new = "resourceVersion" not in meta
        path = LEASE.path(meta["namespace"], "" if is_new else meta["name"])
        method = "POST" if is_new else "PUT"
        return await self._kube.direct(method, path, wanted, timeout_s=self._timeout_s)

    @property
    def _timeout_s(self) -> float:
        return self._lease_s / RENEWALS / 2
