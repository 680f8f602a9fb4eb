"""A Redis Cluster: which node has which slot, and commands that find their node."""

import asyncio
from collections.abc import Callable
from typing import Any

from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from kato_service.connections.redis_server import Command, RedisServer

REDIRECTIONS = 5
"""After which a command that every node sends on is given up."""
_BEHIND_A_SCRIPT = {"EVALSHA": 3, "EVAL": 3}
"""Where the first key of a command is; elsewhere it comes first."""
Address = tuple[str, int]
_SILENT = (RedisConnectionError, RedisTimeoutError, OSError)


class NodeDownError(RedisConnectionError):
    """One node of a cluster did not answer; others may well."""


class RedisCluster:
    def __init__(self, first: RedisServer, node: Callable[[str, int], RedisServer]) -> None:
        """*first* is asked for the others; *node* makes one from host and port."""
        self._first = first
        self._node = node
        self._nodes: dict[Address, RedisServer] = {}
        self._slots: dict[range, Address] = {}
        self._moved: dict[int, Address] = {}
        """Slots that went to another node since the cluster was looked at."""
        self._stale = True
        self._looking = asyncio.Lock()

    @property
    def idle(self) -> int:
        """Connections."""
        return sum(len(node.idle) for node in self._nodes.values())

    async def asked(self, command: Command) -> Any:
        """The answer to a command, or the refusal.

        Raises:
            NodeDownError: The node that has the keys did not answer.
            RedisConnectionError: No node did.
        """
        slot = _slot(command)
        if slot is None:
            return await self._anybody(command)
        address = await self._address(slot)
        if address is None:
            return ClusterDownError("no node has the slot now")
        answer = await self._asked(address, command)
        for _ in range(REDIRECTIONS):
            if isinstance(answer, MovedError):
                self._moved[slot] = answer.host, answer.port
                answer = await self._asked(self._moved[slot], command)
            elif isinstance(answer, AskError):
                answer = await self._asked((answer.host, answer.port), command, asking=True)
            else:
                break
        self._stale |= bool(self._moved) or isinstance(answer, ClusterDownError)
        return answer

    async def close(self) -> None:
        for node in self._nodes.values():
            await node.close()

    async def _asked(self, address: Address, command: Command, *, asking: bool = False) -> Any:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = self._node(*address)
        try:
            return (await node.asked((("ASKING",), command) if asking else (command,)))[-1]
        except _SILENT as exc:
            self._stale = True
            # Whoever looks for the nodes now asks this one last.
            self._nodes[address] = self._nodes.pop(address, node)
            raise NodeDownError("a node of the cluster did not answer") from exc

    async def _address(self, slot: int) -> Address | None:
        if self._stale:
            async with self._looking:
                if self._stale:
                    await self._look()
        if slot in self._moved:
            return self._moved[slot]
        for slots, address in self._slots.items():
            if slot in slots:
                return address
        self._stale = True
        return None

    async def _look(self) -> None:
        found = await self._anybody(("CLUSTER", "SLOTS"))
        if isinstance(found, RedisError):
            raise found
        self._slots = {range(a, b + 1): _address_of(master) for a, b, master, *_ in found}
        self._moved.clear()
        self._stale = False
        await self._forget_others()

    async def _anybody(self, command: Command) -> Any:
        """The answer of the first node that gives one."""
        for node in (*self._nodes.values(), self._first):
            try:
                return (await node.asked((command,)))[0]
            except _SILENT:
                continue
        raise RedisConnectionError("no node of the cluster answered")

    async def _forget_others(self) -> None:
        known = set(self._slots.values())
        for address in self._nodes.keys() - known:
            await self._nodes.pop(address).close()


def _slot(command: Command) -> int | None:
    """Of its first key; None where it has none."""
    place = _BEHIND_A_SCRIPT.get(str(command[0]), 1)
    if place >= len(command):
        return None
    return key_slot(str(command[place]).encode())


def _address_of(node: list[Any]) -> Address:
    """A host that is not told is the one that was asked."""
    host, port = node[0], node[1]
    return host.decode() if host else "", int(port)
