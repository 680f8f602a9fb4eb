"""The HTTP connections of the checks: kept, but not for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import ClientSession, web

from kato_operator.errors import CheckFailedError
from kato_operator.stores.checks import HttpProbe, Probe, ServiceProbe
from kato_operator.stores.connections import Connections


class Server:
    """A server that counts its connections, and may close each one after an answer."""

    def __init__(self) -> None:
        self.url = ""
        self.closes = False
        self.status = 200
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._transports: set[asyncio.BaseTransport] = set()

    @property
    def connections(self) -> int:
        return len(self._transports)

    async def answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self._transports.add(request.transport)
        await self.may_answer.wait()
        if self.closes:
            asyncio.get_running_loop().call_later(0.05, request.transport.abort)
        return web.json_response({"status": "healthy"}, status=self.status)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made, app = Server(), web.Application()
    app.router.add_get("/", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


async def get(http: ClientSession, url: str) -> int:
    async with http.get(url) as answer:
        return answer.status


async def test_a_connection_is_used_again(server: Server) -> None:
    async with Connections() as kept:
        assert [await get(kept.now.keeping, server.url) for _ in range(3)] == [200] * 3
    assert server.connections == 1


async def test_a_connection_that_the_server_has_closed_is_replaced(server: Server) -> None:
    server.closes = True
    async with Connections() as kept:
        for _ in range(3):
            assert await get(kept.now.keeping, server.url) == 200
            await asyncio.sleep(0.1)  # longer than the server keeps it
    assert server.connections == 3


async def test_a_connection_that_is_always_in_use_is_renewed_all_the_same(server: Server) -> None:
    async with Connections(renew_s=0.1) as kept, asyncio.timeout(30):
        renewing = asyncio.create_task(kept.renew())
        while server.connections < 3:
            assert await get(kept.now.keeping, server.url) == 200
            await asyncio.sleep(0)
        renewing.cancel()


async def test_a_question_that_is_asked_is_not_cut_off_by_a_renewal(server: Server) -> None:
    async with Connections(renew_s=0.2) as kept:
        renewing = asyncio.create_task(kept.renew())
        server.may_answer.clear()
        before = kept.now
        asking = asyncio.create_task(get(before.keeping, server.url))
        while kept.now is before:
            await asyncio.sleep(0.01)
        server.may_answer.set()
        assert await asking == 200
        renewing.cancel()


@pytest.mark.parametrize("kind", [HttpProbe, ServiceProbe])
async def test_a_connection_that_leads_elsewhere_is_not_kept_for_ever(
    server: Server, kind: Callable[[str], Probe]
) -> None:
    probe = kind(server.url)
    async with Connections() as connections:
        sessions = connections.now
        await probe(sessions.keeping)
        server.status = 404
        for session in (sessions.keeping, sessions.closing):
            with pytest.raises(CheckFailedError, match="returned 404"):
                await probe(session)
        assert server.connections == 1
        server.status = 200
        for session in (sessions.closing, sessions.keeping, sessions.keeping):
            await probe(session)
    assert server.connections == 3
