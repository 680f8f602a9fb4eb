"""How many connections a process keeps open, and how many of them one client address.

Every connection takes one of the files that a process may open. Who opens as many as possible and
sends nothing must leave some to the others (decision 0037).
"""

import asyncio
import resource
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from kato_service.access.addresses import UNKNOWN, ClientAddresses, counted_together
from kato_service.api.intake.admission import Held
from kato_service.domain.shares import Holder, share_of_caller
from kato_service.server.refusals import Refusal

MAX_CONNECTIONS = 20_000
"""Open connections, as far as the limit on open files allows as many."""
OTHER_FILES = 256
"""Open files that are left for stores, snapshots and logs; at most a quarter of all."""
RETRY_AFTER_S = 5


class OpenConnections:
    def __init__(
        self, addresses: ClientAddresses, shed: Callable[[str], None], most: int | None = None
    ) -> None:
        """Args:
        shed: Told the name of the limit whenever one is refused.
        most: Open connections; None: as many as files and `MAX_CONNECTIONS` allow.
        """
        self._addresses = addresses
        self._shed = shed
        self._most = most or most_connections()
        self._held = Held()

    def add(self, holder: Holder) -> Refusal | None:
        """Count one more; the refusal if it is one too many, which counts until it is closed."""
        self._held.add(holder, 1)
        of_one = share_of_caller(self._most)
        if self._held.total > self._most:
            return self._refused(
                f"{self._most} connections are open, as many as this process allows"
            )
        # A trusted proxy brings the requests of everybody.
        if self._held.of(holder) > of_one and not self._addresses.is_proxy(holder.name):
            return self._refused(
                f"{of_one} connections of this {holder.noun} are open, as many as one may have"
            )
        return None

    def remove(self, holder: Holder) -> None:
        self._held.add(holder, -1)

    def _refused(self, reason: str) -> Refusal:
        self._shed("connections")
        return Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{reason}; close some, or retry later",
            code="OVERLOADED",
            retry_after_s=RETRY_AFTER_S,
        )


class CountedConnection(asyncio.Protocol):
    """Mixed into a protocol of uvicorn, before it in the bases."""

    places: ClassVar[OpenConnections | None] = None
    """An attribute of the class, because uvicorn makes the instances; None: any number."""
    _holder: Holder | None = None
    """Who the connection counts for; None: it does not count."""
    _surplus: Refusal | None = None
    """Why the connection is one too many."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.places is not None:
            peer = transport.get_extra_info("peername")
            address = str(peer[0]) if isinstance(peer, tuple) else UNKNOWN
            self._holder = Holder("address", counted_together(address))
            self._surplus = self.places.add(self._holder)

    def connection_lost(self, exc: Exception | None) -> None:
        self._uncount()
        super().connection_lost(exc)

    def _uncount(self) -> None:
        if self.places is not None and self._holder is not None:
            self.places.remove(self._holder)
            self._holder = None


def most_connections() -> int:
    """Connections that may be open: all files that a process may open but some."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(1, soft - min(OTHER_FILES, soft // 4)))
