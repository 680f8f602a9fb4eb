"""One Redis server and the few connections to it.

Nearly everything goes over the first connection. Others are opened for what would hold it up: large
commands, commands whose last answer was large, and those that are repeated because a connection
broke under them (decision 0076).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from kato_service.backoff import Backoff
from kato_service.connections.redis_address import Command, RedisAddress
from kato_service.connections.redis_connection import (
    LARGE_BYTES,
    Pending,
    RedisConnection,
    packed,
    packed_all,
)
from kato_service.connections.redis_errors import (
    AuthenticationError,
    BusyError,
    NotSentError,
    RedisError,
    RefusedError,
)
from kato_service.connections.store_pool import PoolUsage

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.25
"""Back-off between attempts to connect. Commands wait for the next attempt, so it is short."""
MAX_UNSENT_BYTES = 32 * 1024 * 1024
"""Bytes of commands that wait to be written; further commands wait for room."""
MAX_KNOWN_LARGE = 1000
_KEY_OF_SCRIPT = 3
"""Position of the first key in EVALSHA and EVAL."""


class RedisServer:
    """Connections to one server, opened when they are needed."""

    def __init__(
        self, address: RedisAddress, *, timeout_s: float, most: int, idle_s: float
    ) -> None:
        """Nothing is connected yet.

        Args:
            timeout_s: Seconds for each command, connecting included.
            most: Connections at once.
            idle_s: Seconds after which a further connection that nothing used is closed.
        """
        self._address = address
        self._timeout_s = timeout_s
        self._most = most
        self._idle_s = idle_s
        self._connections: list[RedisConnection] = []
        self._leaving: list[RedisConnection] = []
        """Connections that take no more commands, but on which some still wait."""
        self._opening: dict[RedisConnection, asyncio.Task[None]] = {}
        self._backoff: Backoff | None = None
        """Between attempts to connect; None after one that succeeded."""
        self._known_large: dict[tuple[Any, Any], None] = {}
        """Commands and keys whose last answer was large, the oldest first."""
        self._unsent_bytes = 0
        self._room = asyncio.Event()
        self._trimming: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """Whether commands have to wait for `room`."""
        return self._unsent_bytes > MAX_UNSENT_BYTES

    def send(self, command: Command, *, apart: bool = False) -> "asyncio.Future[Any]":
        """Send a command; the future gets its answer, or a RefusedError as such.

        Args:
            apart: Where it holds nothing else up, and no other connection breaks with it.

        Raises (the future):
            SilentError, RefusedError: It was not sent, or not answered.
        """
        return self._sent(packed(command), 1, command, apart=apart)

    def send_all(
        self, commands: Sequence[Command], *, apart: bool = False
    ) -> "asyncio.Future[Any]":
        """Send several commands in a row; the future gets the list of their answers, if there are
        two or more."""
        return self._sent(packed_all(commands), len(commands), None, apart=apart)

    async def asked(self, commands: Sequence[Command], *, apart: bool = False) -> list[Any]:
        """The answers to *commands*, in one round trip; refusals are returned among them.

        Raises:
            BusyError, SilentError: They were not sent, or not answered.
            RefusedError: The connection was refused.
        """
        if self.is_full:
            await self.room()
        if len(commands) == 1:
            return [await self.send(commands[0], apart=apart)]
        return list(await self.send_all(commands, apart=apart)) if commands else []

    async def room(self) -> None:
        """Wait until fewer bytes wait to be written; raises BusyError after the time-out."""
        try:
            async with asyncio.timeout(self._timeout_s):
                while self.is_full:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError as exc:
            raise BusyError("too much waits to be sent to redis") from exc

    def usage(self) -> PoolUsage:
        """Connections with commands that wait, and open ones without."""
        all_of_them = (*self._connections, *self._leaving)
        in_use = sum(not one.is_idle for one in all_of_them)
        idle = sum(one.is_open and one.is_idle for one in all_of_them)
        return PoolUsage(in_use, idle, self._most)

    def leave(self) -> None:
        """Close the connections as soon as nothing waits on them."""
        for connection in tuple(self._connections):
            connection.leave()

    async def close(self) -> None:
        """Close all connections now."""
        opening = tuple(self._opening.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        open_ones = (*self._connections, *self._leaving)
        for connection in open_ones:
            connection.abort()
        await asyncio.gather(*(connection.closed for connection in open_ones))
        if self._trimming is not None:
            self._trimming.cancel()

    # What connections tell

    def on_handed_over(self, size: int) -> None:
        self._unsent_bytes -= size
        self._room.set()

    def on_size(self, command: Command, *, large: bool) -> None:
        if not large:
            self._known_large.pop(_place(command), None)
            return
        self._known_large[_place(command)] = None
        if len(self._known_large) > MAX_KNOWN_LARGE:
            del self._known_large[next(iter(self._known_large))]

    def on_leaving(self, connection: RedisConnection, *, silent: bool) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._leaving.append(connection)
        if silent:
            # What made this connection silent has most likely silenced the idle ones too.
            for other in tuple(self._connections):
                if other.is_open and other.is_idle:
                    other.leave()

    def on_closed(self, connection: RedisConnection) -> None:
        for some in (self._connections, self._leaving):
            if connection in some:
                some.remove(connection)

    # How one is chosen and opened

    def _sent(
        self, text: bytes, count: int, command: Command | None, *, apart: bool
    ) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        pending = Pending(future, text, count, loop.time() + self._timeout_s)
        pending.command = command
        size = len(text)
        if apart or size > LARGE_BYTES or (self._known_large and self._is_known(command)):
            pending.is_large = True
            connection = self._for_large()
        elif self._connections and not self._connections[0].is_clogged:
            connection = self._connections[0]
        else:
            connection = self._for_small()
        self._unsent_bytes += size
        connection.send(pending)
        return future

    def _is_known(self, command: Command | None) -> bool:
        return command is not None and _place(command) in self._known_large

    def _for_small(self) -> RedisConnection:
        """The first connection that nothing large holds up, else the one with least to do."""
        for connection in self._connections:
            if not connection.is_clogged:
                return connection
        if len(self._connections) < self._most:
            return self._opened()
        return min(self._connections, key=lambda one: one.load)

    def _for_large(self) -> RedisConnection:
        """A connection other than the first, if there may be another."""
        if not self._connections:
            return self._opened()
        if not self._connections[0].is_open:
            # Nobody knows whether Redis can be reached: one attempt is enough.
            return self._connections[0]
        further = self._connections[1:]
        for connection in further:
            if connection.is_idle:
                return connection
        if len(self._connections) < self._most:
            return self._opened()
        return min(further or self._connections, key=lambda one: one.load)

    def _opened(self) -> RedisConnection:
        """A new connection, which takes commands while it is being opened."""
        if len(self._connections) + len(self._leaving) >= self._most and self._leaving:
            # The maximum holds for silent connections too.
            self._leaving.pop(0).abort()
        connection = RedisConnection(self, self._timeout_s)
        self._connections.append(connection)
        task = asyncio.create_task(self._open(connection), name="connecting to redis")
        self._opening[connection] = task
        task.add_done_callback(lambda _: self._opening.pop(connection, None))
        if len(self._connections) > 1 and self._trimming is None:
            self._trimming = asyncio.get_running_loop().call_later(self._idle_s, self._trim)
        return connection

    async def _open(self, connection: RedisConnection) -> None:
        error: Callable[[], RedisError] = _unreachable("redis could not be reached")
        try:
            if self._backoff is not None:
                await self._backoff.pause()
            async with asyncio.timeout(self._timeout_s):
                await self._connect(connection)
        except (OSError, TimeoutError, RedisError) as exc:
            self._backoff = self._backoff or Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
            reason = str(exc) or "redis did not answer in time"
            error = _as_before(exc) if isinstance(exc, RefusedError) else _unreachable(reason)
        else:
            self._backoff = None
            connection.opened()
        finally:
            if not connection.is_open:
                self._give_up(connection, error)

    def _give_up(self, connection: RedisConnection, error: Callable[[], RedisError]) -> None:
        """Close a connection that was not opened; what waits for it takes another, if one is open:
        a Redis with too many clients accepts no more of them, and serves those it has."""
        heir = next((one for one in self._connections if one.is_open), None)
        if heir is not None:
            connection.bequeath(heir)
        connection.abort(error)

    async def _connect(self, connection: RedisConnection) -> None:
        address = self._address
        # Files may have changed, and reading them takes longer than the event loop may stand still.
        context = None if address.tls is None else await asyncio.to_thread(address.tls.context)
        await asyncio.get_running_loop().create_connection(
            lambda: connection, address.host, address.port, ssl=context
        )
        commands = address.greeting()
        for command, answer in zip(commands, await connection.greet(commands), strict=True):
            if isinstance(answer, RefusedError) and command[0] != "CLIENT":
                raise _refused_greeting(answer)

    def _trim(self) -> None:
        """Close further connections that were not used lately."""
        self._trimming = None
        loop = asyncio.get_running_loop()
        for connection in self._connections[1:]:
            if connection.is_idle and connection.heard_at <= loop.time() - self._idle_s:
                connection.leave()
        if len(self._connections) > 1:
            self._trimming = loop.call_later(self._idle_s, self._trim)


def _place(command: Command) -> tuple[Any, Any]:
    """What tells two commands apart by the size of their answers: a script or name, and a key."""
    if len(command) > _KEY_OF_SCRIPT and command[0] in ("EVALSHA", "EVAL"):
        return command[1], command[_KEY_OF_SCRIPT]
    return command[0], command[1] if len(command) > 1 else None


def _refused_greeting(answer: RefusedError) -> RefusedError:
    # A server without passwords refuses one in other words than a server with another password.
    if "AUTH" in str(answer) or "password" in str(answer):
        return AuthenticationError(str(answer))
    return answer


def _unreachable(reason: str) -> Callable[[], RedisError]:
    return lambda: NotSentError(reason)


def _as_before(error: RefusedError) -> Callable[[], RedisError]:
    return lambda: type(error)(str(error))
