"""All connections of a process: opened, monitored and closed together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from kato_service.connections.circuit import Circuit
from kato_service.connections.local_vectors import LocalVectors
from kato_service.connections.monitor import CheckPlan, StoreHealth, StoreMonitor
from kato_service.connections.store_pool import EmbeddedStore, StorePool

if TYPE_CHECKING:
    from kato_service.connections.mongo_pool import MongoConnectionPool
    from kato_service.connections.qdrant_pool import QdrantConnectionPool
    from kato_service.connections.redis_pool import RedisConnectionPool

SetUp = Callable[[], Awaitable[None]]


class DatabaseManager:
    """The three stores of a service, servers or embedded ones."""

    def __init__(
        self,
        redis: "RedisConnectionPool | EmbeddedStore",
        mongodb: "MongoConnectionPool | EmbeddedStore",
        qdrant: "QdrantConnectionPool | LocalVectors | EmbeddedStore",
        plan: CheckPlan,
    ) -> None:
        self.redis = redis
        self.mongodb = mongodb
        self.qdrant = qdrant
        self._plan = plan
        self.circuits = {
            pool.name: Circuit(pool.name, opens_after=plan.failures) for pool in self._pools()
        }
        """By role (redis, mongodb, qdrant): every call to a store goes through its circuit."""
        self._monitors = {pool.name: self._monitor(pool, {}) for pool in self._pools()}

    async def open(self, set_up: Mapping[str, SetUp]) -> None:
        """Make the clients; no server is asked yet.

        Args:
            set_up: By role, what a store needs once before it is usable; its monitor repeats that
                until it succeeds.

        Raises:
            SettingsError: A client cannot be made from the settings.
        """
        for pool in self._pools():
            await pool.open()
            self._monitors[pool.name] = self._monitor(pool, set_up)

    async def run(self) -> None:
        """Monitor all stores until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, monitor in self._monitors.items():
                tasks.create_task(monitor.run(), name=f"health of {name}")

    def health(self) -> dict[str, StoreHealth]:
        """By role: redis, mongodb, qdrant."""
        return {name: monitor.health() for name, monitor in self._monitors.items()}

    @property
    def set_up(self) -> bool:
        """Whether every store was set up, if only once."""
        return all(monitor.was_set_up for monitor in self._monitors.values())

    def usable(self, name: str) -> bool:
        return self._monitors[name].usable

    async def close(self) -> None:
        for pool in self._pools():
            await pool.close()

    def _monitor(self, pool: StorePool, set_up: Mapping[str, SetUp]) -> StoreMonitor:
        circuit = self.circuits[pool.name]
        return StoreMonitor(pool, circuit, self._plan, set_up.get(pool.name))

    def _pools(self) -> tuple[StorePool, ...]:
        return (self.redis, self.mongodb, self.qdrant)
