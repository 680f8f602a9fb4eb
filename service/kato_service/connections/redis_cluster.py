"""A Redis Cluster: finds the node of each command, and follows slots that move."""

import asyncio
from binascii import crc_hqx
from collections.abc import Callable, Coroutine
from typing import Any

from kato_service.connections.redis_address import Command
from kato_service.connections.redis_errors import (
    AskError,
    BusyError,
    MovedError,
    NodeDownError,
    NotSentError,
    PartDownError,
    RefusedError,
    SilentError,
)
from kato_service.connections.redis_server import RedisServer
from kato_service.connections.store_pool import PoolUsage

REDIRECTIONS = 5
"""Redirections of one command after which it fails: nodes that point at each other have no slot."""
SLOTS = 16384
_FIRST_KEY = {"EVALSHA": 3, "EVAL": 3}
"""Position of the first key in a command; 1 in all others."""
Address = tuple[str, int]


class SharedLook:
    """Something to find out before a command can be sent, once for all that wait for it."""

    def __init__(self, look: Callable[[], Coroutine[Any, Any, None]], timeout_s: float) -> None:
        """*timeout_s*: how long a command waits; the look itself may take longer."""
        self._look = look
        self._timeout_s = timeout_s
        self._running: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Wait for the look that is running, or start one.

        Raises:
            NotSentError, RefusedError: It failed, so the command was not sent.
        """
        if self._running is None:
            self._running = asyncio.create_task(self._look(), name="asking redis for its cluster")
            self._running.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._timeout_s):
                # A command that is cancelled must not cancel what others wait for.
                await asyncio.shield(self._running)
        except (SilentError, BusyError, TimeoutError) as exc:
            raise NotSentError(str(exc) or "redis did not answer in time") from exc
        except RefusedError as exc:
            raise type(exc)(str(exc)) from exc

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None
        # Without this, asyncio warns of an exception that nobody retrieved if all callers are gone.
        if not task.cancelled():
            task.exception()


class RedisCluster:
    def __init__(
        self, first: RedisServer, node: Callable[[str, int], RedisServer], timeout_s: float
    ) -> None:
        """*first* is asked for the other nodes; *node* makes one from host and port. *timeout_s*:
        for a command to learn where its slot is."""
        self._first = first
        self._node = node
        self._nodes: dict[Address, RedisServer] = {}
        self._slots: dict[range, Address] = {}
        self._moved: dict[int, Address] = {}
        """Slots that moved to another node since the slots were last read."""
        self._stale = True
        """The slots have to be read before the next command."""
        self._looking = SharedLook(self._look, timeout_s)

    def usage(self) -> PoolUsage:
        """Connections to all nodes, that to the node of the URL too."""
        found = [node.usage() for node in (self._first, *self._nodes.values())]
        in_use, idle = sum(one.in_use for one in found), sum(one.idle for one in found)
        return PoolUsage(in_use, idle, sum(one.max for one in found))

    async def asked(self, command: Command, *, apart: bool = False) -> Any:
        """The answer to a command; a refusal is returned, not raised.

        Raises:
            NodeDownError: The node that has the keys did not answer.
            NotSentError: No node answered.
        """
        slot = _slot(command)
        if slot is None:
            return await self._anybody(command)
        address = await self._address(slot)
        if address is None:
            return PartDownError("CLUSTERDOWN no node serves the slot")
        answer = await self._asked(address, (command,), apart=apart)
        for _ in range(REDIRECTIONS):
            # MOVED: the slot has a new node. ASK: it is about to, and only this command goes there.
            if isinstance(answer, MovedError):
                self._moved[slot] = answer.address
                answer = await self._asked(answer.address, (command,), apart=apart)
            elif isinstance(answer, AskError):
                both = (("ASKING",), command)
                answer = await self._asked(answer.address, both, apart=apart)
            else:
                break
        self._stale |= bool(self._moved) or isinstance(answer, PartDownError)
        return answer

    async def close(self) -> None:
        for node in self._nodes.values():
            await node.close()

    async def _asked(self, address: Address, commands: tuple[Command, ...], *, apart: bool) -> Any:
        """The answer to the last of *commands*."""
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = self._node(*address)
        try:
            return (await node.asked(commands, apart=apart))[-1]
        except SilentError as exc:
            self._stale = True
            # The next read of the slots asks this node last.
            self._nodes[address] = self._nodes.pop(address, node)
            raise NodeDownError(
                "a node of the cluster did not answer", may_have_run=exc.may_have_run
            ) from exc

    async def _address(self, slot: int) -> Address | None:
        if self._stale:
            await self._looking.join()
        if slot in self._moved:
            return self._moved[slot]
        # A cluster has few ranges: looking through them costs less than 16 384 entries would.
        for slots, address in self._slots.items():
            if slot in slots:
                return address
        self._stale = True
        return None

    async def _look(self) -> None:
        found = await self._anybody(("CLUSTER", "SLOTS"))
        if isinstance(found, RefusedError):
            raise found
        self._slots = {range(a, b + 1): _address_of(master) for a, b, master, *_ in found}
        self._moved.clear()
        self._stale = False
        self._forget_others()

    async def _anybody(self, command: Command) -> Any:
        """The answer of the first node that answers; such a command may run twice."""
        for node in (*self._nodes.values(), self._first):
            try:
                return (await node.asked((command,)))[0]
            except SilentError:
                continue
        raise NotSentError("no node of the cluster answered")

    def _forget_others(self) -> None:
        known = set(self._slots.values())
        for address in self._nodes.keys() - known:
            self._nodes.pop(address).leave()


def key_slot(key: str) -> int:
    """The slot of a key: that of the text between its first braces, if there is any."""
    _, opened, rest = key.partition("{")
    tag, closed, _ = rest.partition("}")
    return crc_hqx((tag if opened and closed and tag else key).encode(), 0) % SLOTS


def _slot(command: Command) -> int | None:
    """The slot of the command's first key; None if it has no key."""
    place = _FIRST_KEY.get(str(command[0]), 1)
    if place >= len(command):
        return None
    return key_slot(str(command[place]))


def _address_of(node: list[Any]) -> Address:
    """Host and port of an entry of CLUSTER SLOTS; '' means the host that was asked."""
    host, port = node[0], node[1]
    return host.decode() if host else "", int(port)
