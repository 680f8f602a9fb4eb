"""An export whose client reads nothing holds nobody up, takes little, and ends in time."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from structlog.testing import capture_logs

from kato_service.api.users.exporting import PIECE_BYTES
from kato_service.app import make_app
from kato_service.assembly import running_service
from kato_service.server.answer_reading import ReadingLimits
from kato_service.server.http_protocol import BoundedHttpProtocol
from kato_service.service import Service
from kato_service.settings.settings import Settings
from support.line_streams import NDJSON, text
from support.raw_http import head

PATH = "/v2/users/me/knowledge:export"
PATTERNS, SYMBOL = 2000, "s" * 1000
"""An export of 12 MB: more than the kernel takes of it."""


class Serving:
    """An instance in this process that waits for its readers as *reading* says."""

    def __init__(self, service: Service, server: uvicorn.Server, port: int) -> None:
        self.service = service
        self._server = server
        self._port = port
        self.api = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)

    async def learn(self) -> None:
        lines = [
            {"user_id": "me", "events": [[f"n{number}"], [f"{at}{SYMBOL}" for at in range(6)]]}
            for number in range(PATTERNS)
        ]
        headers = {"Content-Type": NDJSON}
        answer = await self.api.post(
            "/v2/learn?answers=errors", content=text(lines), headers=headers
        )
        assert json.loads(answer.text.splitlines()[-1])["summary"]["learned"] == PATTERNS

    async def stalled(self) -> socket.socket:
        """A connection that got the first byte of an export and reads no other."""
        client, loop = socket.socket(), asyncio.get_running_loop()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", self._port))
        await loop.sock_sendall(client, head("GET", PATH))
        assert await asyncio.wait_for(loop.sock_recv(client, 1), 60)
        return client

    @property
    def waiting_bytes(self) -> list[int]:
        """What each open connection holds of an answer."""
        connections: Any = self._server.server_state.connections
        return [one.transport.get_write_buffer_size() for one in connections]

    async def require_export(self) -> None:
        body = (await self.api.get(PATH)).content
        assert "sha256" in json.loads(body.splitlines()[-1])


@asynccontextmanager
async def serving(directory: Path, reading: ReadingLimits) -> AsyncIterator[Serving]:
    protocol = type("Http", (BoundedHttpProtocol,), {"reading_limits": reading})
    settings = Settings(_env_file=None, DATA_DIR=directory, VECTORS="disabled")  # type: ignore[call-arg]  # a setting of pydantic
    async with running_service(settings) as service:
        await service.knowledge.start()
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(make_app(service), http=protocol, lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve([listener]))
        made = Serving(service, server, listener.getsockname()[1])
        try:
            async with made.api:
                yield made
        finally:
            server.should_exit = server.force_exit = True
            await task


async def test_others_export_and_learn_while_a_client_reads_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, ReadingLimits()) as instance:
        await instance.learn()
        with await instance.stalled():
            await instance.require_export()
            await instance.learn()
            # What it waits with is a piece or two, however long the export is.
            assert 0 < max(instance.waiting_bytes) < 4 * PIECE_BYTES


async def test_a_client_that_reads_nothing_is_dropped_and_the_audit_log_says_so(
    tmp_path: Path,
) -> None:
    limits = ReadingLimits(patience_s=0.5, look_s=0.1)
    async with serving(tmp_path, limits) as instance:
        await instance.learn()
        with capture_logs() as lines:
            with await instance.stalled():
                async with asyncio.timeout(60):
                    while not (audited := _audited(lines)):
                        await asyncio.sleep(0.01)
                assert max(instance.waiting_bytes) == 0
            assert [(one["outcome"], one["status"]) for one in audited] == [("failed", 200)]
            await instance.require_export()
            assert [one["outcome"] for one in _audited(lines)] == ["failed", "done"]


async def test_the_audit_log_tells_a_stream_that_failed_after_its_status(tmp_path: Path) -> None:
    async with serving(tmp_path, ReadingLimits()) as instance:
        await instance.learn()
        body = (await instance.api.get(PATH)).content
        instance.service.stop()
        with capture_logs() as lines:
            cut = (await instance.api.get(PATH)).content
            headers = {"Content-Type": NDJSON}
            path = "/v2/users/you/knowledge:import"
            answer = await instance.api.post(path, content=body, headers=headers)
        assert "error" in json.loads(cut.splitlines()[-1])
        assert json.loads(answer.text.splitlines()[-1])["summary"]["complete"] is False
        assert [(one["outcome"], one["status"]) for one in _audited(lines)] == [("failed", 200)] * 2


def _audited(lines: Any) -> list[Any]:
    return [line for line in lines if line["event"] == "audit"]
