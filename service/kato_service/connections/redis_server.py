"""One Redis server, and the connections to it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.typing import EncodableT

Command = Sequence[EncodableT]


class RedisServer:
    """One server, asked over connections that are kept for the next command."""

    def __init__(self, pool: ConnectionPool, timeout_s: float) -> None:
        """*timeout_s* is for one round trip, connecting included."""
        self._pool = pool
        self._timeout_s = timeout_s
        self.idle: list[AbstractConnection] = []

    async def asked(self, commands: Sequence[Command]) -> list[Any]:
        """The answers, refusals among them, in one round trip.

        Raises:
            RedisConnectionError, RedisTimeoutError, OSError: Nothing answered.
        """
        connection = self.idle.pop() if self.idle else self._made()
        try:
            return await self._answers(connection, commands)
        except TimeoutError as exc:
            await self._drop(connection)
            raise RedisTimeoutError("no answer in time") from exc
        except (RedisConnectionError, RedisTimeoutError, OSError):
            # What broke this connection has most likely broken the others.
            await self._drop(connection)
            raise
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            self.idle.append(connection)

    async def _answers(
        self, connection: AbstractConnection, commands: Sequence[Command]
    ) -> list[Any]:
        async with asyncio.timeout(self._timeout_s):
            if not connection.is_connected:
                await connection.connect()  # type: ignore[no-untyped-call]  # untyped there
            packed = [piece for one in commands for piece in connection.pack_command(*one)]
            await connection.send_packed_command(packed, check_health=False)
            return [await _answer(connection) for _ in commands]

    async def _drop(self, connection: AbstractConnection) -> None:
        await connection.disconnect(nowait=True)
        await self.close()

    async def close(self) -> None:
        dropped, self.idle = self.idle, []
        for connection in dropped:
            await connection.disconnect(nowait=True)

    def _made(self) -> AbstractConnection:
        made: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # as above
        return made


async def _answer(connection: AbstractConnection) -> Any:
    """An answer, or the refusal that came instead."""
    try:
        return await connection.read_response()
    except ResponseError as exc:
        return exc
