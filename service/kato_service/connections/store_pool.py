"""What the connections to one store look like, whatever the store."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """Connections of one pool."""

    in_use: int = 0
    idle: int = 0
    max: int = 0


class StorePool(Protocol):
    name: str
    """redis | mongodb | qdrant: the role, whatever plays it."""
    backend: str
    """What plays it: the server's name, memory, sqlite, local or disabled."""

    async def open(self) -> None:
        """Make the client; asks no server."""

    async def check(self) -> None:
        """One cheap round trip.

        Raises:
            StoreRefusedError: It answered that it cannot serve everything now.
            StoreUnavailableError: The store did not answer as it should.
        """

    def usage(self) -> PoolUsage: ...

    async def close(self) -> None: ...


class EmbeddedStore:
    """A store inside this process, or none at all: nothing to connect to."""

    def __init__(self, name: str, backend: str) -> None:
        self.name = name
        self.backend = backend
        self.read: Callable[[], Awaitable[Any]] | None = None
        """Something cheap, of a store that is kept in files; what is in memory is there."""

    async def open(self) -> None:
        """Nothing to make."""

    async def check(self) -> None:
        if self.read is not None:
            await self.read()

    def usage(self) -> PoolUsage:
        return PoolUsage()

    async def close(self) -> None:
        """Its owner closes it."""
