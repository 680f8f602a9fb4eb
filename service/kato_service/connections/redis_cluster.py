"""A Redis Cluster: finds the node of each command, and follows slots that move."""

import asyncio
from collections.abc import Callable
from typing import Any

from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from kato_service.connections.redis_server import Command, RedisServer

REDIRECTIONS = 5
"""Redirections of one command after which it fails: nodes that point at each other have no slot."""
_FIRST_KEY = {"EVALSHA": 3, "EVAL": 3}
"""Position of the first key in a command; 1 in all others."""
Address = tuple[str, int]
_SILENT = (RedisConnectionError, RedisTimeoutError, OSError)


class NodeDownError(RedisConnectionError):
    """One node of the cluster did not answer; the others may."""


class RedisCluster:
    def __init__(self, first: RedisServer, node: Callable[[str, int], RedisServer]) -> None:
        """*first* is asked for the other nodes; *node* makes one from host and port."""
        self._first = first
        self._node = node
        self._nodes: dict[Address, RedisServer] = {}
        self._slots: dict[range, Address] = {}
        self._moved: dict[int, Address] = {}
        """Slots that moved to another node since the slots were last read."""
        self._stale = True
        """The slots have to be read before the next command."""
        self._looking = asyncio.Lock()

    @property
    def idle(self) -> int:
        """Idle connections to all nodes."""
        return sum(len(node.idle) for node in self._nodes.values())

    async def asked(self, command: Command) -> Any:
        """The answer to a command; a refusal is returned, not raised.

        Raises:
            NodeDownError: The node that has the keys did not answer.
            RedisConnectionError: No node answered.
        """
        slot = _slot(command)
        if slot is None:
            return await self._anybody(command)
        address = await self._address(slot)
        if address is None:
            return ClusterDownError("no node serves the slot")
        answer = await self._asked(address, command)
        for _ in range(REDIRECTIONS):
            # MOVED: the slot has a new node. ASK: it is about to, and only this command goes there.
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
            # The next read of the slots asks this node last.
            self._nodes[address] = self._nodes.pop(address, node)
            raise NodeDownError("a node of the cluster did not answer") from exc

    async def _address(self, slot: int) -> Address | None:
        if self._stale:
            async with self._looking:
                # Another command may have read the slots while this one waited.
                if self._stale:
                    await self._look()
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
        if isinstance(found, RedisError):
            raise found
        self._slots = {range(a, b + 1): _address_of(master) for a, b, master, *_ in found}
        self._moved.clear()
        self._stale = False
        await self._forget_others()

    async def _anybody(self, command: Command) -> Any:
        """The answer of the first node that answers."""
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
    """The slot of the command's first key; None if it has no key."""
    place = _FIRST_KEY.get(str(command[0]), 1)
    if place >= len(command):
        return None
    return key_slot(str(command[place]).encode())


def _address_of(node: list[Any]) -> Address:
    """Host and port of an entry of CLUSTER SLOTS; '' means the host that was asked."""
    host, port = node[0], node[1]
    return host.decode() if host else "", int(port)
