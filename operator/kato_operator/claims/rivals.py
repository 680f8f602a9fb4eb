"""Other installations that have claimed instances: whether they are still there."""

from collections.abc import Callable, Iterable

import structlog

from kato_operator.claims import lease
from kato_operator.claims.leadership import awake_or_not
from kato_operator.claims.lease import Unchanged
from kato_operator.cluster.kube import Kube
from kato_operator.errors import KubeError
from kato_operator.kinds import LEASE

log = structlog.get_logger()


class Rivals:
    """Judges installations by whether their Leases change.

    An installation whose Lease cannot be read counts as present: its instances are left alone.

    Args:
        gone_after_s: Seconds without a change after which an installation counts as gone.
    """

    def __init__(
        self, kube: Kube, *, gone_after_s: float, clock: Callable[[], float] = awake_or_not
    ) -> None:
        self._kube = kube
        self._gone_after_s = gone_after_s
        self._clock = clock
        self._leases: dict[str, Unchanged] = {}
        self._gone: set[str] = set()

    def is_gone(self, owner: str) -> bool:
        """Whether the Lease of an installation was not seen to change for so long."""
        return owner in self._gone

    async def look(self, owners: Iterable[str], *, every_s: float) -> None:
        """Look at the Leases of these installations; all others are forgotten.

        Args:
            every_s: Seconds between two calls.
        """
        asked = set(owners)
        self._gone &= asked
        self._leases = {
            owner: self._leases.get(owner) or Unchanged(clock=self._clock, longest_s=2 * every_s)
            for owner in asked
        }
        for owner, unchanged in self._leases.items():
            await self._look(owner, unchanged)

    async def _look(self, owner: str, unchanged: Unchanged) -> None:
        try:
            silent_s = unchanged.seen(await self._version(owner))
        except KubeError as error:
            unchanged.missed()
            self._gone.discard(owner)
            log.info("lease of another installation not read", owner=owner, error=str(error))
            return
        if silent_s < self._gone_after_s:
            self._gone.discard(owner)
        elif owner not in self._gone:
            log.warning("another installation is gone", owner=owner, silent_s=round(silent_s))
            self._gone.add(owner)

    async def _version(self, owner: str) -> str:
        """The version of a Lease; empty if it does not exist, or no installation has the name."""
        place = lease.installation(owner)
        if place is None:
            return ""
        live = await self._kube.get(LEASE, place.namespace, place.name)
        return "" if live is None else str(live["metadata"]["resourceVersion"])
