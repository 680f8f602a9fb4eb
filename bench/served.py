"""Runs the service, or a program to compare it with, and watches its event loop.

``python served.py kato|floor|pipelined|asgi``: on SIGUSR1 it prints the longest stall of the loop
since the last signal, and how much of it was computing; the rest was waiting for a processor.
"""

import asyncio
import gc
import json
import signal
import sys
import time
from hashlib import sha1
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from kato_service import json_text
from kato_service.app import make_app
from kato_service.assembly import running_service
from kato_service.connections.redis_client import RedisClient, RedisOptions
from kato_service.logs import configure_logs
from kato_service.server.server import KatoServer
from kato_service.sessions.redis import session_scripts
from kato_service.settings.settings import Settings, read_settings

TICK_S = 0.002


class Watch:
    """Ticks at a fixed pace; a late tick means that the loop was held up."""

    def __init__(self) -> None:
        self._worst = (0.0, 0.0)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._tell)

    async def run(self) -> None:
        while True:
            began, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_S)
            late = time.perf_counter() - began - TICK_S
            self._worst = max(self._worst, (late, time.thread_time() - used))

    def _tell(self) -> None:
        late, computed = self._worst
        print(json.dumps({"late_ms": late * 1000, "computed_ms": computed * 1000}), flush=True)
        self._worst = (0.0, 0.0)


class Seen(BaseModel):
    strings: list[str]


class Scripts:
    """The same commands to Redis as for an observation, without reading what it answers."""

    def __init__(self, settings: Settings) -> None:
        assert settings.redis_url is not None
        self._client = RedisClient(RedisOptions(settings.redis_url.get_secret_value()))
        self._lock, self._save = (
            sha1(one.encode()).hexdigest() for one in (session_scripts.LOCK, session_scripts.SAVE)
        )
        self._prefix = f"kato:{settings.processor_id}:"

    async def observe(self, session_id: str) -> None:
        call, base = self._client.call, f"{self._prefix}{{{session_id}}}"
        keys = (base, f"{base}:stm", f"{base}:emotives", f"{base}:remembered")
        _, number, _, found = await call("EVALSHA", self._lock, 4, *keys, "floor", 2000, 0)
        lists = (1, 1, '["hello","world"]', 0, 0, 0, 0)
        state = (found[0], "", found[3], found[4])
        await call("EVALSHA", self._save, 4, *keys, "floor", number, *state, *lists)


def floor(settings: Settings) -> FastAPI:
    """The floor: takes an event, sends the same commands to Redis, responds, checks nothing."""
    scripts, app = Scripts(settings), FastAPI()

    @app.post("/v2/sessions/{session_id}/observe")
    async def observe(session_id: str, body: Seen) -> Response:
        await scripts.observe(session_id)
        return Response(json_text.text({"session_id": session_id, "symbols": body.strings}))

    return app


def bare(settings: Settings, *, pipelined: bool) -> Any:
    """An ASGI application without a framework: what server and Redis cost at least.

    *pipelined*: it sends the commands to Redis; else it asks nobody.
    """
    scripts = Scripts(settings)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        session_id = scope["path"].split("/")[3] if scope["method"] == "POST" else ""
        body = (await receive())["body"]
        if pipelined and session_id:
            await scripts.observe(session_id)
        answer = json_text.text({"session_id": session_id, "symbols": body.decode()})
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


async def served(what: str) -> None:
    settings = read_settings()
    configure_logs(level=settings.log_level, style=settings.log_format)
    watching = asyncio.create_task(Watch().run())
    if what == "kato":
        async with running_service(settings) as service:
            await KatoServer(service, make_app(service)).serve()
    else:
        app = floor(settings) if what == "floor" else bare(settings, pipelined=what == "pipelined")
        config = uvicorn.Config(
            app, port=settings.port, access_log=False, log_level="error", lifespan="off"
        )
        gc.freeze()  # as the service does after its set-up
        await uvicorn.Server(config).serve()
    watching.cancel()


if __name__ == "__main__":
    uvloop.run(served(sys.argv[1]))
