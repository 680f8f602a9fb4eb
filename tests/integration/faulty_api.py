"""A proxy in front of the API server that refuses requests, loses answers, and goes away."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from control_plane import ControlPlane

CHANGING = ("POST", "PUT", "PATCH", "DELETE")
REASONS = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}
CLOSING_S = 0.3
"""Seconds until connections are closed below TLS, which aiohttp does not wait for."""
_OURS = ("connection", "content-length", "host", "transfer-encoding", "content-encoding")
"""Headers that belong to one of the two connections."""


@dataclass(frozen=True)
class Call:
    """A request to the API server."""

    method: str
    path: str
    is_watch: bool
    body: bytes = b""

    @property
    def is_change(self) -> bool:
        """Whether it may change an object; the operator's own Lease is none of interest."""
        return self.method in CHANGING and "/leases" not in self.path


@dataclass(frozen=True)
class Refused:
    """The API server answers with this status and does nothing."""

    status: int

    def __str__(self) -> str:
        return str(self.status)


@dataclass(frozen=True)
class Lost:
    """The connection breaks off before the request arrives, or before its answer does."""

    arrives: bool
    meanwhile: Callable[[], None] = lambda: None
    """Called before the connection breaks off."""

    def __str__(self) -> str:
        return "answer lost" if self.arrives else "request lost"


Fault = Refused | Lost | None


def no_fault(_: Call) -> Fault:
    return None


class FaultyApi:
    """Forwards requests with the rights of the administrator, unless `decide` names a fault."""

    def __init__(self, plane: ControlPlane) -> None:
        self.decide: Callable[[Call], Fault] = no_fault
        """Called for every request, in the proxy's thread."""
        self.port = 0
        self._plane = plane
        self._is_down = False
        self._loop = asyncio.new_event_loop()
        self._streams: set[asyncio.Transport] = set()
        self._session: aiohttp.ClientSession | None = None

    def kubeconfig(self, path: Path) -> Path:
        """Write a file for clients that shall come through this proxy."""
        name = "faulty"
        server = {"server": f"http://127.0.0.1:{self.port}"}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": server}],
            "users": [{"name": name, "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve on a free port in a thread."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        runner, server = self._do(self._start())
        try:
            yield
        finally:
            self.go_down()
            self._do(self._stop(runner, server))
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def go_down(self) -> None:
        """Break off every connection, and every new one, until `come_back`."""
        self._is_down = True
        self._loop.call_soon_threadsafe(self.break_off)

    def come_back(self) -> None:
        self._is_down = False

    def break_off(self) -> None:
        """Break off the connections that are open, in the proxy's thread."""
        for stream in tuple(self._streams):
            stream.abort()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _start(self) -> tuple[web.AppRunner, asyncio.Server]:
        plane = self._plane
        context = ssl.create_default_context(cafile=str(plane.pki / "ca.crt"))
        context.load_cert_chain(plane.pki / "admin.crt", plane.pki / "admin.key")
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        self._session = aiohttp.ClientSession(
            f"https://{plane.address}:{plane.port}",
            connector=connector,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, handler_cancellation=True)
        await runner.setup()
        assert runner.server is not None
        server = await self._loop.create_server(runner.server, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        return runner, server

    async def _stop(self, runner: web.AppRunner, server: asyncio.Server) -> None:
        assert self._session is not None
        for listening in server.sockets:
            self._loop.remove_reader(listening.fileno())
        await asyncio.gather(*_being_accepted())
        server.close()
        await runner.cleanup()
        await self._session.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(CLOSING_S)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        stream = request.transport
        if stream is None or self._is_down:
            return _broken(request)
        self._streams.add(stream)
        try:
            return await self._decided(request)
        except (aiohttp.ClientError, ConnectionError):
            return _broken(request)
        finally:
            self._streams.discard(stream)

    async def _decided(self, request: web.Request) -> web.StreamResponse:
        is_watch = request.query.get("watch") == "true"
        call = Call(request.method, request.path, is_watch, await request.read())
        fault = self.decide(call)
        if isinstance(fault, Refused):
            return _refusal(call, fault.status)
        if fault is None:
            return await self._forwarded(request)
        if fault.arrives:
            await self._forwarded(request, is_answered=False)
        fault.meanwhile()
        return _broken(request)

    async def _forwarded(
        self, request: web.Request, *, is_answered: bool = True
    ) -> web.StreamResponse:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if _passes(name)}
        body = await request.read()
        async with self._session.request(
            request.method,
            request.rel_url,
            data=body or None,
            headers=headers,
            skip_auto_headers=("Content-Type",),
        ) as answer:
            reply = web.StreamResponse(status=answer.status)
            if is_answered:
                for name in filter(_passes, answer.headers):
                    reply.headers[name] = answer.headers[name]
                if "Content-Encoding" in answer.headers:
                    reply.headers["Content-Encoding"] = answer.headers["Content-Encoding"]
                await reply.prepare(request)
            async for piece in answer.content.iter_any():
                if is_answered:
                    await reply.write(piece)
            return reply


def _being_accepted() -> list[asyncio.Task[Any]]:
    """The connections that the loop has accepted, but that are not known to the server yet: closing
    it now would leave them open."""
    tasks = asyncio.all_tasks()
    return [task for task in tasks if task.get_coro().__name__ == "_accept_connection2"]


def _passes(header: str) -> bool:
    return header.lower() not in _OURS


def _broken(request: web.Request) -> web.StreamResponse:
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()
    return web.Response()


def _refusal(call: Call, status: int) -> web.Response:
    """What the API server says; a watch is told in its stream that it is too old."""
    said = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": REASONS.get(status, "ServiceUnavailable"),
        "message": "a fault of the test",
        "code": status,
    }
    if call.is_watch and status == 410:
        return web.json_response(text=json.dumps({"type": "ERROR", "object": said}) + "\n")
    headers = {"Retry-After": "1"} if status == 429 else {}
    return web.json_response(said, status=status, headers=headers)
