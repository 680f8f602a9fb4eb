"""Three replicas over shared stores, with a fault-injecting proxy on every connection."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from torture.proxy import TortureProxy

REPLICAS = 3
HEAL_PATIENCE_S = 300.0


@dataclass
class Stack:
    replicas: list[Any]
    """Each a `ServiceProcess`."""
    servers: dict[str, Any]
    """By store a `RunningServer`; without one for MongoDB, all replicas share an SQLite file."""
    proxies: dict[str, list[TortureProxy]]
    """By store, the proxies of the replicas to it; under ``replica``, those to the replicas."""
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def start(self) -> None:
        for replica in self.replicas:
            replica.start()
        await self.ready()
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        self.clients = [
            httpx.AsyncClient(base_url=proxy.url, limits=limits)
            for proxy in self.proxies["replica"]
        ]

    async def ready(self) -> None:
        """Wait until every replica serves."""
        waits = (asyncio.to_thread(one.await_ready, HEAL_PATIENCE_S) for one in self.replicas)
        await asyncio.gather(*waits)

    async def heal(self) -> None:
        """Undo every fault and wait until every replica serves."""
        for proxies in self.proxies.values():
            for proxy in proxies:
                await proxy.heal()
        await self.ready()

    async def close(self) -> None:
        """Stop replicas and proxies; may be called twice."""
        for client in self.clients:
            await client.aclose()
        for replica in self.replicas:
            replica.kill9()
        for proxies in self.proxies.values():
            for proxy in proxies:
                await proxy.close()

    @property
    def complaints(self) -> list[str]:
        """Log lines of the replicas that report a bug."""
        lines = (line for one in self.replicas for line in one.log.splitlines())
        return [line for line in lines if "Traceback" in line or '"level":"error"' in line]


async def built(
    new_service: Callable[..., Any], servers: dict[str, Any], directory: Path, **variables: str
) -> Stack:
    """The stack; its replicas are not started yet."""
    proxies = {
        store: [TortureProxy(server.port) for _ in range(REPLICAS)]
        for store, server in servers.items()
    }
    await _open(proxies)
    common = {**_common(directory), **variables}
    replicas = [
        new_service(**common, **_urls(servers, proxies, number)) for number in range(REPLICAS)
    ]
    before = {"replica": [TortureProxy(replica.port) for replica in replicas]}
    await _open(before)
    proxies |= before
    return Stack(replicas, servers, proxies)


async def _open(proxies: dict[str, list[TortureProxy]]) -> None:
    for some in proxies.values():
        for proxy in some:
            await proxy.open()


def _common(directory: Path) -> dict[str, str]:
    """Settings with short time-outs, so that much happens in little time."""
    return {
        "PROCESSOR_ID": "torture",
        "DATA_DIR": str(directory),
        "MONGO_DATABASE": f"torture-{uuid4().hex[:12]}",
        "MONGO_POOL_MIN_SIZE": "0",
        "MONGO_SERVER_SELECTION_TIMEOUT_S": "1",
        "REDIS_SOCKET_TIMEOUT_S": "1",
        "QDRANT_TIMEOUT_S": "1",
        "HEALTH_CHECK_INTERVAL": "0.2",
        "HEALTH_CHECK_TIMEOUT": "1",
        "REQUEST_TIMEOUT": "8",
        "PERSISTENCE": "3",
        "MAX_SESSIONS": "100000",
        "MAX_SESSIONS_PER_USER": "10000",
        "LOG_LEVEL": "warning",
    }


def _urls(
    servers: dict[str, Any], proxies: dict[str, list[TortureProxy]], replica: int
) -> dict[str, str]:
    """The variables that name the stores of a replica: the addresses of its own proxies."""
    names = {"redis": "REDIS_URL", "mongodb": "MONGO_BASE_URL", "qdrant": "QDRANT_URL"}
    urls = {
        names[store]: _through(server.url, proxies[store][replica].port)
        for store, server in servers.items()
    }
    return urls if "qdrant" in servers else {**urls, "VECTORS": "disabled"}


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{credentials}{at}127.0.0.1:{port}").geturl()
