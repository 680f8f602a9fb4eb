"""Connections to MongoDB or to another server that speaks its protocol."""

import warnings
from dataclasses import dataclass, field
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.monitoring import (
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionCheckOutStartedEvent,
    ConnectionClosedEvent,
    ConnectionCreatedEvent,
    ConnectionPoolListener,
    ConnectionReadyEvent,
    PoolClearedEvent,
    PoolClosedEvent,
    PoolCreatedEvent,
    PoolReadyEvent,
)

from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import SettingsError, StoreUnavailableError


@dataclass(frozen=True, slots=True)
class MongoOptions:
    url: str = field(repr=False)
    database: str = "kato"
    min_size: int = 10
    max_size: int = 50
    max_idle_s: float = 60.0
    wait_queue_timeout_s: float = 5.0
    server_selection_timeout_s: float = 5.0


class MongoConnectionPool:
    name = "mongodb"
    backend = "mongodb"

    def __init__(self, options: MongoOptions) -> None:
        self._max = options.max_size
        self._counter = _Counter()
        self.client = self._client(options)
        self.database: AsyncDatabase[dict[str, Any]] = self.client[options.database]

    def _client(self, options: MongoOptions) -> AsyncMongoClient[dict[str, Any]]:
        """The driver's client; raises SettingsError if the driver rejects the URL."""
        try:
            # The driver only warns of unknown options in a URL: make that an error.
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)
                return AsyncMongoClient(
                    options.url, event_listeners=[self._counter], **_arguments(options)
                )
        except (PyMongoError, UserWarning, ValueError, TypeError) as exc:
            raise SettingsError(
                "MONGO_BASE_URL: the MongoDB driver rejects the URL or one of its options;"
                " accepted: mongodb://[user:password@]host[:port][/?options]"
            ) from exc

    async def open(self) -> None:
        """Do nothing: connections are made on first use."""

    async def check(self) -> None:
        try:
            hello = await self.client.admin.command("hello")
        except PyMongoError as exc:
            raise StoreUnavailableError("mongodb did not answer") from exc
        if not (hello.get("isWritablePrimary") or hello.get("ismaster")):
            raise StoreUnavailableError("mongodb has no primary")

    def usage(self) -> PoolUsage:
        return self._counter.usage(self._max)

    async def close(self) -> None:
        await self.client.close()


def _arguments(options: MongoOptions) -> dict[str, Any]:
    """The driver's options, which override those of the URL.

    Writes are durable on a majority of the members when they are acknowledged. The driver does not
    retry them: the knowledge log decides itself which writes may be sent again.
    """
    return {
        "connect": False,
        "appname": "kato",
        "minPoolSize": options.min_size,
        "maxPoolSize": options.max_size,
        "maxIdleTimeMS": _ms(options.max_idle_s),
        "waitQueueTimeoutMS": _ms(options.wait_queue_timeout_s),
        "serverSelectionTimeoutMS": _ms(options.server_selection_timeout_s),
        "connectTimeoutMS": _ms(options.server_selection_timeout_s),
        "compressors": "snappy,zlib",
        "w": "majority",
        "journal": True,
        "readConcernLevel": "majority",
        "readPreference": "primary",
        "retryWrites": False,
        "retryReads": True,
    }


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


class _Counter(ConnectionPoolListener):
    """Counts the connections to all members; the driver calls it for every change."""

    def __init__(self) -> None:
        self._open = 0
        self._in_use = 0

    def usage(self, max_size: int) -> PoolUsage:
        return PoolUsage(self._in_use, max(0, self._open - self._in_use), max_size)

    def connection_ready(self, _event: ConnectionReadyEvent) -> None:
        self._open += 1

    def connection_closed(self, event: ConnectionClosedEvent) -> None:
        self._open = max(0, self._open - 1)

    def connection_checked_out(self, _event: ConnectionCheckedOutEvent) -> None:
        self._in_use += 1

    def connection_checked_in(self, _event: ConnectionCheckedInEvent) -> None:
        self._in_use -= 1

    def pool_created(self, event: PoolCreatedEvent) -> None: ...
    def pool_ready(self, event: PoolReadyEvent) -> None: ...
    def pool_cleared(self, event: PoolClearedEvent) -> None: ...
    def pool_closed(self, event: PoolClosedEvent) -> None: ...
    def connection_created(self, event: ConnectionCreatedEvent) -> None: ...
    def connection_check_out_started(self, event: ConnectionCheckOutStartedEvent) -> None: ...
    def connection_check_out_failed(self, event: ConnectionCheckOutFailedEvent) -> None: ...
