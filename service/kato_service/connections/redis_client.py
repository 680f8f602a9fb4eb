"""The client of Redis, a single server or a cluster, over connections of our own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from redis import DriverInfo
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, RedisError
from redis.maint_notifications import MaintNotificationsConfig
from redis.typing import EncodableT

from kato_service.connections.redis_cluster import RedisCluster
from kato_service.connections.redis_server import Command, RedisServer
from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import SettingsError


@dataclass(frozen=True, slots=True)
class RedisOptions:
    url: str = field(repr=False)
    pool_size: int = 50
    """Commands in progress at once, each on a connection."""
    socket_timeout_s: float = 2.0
    """Seconds for one round trip, connecting included, and for a free connection."""


class BusyError(RedisConnectionError):
    """Every connection was in use until the time-out; nothing was sent."""


class RedisClient(Redis):
    """A client of one server, or of the cluster that it belongs to.

    The first command finds out which. `call` and `calls` return bytes and never send anything
    twice: only their caller knows which commands are idempotent.
    """

    def __init__(self, options: RedisOptions) -> None:
        pool = _pool(options)
        super().__init__(connection_pool=pool)
        self._options = options
        self._pool = pool
        self._room = asyncio.Semaphore(options.pool_size)
        self._in_use = 0
        self._server = RedisServer(pool, options.socket_timeout_s)
        self._cluster = RedisCluster(self._server, self._node)
        self._looking = asyncio.Lock()
        self.clustered: bool | None = None
        """Whether the server belongs to a cluster; None: not known yet."""

    async def call(self, *command: EncodableT) -> Any:
        """The answer to one command, whose keys are all in one slot.

        Raises:
            BusyError: No connection was free; it was not sent.
            RedisError: It was refused; or nothing answered, and it may have run.
        """
        return (await self.calls((command,)))[0]

    async def calls(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to several commands; raises what `call` raises.

        One round trip on a single server; on a cluster one for each command.
        """
        await self._enter()
        try:
            answers = await self._asked(commands)
        finally:
            self._in_use -= 1
            self._room.release()
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    def usage(self) -> PoolUsage:
        idle = self._cluster.idle if self.clustered else len(self._server.idle)
        return PoolUsage(self._in_use, idle, self._options.pool_size)

    async def close(self) -> None:
        await self._cluster.close()
        await self._server.close()
        await self.aclose()
        await self._pool.aclose()

    async def _enter(self) -> None:
        """Take one of the places for commands in progress."""
        if self._room.locked():
            await self._waited()
        else:
            await self._room.acquire()
        self._in_use += 1

    async def _asked(self, commands: Sequence[Command]) -> list[Any]:
        if self.clustered is None:
            await self._look()
        if self.clustered:
            return [await self._cluster.asked(command) for command in commands]
        return await self._server.asked(commands)

    async def _waited(self) -> None:
        try:
            async with asyncio.timeout(self._options.socket_timeout_s):
                await self._room.acquire()
        except TimeoutError as exc:
            raise BusyError("no connection became free in time") from exc

    async def _look(self) -> None:
        async with self._looking:
            if self.clustered is not None:
                return  # another command found out while this one waited
            (found,) = await self._server.asked((("INFO", "cluster"),))
            if isinstance(found, RedisError) and not isinstance(found, NoPermissionError):
                raise found
            # A user that may not ask INFO: assume a single server.
            self.clustered = isinstance(found, bytes) and b"cluster_enabled:1" in found

    def _node(self, host: str, port: int) -> RedisServer:
        """A node of the cluster at that address; a cluster has only database 0."""
        arguments = _arguments(self._options) | {"port": port, "db": 0}
        if host:
            arguments["host"] = host
        return RedisServer(ConnectionPool(**arguments), self._options.socket_timeout_s)


def _pool(options: RedisOptions) -> ConnectionPool:
    """Makes connections with the options of the URL; raises SettingsError if one is unknown."""
    try:
        pool = ConnectionPool(**_arguments(options))
        # Options are checked when a connection is made, which would be too late: make one now.
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError) as exc:
        raise SettingsError(
            "REDIS_URL: the URL has an unknown option or database;"
            " accepted: redis://[user:password@]host[:port][/database]"
        ) from exc
    return pool


def _arguments(options: RedisOptions) -> dict[str, Any]:
    """The driver's options: those of the URL, overridden by those that settings decide."""
    return dict(parse_url(options.url)) | {
        "max_connections": options.pool_size,
        "socket_timeout": None,  # `RedisServer` has one for the whole round trip
        "socket_connect_timeout": options.socket_timeout_s,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "driver_info": _driver_info(),
    }


@cache
def _driver_info() -> DriverInfo:
    """The driver's name and version; it would look them up on disk for each connection."""
    return DriverInfo()
