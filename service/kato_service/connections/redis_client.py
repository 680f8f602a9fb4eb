"""The client of Redis, a single server or a cluster, over connections of our own."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kato_service.connections.redis_address import Command, RedisAddress
from kato_service.connections.redis_cluster import RedisCluster, SharedLook
from kato_service.connections.redis_errors import NoPermissionError, RefusedError
from kato_service.connections.redis_server import RedisServer
from kato_service.connections.store_pool import PoolUsage


@dataclass(frozen=True, slots=True)
class RedisOptions:
    url: str = field(repr=False)
    pool_size: int = 50
    """Connections at once, to each node of a cluster; usually one is enough."""
    socket_timeout_s: float = 2.0
    """Seconds that each command may take, connecting included."""
    idle_s: float = 60.0
    """Seconds after which a further connection that nothing used is closed."""


class RedisClient:
    """A client of one server, or of the cluster that it belongs to.

    The first command finds out which. `call` and `calls` return bytes and never send anything
    twice: only their caller knows which commands are idempotent.
    """

    def __init__(self, options: RedisOptions) -> None:
        """Raises SettingsError if the URL has an unknown option."""
        self._options = options
        self._address = RedisAddress.of(options.url)
        self._server = self._to(self._address)
        self._cluster = RedisCluster(self._server, self._node, options.socket_timeout_s)
        self._looking = SharedLook(self._look, options.socket_timeout_s)
        self.clustered: bool | None = None
        """Whether the server belongs to a cluster; None: not known yet."""

    async def call(self, *command: str | bytes | int | float, apart: bool = False) -> Any:
        """The answer to one command, whose keys are all in one slot.

        Args:
            apart: It may be what breaks connections: send it where nothing else suffers.

        Raises:
            BusyError, NotSentError: It was not sent.
            UnansweredError: It was sent, and nobody knows whether it ran.
            NodeDownError: A node of the cluster did not answer.
            RefusedError: Redis refused it.
        """
        server = self._server
        if self.clustered is False and not server.is_full:
            answer = await server.send(command, apart=apart)
        else:
            (answer,) = await self._asked((command,), apart=apart)
        if isinstance(answer, RefusedError):
            raise answer
        return answer

    async def calls(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to several commands; raises what `call` raises.

        One round trip on a single server; on a cluster one for each command.
        """
        answers = await self._asked(commands, apart=False)
        for answer in answers:
            if isinstance(answer, RefusedError):
                raise answer
        return answers

    def usage(self) -> PoolUsage:
        """Connections; in a cluster those to all nodes."""
        return self._cluster.usage() if self.clustered else self._server.usage()

    async def close(self) -> None:
        await self._cluster.close()
        await self._server.close()

    async def _asked(self, commands: Sequence[Command], *, apart: bool) -> list[Any]:
        if self.clustered is None:
            await self._looking.join()
        if self.clustered:
            return [await self._cluster.asked(command, apart=apart) for command in commands]
        return await self._server.asked(commands, apart=apart)

    async def _look(self) -> None:
        (found,) = await self._server.asked((("INFO", "cluster"),))
        if isinstance(found, RefusedError) and not isinstance(found, NoPermissionError):
            raise found
        # A user that may not ask INFO: assume a single server.
        self.clustered = isinstance(found, bytes) and b"cluster_enabled:1" in found

    def _node(self, host: str, port: int) -> RedisServer:
        """A node of the cluster at that address; a cluster has only database 0."""
        host = host or self._address.host
        return self._to(replace(self._address, host=host, port=port, database=0))

    def _to(self, address: RedisAddress) -> RedisServer:
        options = self._options
        return RedisServer(
            address,
            timeout_s=options.socket_timeout_s,
            most=options.pool_size,
            idle_s=options.idle_s,
        )
