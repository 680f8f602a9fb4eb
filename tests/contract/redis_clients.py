"""Clients of a real Redis, and what happens to their connections."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kato_service.connections.redis_client import RedisClient, RedisOptions
from support.proxy import FaultyProxy
from support.servers import RunningServer
from torture.proxy import TortureProxy

NewClient = Callable[..., RedisClient]
NewProxy = Callable[[int], Awaitable[FaultyProxy]]
LARGE = "x" * 3_000_000


@pytest.fixture
async def new_client(own_redis: RunningServer) -> AsyncIterator[NewClient]:
    """``new_client(url, …)``: a client of the module's Redis, or of *url*."""
    clients: list[RedisClient] = []

    def make(url: str = own_redis.url, **options: Any) -> RedisClient:
        clients.append(RedisClient(RedisOptions(url, **options)))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def admin(own_redis: RunningServer) -> AsyncIterator[RedisClient]:
    client = RedisClient(RedisOptions(f"{own_redis.url}?client_name=admin", socket_timeout_s=30))
    await client.call("PING")
    yield client
    await client.close()


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[TortureProxy]:
    proxy = TortureProxy(port)
    await proxy.open()
    yield proxy
    await proxy.close()


def through(proxy: TortureProxy | FaultyProxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


async def connected(admin: RedisClient, name: str) -> list[str]:
    """The lines of CLIENT LIST of the clients with that name."""
    listed = (await admin.call("CLIENT", "LIST")).decode().splitlines()
    return [line for line in listed if f" name={name} " in line]


async def kill(admin: RedisClient, name: str) -> None:
    for line in await connected(admin, name):
        await admin.call("CLIENT", "KILL", "ID", re.findall(r"id=(\d+)", line)[0])


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await holds():
            await asyncio.sleep(0.02)


def named(url: str, name: str) -> str:
    return f"{url}?client_name={name}"
