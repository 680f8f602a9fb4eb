"""One Redis server and the idle connections to it.

Only the driver's connections are used, not its commands and retries, which cost more than a round
trip (decision 0016).
"""

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
    """One server, over connections that are kept for later commands."""

    def __init__(self, pool: ConnectionPool, timeout_s: float) -> None:
        """*timeout_s*: seconds for one round trip, connecting included."""
        self._pool = pool
        self._timeout_s = timeout_s
        self.idle: list[AbstractConnection] = []

    async def asked(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to *commands*, in one round trip; refusals are returned among them.

        Raises:
            RedisConnectionError, RedisTimeoutError, OSError: The server did not answer.
        """
        connection = self.idle.pop() if self.idle else self._made()
        try:
            return await self._answers(connection, commands)
        except TimeoutError as exc:
            await self._drop(connection)
            raise RedisTimeoutError("no answer in time") from exc
        except (RedisConnectionError, RedisTimeoutError, OSError):
            # What broke this connection has most likely broken the idle ones too.
            await self._drop(connection)
            raise
        except BaseException:
            # Cancelled in the middle: an answer may still come, and must not meet the next command.
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
    """The next answer; a refusal is returned, so that the answers after it are read too."""
    try:
        return await connection.read_response()
    except ResponseError as exc:
        return exc
