"""Connections to Redis: one server, or a cluster."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig
from redis.typing import EncodableT

from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import SettingsError, StoreUnavailableError


@dataclass(frozen=True, slots=True)
class RedisOptions:
    url: str = field(repr=False)
    pool_size: int = 50
    socket_timeout_s: float = 2.0


class NothingSentError(RedisConnectionError):
    """There was no connection to send a command over."""


class RedisClient(Redis):
    """A server, or the cluster that it belongs to; the first command finds out which.

    Answers bytes; repeats nothing by itself, as only its caller knows what is safe.
    """

    def __init__(self, pool: ConnectionPool, options: RedisOptions) -> None:
        super().__init__(connection_pool=pool)
        self._options = options
        self._pool = pool
        self._room = asyncio.Semaphore(options.pool_size)
        self._idle: list[AbstractConnection] = []
        self._looking = asyncio.Lock()
        self._cluster: RedisCluster | None = None
        self.clustered: bool | None = None
        """None: nobody asked yet."""

    async def call(self, *command: EncodableT) -> Any:
        """The answer to one command, whose keys are all in one slot.

        Raises:
            NothingSentError: It did not run.
            RedisError: It was refused; where the server did not answer, it may have run.
        """
        async with self._place():
            if self.clustered is None:
                await self._look()
            if self.clustered:
                return await self._call_of_cluster(command)
            return (await self._answers((command,)))[0]

    async def calls(self, commands: Sequence[Sequence[EncodableT]]) -> list[Any]:
        """The answers to several, in one round trip where there is one server; raises as `call`."""
        if self.clustered is None:
            await self.call("PING")
        if self.clustered:
            return await asyncio.gather(*(self.call(*command) for command in commands))
        async with self._place():
            return await self._answers(commands)

    def usage(self) -> PoolUsage:
        """Connections; of a cluster, commands under way."""
        size = self._options.pool_size
        return PoolUsage(size - self._room._value, len(self._idle), size)

    async def close(self) -> None:
        for connection in self._idle:
            await connection.disconnect(nowait=True)
        if self._cluster is not None:
            await self._cluster.aclose()
        await self.aclose()
        await self._pool.aclose()

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of as many commands as may be under way at once."""
        if not self._room.locked():
            await self._room.acquire()
        else:
            try:
                async with asyncio.timeout(self._options.socket_timeout_s):
                    await self._room.acquire()
            except TimeoutError as exc:
                raise NothingSentError("all connections were busy") from exc
        try:
            yield
        finally:
            self._room.release()

    async def _answers(self, commands: Sequence[Sequence[EncodableT]]) -> list[Any]:
        connection = self._idle.pop() if self._idle else self._pool.make_connection()
        try:
            await _connected(connection)
            packed = [piece for one in commands for piece in connection.pack_command(*one)]
            await connection.send_packed_command(packed, check_health=False)
            # All are read before one is raised: the next command wants the connection clean.
            answers = [await _answer(connection) for _ in commands]
        except (RedisConnectionError, RedisTimeoutError, OSError):
            await self._drop_idle()
            raise
        finally:
            self._idle.append(connection)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    async def _drop_idle(self) -> None:
        """What ended one connection has most likely ended them all."""
        for connection in self._idle:
            await connection.disconnect(nowait=True)

    async def _look(self) -> None:
        async with self._looking:
            if self.clustered is not None:
                return
            try:
                (found,) = await self._answers((("INFO", "cluster"),))
            except ResponseError:
                found = b""  # a user that may not ask: then it is one server
            self.clustered = b"cluster_enabled:1" in found

    async def _call_of_cluster(self, command: Sequence[EncodableT]) -> Any:
        if self._cluster is None:
            self._cluster = _cluster(self._options)
        known = self._cluster
        try:
            return await known.execute_command(*command)
        except RedisClusterException as exc:
            # None of the nodes known last is there any more: begin with the URL's again.
            if self._cluster is known:
                self._cluster = None
                await known.aclose()
            raise NothingSentError("no node of the cluster answered") from exc


class RedisConnectionPool:
    name = "redis"
    backend = "redis"

    def __init__(self, options: RedisOptions) -> None:
        self.client = RedisClient(_pool(options), options)

    async def open(self) -> None:
        """Connections are made on first use."""

    async def check(self) -> None:
        try:
            await self.client.call("PING")
        except (RedisError, OSError) as exc:
            raise StoreUnavailableError("redis did not answer") from exc

    def usage(self) -> PoolUsage:
        return self.client.usage()

    async def close(self) -> None:
        await self.client.close()


async def _connected(connection: AbstractConnection) -> None:
    if connection.is_connected:
        return
    try:
        await connection.connect()
    except (RedisConnectionError, RedisTimeoutError, OSError) as exc:
        raise NothingSentError("redis could not be connected to") from exc


async def _answer(connection: AbstractConnection) -> Any:
    """An answer, or the refusal that it is."""
    try:
        return await connection.read_response()
    except ResponseError as exc:
        return exc


def _cluster(options: RedisOptions) -> RedisCluster:
    """Its nodes are found on first use."""
    taken = ("host", "port", "username", "password", "ssl", *_SSL_OPTIONS)
    arguments = {name: value for name, value in _arguments(options).items() if name in taken}
    return RedisCluster(
        **arguments,
        max_connections=options.pool_size,
        socket_timeout=options.socket_timeout_s,
        socket_connect_timeout=options.socket_timeout_s,
        retry=Retry(NoBackoff(), 0),
        require_full_coverage=False,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


def _pool(options: RedisOptions) -> ConnectionPool:
    """Raises SettingsError where the URL holds what no connection takes."""
    try:
        pool = ConnectionPool(**_arguments(options))
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError) as exc:
        raise SettingsError(
            "REDIS_URL: an option or the database of the URL is not known;"
            " accepted: redis://[user:password@]host[:port][/database]"
        ) from exc
    return pool


def _arguments(options: RedisOptions) -> dict[str, Any]:
    """What the URL says, where no variable says otherwise."""
    return dict(parse_url(options.url)) | {
        "max_connections": options.pool_size,
        "socket_timeout": options.socket_timeout_s,
        "socket_connect_timeout": options.socket_timeout_s,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
