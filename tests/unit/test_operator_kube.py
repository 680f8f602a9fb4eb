"""The client of the API server: nothing is sent that changes something without the right to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kato_operator.api_server.api_server import ApiServer
from kato_operator.api_server.login import Login
from kato_operator.cluster.kube import Kube, counted_writes
from kato_operator.errors import TransientError
from kato_operator.kinds import CHILDREN, EVENT, INSTANCE

CONFIG = CHILDREN["ConfigMap"]
MANIFEST = {"metadata": {"namespace": "default", "name": "prod-config"}}


class Api:
    """An API server that notes requests, and answers when told to."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.heard = asyncio.Event()
        self.answers = asyncio.Event()

    async def serve(self, request: web.Request) -> web.Response:
        self.sent.append(request.method)
        self.heard.set()
        await self.answers.wait()
        return web.json_response({})


@pytest.fixture
async def api() -> Api:
    return Api()


@pytest.fixture
async def kube(api: Api) -> AsyncIterator[Kube]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.serve)
    async with TestServer(application) as server:
        login = Login(str(server.make_url("")).rstrip("/"))
        kube = Kube(ApiServer(login), manager="test", rate=50, timeout_s=30)
        yield kube
        api.answers.set()
        await kube.close()


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda kube: kube.apply(CONFIG, MANIFEST), id="apply"),
        pytest.param(lambda kube: kube.create(EVENT, MANIFEST), id="create"),
        pytest.param(lambda kube: kube.merge(CONFIG, "default", "prod", {}), id="merge"),
        pytest.param(
            lambda kube: kube.merge(INSTANCE, "default", "prod", {}, subresource="status"),
            id="status",
        ),
        pytest.param(lambda kube: kube.delete(CONFIG, "default", "prod", uid="1"), id="delete"),
        pytest.param(lambda kube: kube.evict("default", "prod-0", uid="1"), id="evict"),
    ],
)
async def test_without_the_right_nothing_is_written(
    kube: Kube, api: Api, write: Callable[[Kube], Awaitable[object]]
) -> None:
    kube.may_write_s = lambda: 0.0
    with pytest.raises(TransientError, match="may not write"):
        await write(kube)
    assert api.sent == []
    kube.may_write_s = lambda: 0.05
    with pytest.raises(TransientError, match="did not answer in time"):
        await write(kube)
    kube.may_write_s = lambda: 30.0
    api.answers.set()
    await write(kube)
    assert len(api.sent) == 2


async def test_what_a_block_has_changed_is_counted(kube: Kube, api: Api) -> None:
    api.answers.set()
    with counted_writes() as writes:
        await kube.get(CONFIG, "default", "prod")
        assert writes.count == 0
        await asyncio.gather(*(kube.apply(CONFIG, MANIFEST) for _ in range(2)))
        kube.may_write_s = lambda: 0.0
        with pytest.raises(TransientError):
            await kube.apply(CONFIG, MANIFEST)
    assert writes.count == 2


async def test_without_the_right_to_write_everything_can_be_read(kube: Kube, api: Api) -> None:
    kube.may_write_s = lambda: 0.0
    api.answers.set()
    assert await kube.get(CONFIG, "default", "prod") == {}


async def test_a_cancelled_write_is_waited_for(kube: Kube, api: Api) -> None:
    writing = asyncio.create_task(kube.apply(CONFIG, MANIFEST))
    await asyncio.wait_for(api.heard.wait(), 10)
    writing.cancel()
    draining = asyncio.create_task(kube.drained())
    done, _ = await asyncio.wait([writing, draining], timeout=0.05)
    assert done == {writing}
    api.answers.set()
    await asyncio.wait_for(draining, 10)
    assert writing.cancelled()


@pytest.mark.parametrize(
    ("host", "has_ipv6"),
    [
        ("https://10.96.0.1:443", False),
        ("https://[fd00:10:96::1]:443", True),
        ("https://kubernetes.default.svc", False),
        ("https://api.example:6443/clusters/a", False),
    ],
)
async def test_the_address_of_the_api_server_tells_whether_pods_have_ipv6(
    host: str, has_ipv6: bool
) -> None:
    api = ApiServer(Login(host))
    try:
        assert Kube(api, manager="test", rate=50, timeout_s=30).has_ipv6 is has_ipv6
    finally:
        await api.close()
