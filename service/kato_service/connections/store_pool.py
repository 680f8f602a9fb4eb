"""The interface that the connections to every store share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """Numbers of connections of one pool; all 0 for an embedded store."""

    in_use: int = 0
    idle: int = 0
    max: int = 0


class StorePool(Protocol):
    name: str
    """The role: redis (sessions), mongodb (knowledge) or qdrant (vectors)."""
    backend: str
    """What fills the role: redis, mongodb, qdrant, memory, sqlite, local or disabled."""

    async def open(self) -> None:
        """Make the client; asks no server."""

    async def check(self) -> None:
        """One cheap round trip.

        Raises:
            StoreRefusedError: The store answered that it cannot serve everything now.
            StoreUnavailableError: The store did not answer, or not as it should.
        """

    def usage(self) -> PoolUsage: ...

    async def close(self) -> None: ...


class EmbeddedStore:
    """A store inside this process, or a disabled one: there is nothing to connect to."""

    def __init__(self, name: str, backend: str) -> None:
        self.name = name
        self.backend = backend
        self.read: Callable[[], Awaitable[Any]] | None = None
        """A cheap read that checks a store in files; None for one in memory."""

    async def open(self) -> None:
        """Do nothing: the store is opened by its owner."""

    async def check(self) -> None:
        if self.read is not None:
            await self.read()

    def usage(self) -> PoolUsage:
        return PoolUsage()

    async def close(self) -> None:
        """Do nothing: the store is closed by its owner."""
