"""What instances meet in `operator_scale.py`: stores and services that answer, and controllers."""

import asyncio
import json
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HELLO = {
    "ok": 1.0,
    "helloOk": True,
    "isWritablePrimary": True,
    "ismaster": True,
    "maxWireVersion": 21,
    "minWireVersion": 0,
    "maxBsonObjectSize": 16777216,
    "maxMessageSizeBytes": 48000000,
    "maxWriteBatchSize": 100000,
}
HEALTH = json.dumps(
    {
        "status": "healthy",
        "components": {
            name: {"status": "healthy"} for name in ("sessions", "redis", "mongodb", "qdrant")
        },
    }
).encode()


class World:
    """Fake stores and services on ports of 127.0.0.1; *asked* counts what they answered."""

    def __init__(self) -> None:
        self.asked = 0
        self.ports: dict[str, int] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["World"]:
        """Listen while the context lasts."""
        answers = {"http": self._http, "redis": self._redis, "mongodb": self._mongodb}
        servers = []
        for name, answer in answers.items():
            server = await asyncio.start_server(_until_closed(answer), "127.0.0.1", 0, backlog=1024)
            self.ports[name] = server.sockets[0].getsockname()[1]
            servers.append(server)
        try:
            yield self
        finally:
            for server in servers:
                server.close()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(HEALTH) + HEALTH)

    async def _redis(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = []
        for _ in range(int((await reader.readuntil(b"\r\n"))[1:])):
            size = int((await reader.readuntil(b"\r\n"))[1:])
            command.append((await reader.readexactly(size + 2))[:-2].upper())
        self.asked += command[0] == b"PING"
        known = {b"PING": b"+PONG\r\n", b"HELLO": b"%1\r\n+proto\r\n:3\r\n"}
        writer.write(known.get(command[0], b"+OK\r\n"))

    async def _mongodb(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size, request, _, code = struct.unpack("<iiii", await reader.readexactly(16))
        await reader.readexactly(size - 16)
        self.asked += code == OP_MSG
        body = bson.encode(HELLO)
        if code == OP_QUERY:
            rest, kind = struct.pack("<iqii", 8, 0, 0, 1) + body, OP_REPLY
        else:
            rest, kind = struct.pack("<iB", 0, 0) + body, OP_MSG
        writer.write(struct.pack("<iiii", 16 + len(rest), 1, request, kind) + rest)


def _until_closed(answer: Any) -> Any:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await answer(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    return serve


class Api:
    """The API server, as its administrator."""

    def __init__(self, session: aiohttp.ClientSession, url: str, namespace: str) -> None:
        self._session = session
        self._url = url
        self._namespace = namespace

    @classmethod
    @asynccontextmanager
    async def connected(cls, plane: Any, namespace: str) -> AsyncIterator["Api"]:
        """A client of this API server, with a namespace of its own."""
        trusted = ssl.create_default_context(cafile=str(plane.pki / "ca.crt"))
        trusted.load_cert_chain(plane.pki / "admin.crt", plane.pki / "admin.key")
        connector = aiohttp.TCPConnector(ssl=trusted, limit=16)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            api = cls(session, f"https://{plane.address}:{plane.port}", namespace)
            body = {"metadata": {"name": namespace}}
            async with session.post(f"{api._url}/api/v1/namespaces", json=body) as answer:
                answer.raise_for_status()
            yield api

    def path(self, prefix: str, plural: str, name: str = "") -> str:
        steps = (f"{self._url}/{prefix}/namespaces/{self._namespace}/{plural}", name)
        return "/".join(step for step in steps if step)

    async def create(self, prefix: str, plural: str, body: dict[str, Any]) -> None:
        async with self._session.post(self.path(prefix, plural), json=body) as answer:
            assert answer.status == 201, await answer.text()

    async def patch(self, prefix: str, plural: str, name: str, body: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        path = self.path(prefix, plural, name)
        async with self._session.patch(path, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    async def list(self, prefix: str, plural: str) -> list[dict[str, Any]]:
        async with self._session.get(self.path(prefix, plural)) as answer:
            return list((await answer.json())["items"])

    async def watch(self, prefix: str, plural: str) -> AsyncIterator[dict[str, Any]]:
        """Every object of a kind, when it is made and when it changes, without end."""
        query = {"watch": "true", "timeoutSeconds": "7200"}
        while True:
            async with self._session.get(self.path(prefix, plural), params=query) as answer:
                kept = b""
                async for chunk in answer.content.iter_any():  # lines may be longer than a buffer
                    *lines, kept = (kept + chunk).split(b"\n")
                    for line in lines:
                        event = json.loads(line)
                        if event["type"] in ("ADDED", "MODIFIED"):
                            yield event["object"]

    async def requests(self) -> dict[tuple[str, str], int]:
        """How many requests the API server has answered, by verb and resource."""
        async with self._session.get(f"{self._url}/metrics") as answer:
            text = await answer.text()
        found: dict[tuple[str, str], int] = {}
        for line in text.splitlines():
            if line.startswith("apiserver_request_total{"):
                labels, _, value = line.partition("{")[2].rpartition("} ")
                known = dict(item.split("=", 1) for item in labels.replace('"', "").split(","))
                resource = "/".join(filter(None, (known["resource"], known["subresource"])))
                name = (known["verb"], resource)
                found[name] = found.get(name, 0) + int(float(value))
        return found


class Controllers:
    """Reports every Deployment as rolled out, and notes when connections and instances change."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.connections: dict[str, tuple[float, str]] = {}
        """By instance: when the Secret with its URLs was last seen to change, and the Redis URL."""
        self.ready: set[str] = set()
        """The instances that are Ready for their newest generation."""

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._roll_out())
            group.create_task(self._note_connections())
            group.create_task(self._note_instances())

    async def _roll_out(self) -> None:
        async for item in self._api.watch("apis/apps/v1", "deployments"):
            wanted, meta = item["spec"]["replicas"], item["metadata"]
            names = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
            status = {"observedGeneration": meta["generation"], **dict.fromkeys(names, wanted)}
            if any(item.get("status", {}).get(name) != value for name, value in status.items()):
                name = f"{meta['name']}/status"
                await self._api.patch("apis/apps/v1", "deployments", name, {"status": status})

    async def _note_connections(self) -> None:
        async for item in self._api.watch("api/v1", "secrets"):
            name = item["metadata"]["name"]
            if name.endswith("-connections"):
                found = (time.monotonic(), item["data"].get("REDIS_URL", ""))
                known = self.connections.get(name)
                if known is None or known[1] != found[1]:
                    self.connections[name] = found

    async def _note_instances(self) -> None:
        async for item in self._api.watch("apis/kato.dev/v1alpha1", "katoinstances"):
            meta = item["metadata"]
            conditions = item.get("status", {}).get("conditions", ())
            is_ready = any(
                (it["type"], it["status"], it.get("observedGeneration"))
                == ("Ready", "True", meta["generation"])
                for it in conditions
            )
            (self.ready.add if is_ready else self.ready.discard)(meta["name"])
