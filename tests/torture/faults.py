"""The faults that are injected into a running stack: each lasts a moment, then heals."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

from torture.proxy import TortureProxy
from torture.stack import HEAL_PATIENCE_S, Stack

Fault = Callable[[Stack, Random], Awaitable[None]]

STORES = ("redis", "mongodb", "qdrant")


def a_moment(rng: Random) -> float:
    """Seconds, mostly few, sometimes more than the lease of a lock or the patience of a client."""
    return rng.uniform(0.05, 0.5) if rng.random() < 0.7 else rng.uniform(1.0, 3.5)


async def kill_replica(stack: Stack, rng: Random, *, among: tuple[int, ...]) -> None:
    replica = stack.replicas[rng.choice(among)]
    replica.kill9()
    await asyncio.sleep(rng.uniform(0, 0.3))
    replica.start()
    await asyncio.to_thread(replica.await_ready, HEAL_PATIENCE_S)


async def freeze_replica(stack: Stack, rng: Random, *, among: tuple[int, ...]) -> None:
    replica = stack.replicas[rng.choice(among)]
    replica.freeze()
    await asyncio.sleep(a_moment(rng))
    replica.thaw()


async def kill_store(stack: Stack, rng: Random, *, store: str) -> None:
    server = stack.servers[store]
    server.kill9()
    await asyncio.sleep(rng.uniform(0, 0.3))
    await asyncio.to_thread(server.start)


async def freeze_store(stack: Stack, rng: Random, *, store: str) -> None:
    server = stack.servers[store]
    server.freeze()
    await asyncio.sleep(a_moment(rng))
    server.thaw()


async def cut(stack: Stack, rng: Random, *, target: str) -> None:
    for proxy in _victims(stack, rng, target):
        proxy.cut()


async def delay(stack: Stack, rng: Random, *, target: str) -> None:
    proxies = _victims(stack, rng, target)
    for proxy in proxies:
        proxy.slow_down(rng.choice((0.02, 0.1, 0.4, 0.7)))
    await asyncio.sleep(rng.uniform(0.2, 1.2))
    await _heal(proxies)


async def blackhole(stack: Stack, rng: Random, *, target: str) -> None:
    """Afterwards, what was on its way arrives late or never."""
    proxies = _victims(stack, rng, target)
    for proxy in proxies:
        proxy.swallow()
    await asyncio.sleep(a_moment(rng))
    if rng.random() < 0.5:
        for proxy in proxies:
            proxy.cut()
    await _heal(proxies)


async def refuse(stack: Stack, rng: Random, *, target: str) -> None:
    proxies = _victims(stack, rng, target)
    for proxy in proxies:
        proxy.refuse()
    await asyncio.sleep(rng.uniform(0.05, 1.0))
    await _heal(proxies)


KILLED_OR_FROZEN: dict[str, dict[str, Callable[..., Awaitable[None]]]] = {
    "replica": {"kill": kill_replica, "freeze": freeze_replica},
    "store": {"kill": kill_store, "freeze": freeze_store},
}
DISCONNECTED: dict[str, Callable[..., Awaitable[None]]] = {
    "cut": cut,
    "delay": delay,
    "blackhole": blackhole,
    "refuse": refuse,
}
FAULTS = ("kill", "freeze", *DISCONNECTED)
KINDS = tuple(f"{target} {fault}" for target in ("replica", *STORES) for fault in FAULTS)


def lanes(kind: str) -> list[Fault]:
    """The faults of one kind that run side by side; of three replicas one always keeps running."""
    target, _, fault = kind.partition(" ")
    if fault in DISCONNECTED:
        return [partial(DISCONNECTED[fault], target=target)]
    if target == "replica":
        hurt = KILLED_OR_FROZEN["replica"][fault]
        return [partial(hurt, among=among) for among in ((0, 1), (2,))]
    return [partial(KILLED_OR_FROZEN["store"][fault], store=target)]


def _victims(stack: Stack, rng: Random, target: str) -> list[TortureProxy]:
    """The proxies to a store, or to a replica: those of all replicas, or of one."""
    proxies = stack.proxies[target]
    return proxies if rng.random() < 0.5 else [rng.choice(proxies)]


async def _heal(proxies: list[TortureProxy]) -> None:
    for proxy in proxies:
        await proxy.heal()
