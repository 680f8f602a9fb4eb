"""What is done to a running stack: each fault hurts for a moment and heals again."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

from torture.proxy import TortureProxy
from torture.stack import HEAL_PATIENCE_S, Stack

Fault = Callable[[Stack, Random], Awaitable[None]]

STORES = ("redis", "mongodb", "qdrant")


def a_moment(rng: Random) -> float:
    """Seconds: mostly short, at times longer than a lock's lease and a client's patience."""
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


async def cut(stack: Stack, rng: Random, *, store: str) -> None:
    for proxy in _victims(stack, rng, store):
        proxy.cut()


async def delay(stack: Stack, rng: Random, *, store: str) -> None:
    proxies = _victims(stack, rng, store)
    for proxy in proxies:
        proxy.slow_down(rng.choice((0.02, 0.1, 0.4, 0.7)))
    await asyncio.sleep(rng.uniform(0.2, 1.2))
    await _heal(proxies)


async def blackhole(stack: Stack, rng: Random, *, store: str) -> None:
    """At its end, what was on the way arrives late, or never."""
    proxies = _victims(stack, rng, store)
    for proxy in proxies:
        proxy.swallow()
    await asyncio.sleep(a_moment(rng))
    if rng.random() < 0.5:
        for proxy in proxies:
            proxy.cut()
    await _heal(proxies)


async def refuse(stack: Stack, rng: Random, *, store: str) -> None:
    proxies = _victims(stack, rng, store)
    for proxy in proxies:
        proxy.refuse()
    await asyncio.sleep(rng.uniform(0.05, 1.0))
    await _heal(proxies)


ON_STORES: dict[str, Callable[..., Awaitable[None]]] = {
    "kill": kill_store,
    "freeze": freeze_store,
    "cut": cut,
    "delay": delay,
    "blackhole": blackhole,
    "refuse": refuse,
}
ON_REPLICAS: dict[str, Callable[..., Awaitable[None]]] = {
    "kill": kill_replica,
    "freeze": freeze_replica,
}
KINDS = (
    *(f"replica {fault}" for fault in ON_REPLICAS),
    *(f"{store} {fault}" for store in STORES for fault in ON_STORES),
)


def lanes(kind: str) -> list[Fault]:
    """What goes on side by side for a kind of fault; of three replicas one always runs."""
    target, _, fault = kind.partition(" ")
    if target == "replica":
        return [partial(ON_REPLICAS[fault], among=among) for among in ((0, 1), (2,))]
    return [partial(ON_STORES[fault], store=target)]


def _victims(stack: Stack, rng: Random, store: str) -> list[TortureProxy]:
    """The connections of all replicas to a store, or of one."""
    proxies = stack.proxies[store]
    return proxies if rng.random() < 0.5 else [rng.choice(proxies)]


async def _heal(proxies: list[TortureProxy]) -> None:
    for proxy in proxies:
        await proxy.heal()
