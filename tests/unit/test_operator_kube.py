"""The client of the API server: nothing is sent that changes something without the right to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiohttp
import pytest
from kubernetes.aio import client

from kato_operator.cluster.kube import Kube, counted_writes
from kato_operator.errors import TransientError
from kato_operator.kinds import CHILDREN, EVENT, INSTANCE

CONFIG = CHILDREN["ConfigMap"]
MANIFEST = {"metadata": {"namespace": "default", "name": "prod-config"}}


class Answer:
    status = 200

    async def json(self) -> dict[str, Any]:
        return {}


class Api:
    """What the operator uses of the client; it notes requests, and answers when told to."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.timeouts: list[aiohttp.ClientTimeout] = []
        self.answers = asyncio.Event()

    async def param_serialize(self, method: str, *_: Any, **__: Any) -> tuple[str]:
        return (method,)

    async def call_api(self, method: str, *, _request_timeout: aiohttp.ClientTimeout) -> Any:
        self.sent.append(method)
        self.timeouts.append(_request_timeout)
        await self.answers.wait()
        return type("Response", (), {"response": Answer()})


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def kube(api: Api) -> Kube:
    return Kube(cast(client.ApiClient, api), manager="test", rate=50, timeout_s=30)


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
    kube.may_write_s = lambda: 7.0
    api.answers.set()
    await write(kube)
    assert [timeout.total for timeout in api.timeouts] == [7.0]


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
    assert api.timeouts[0].total == 30


async def test_a_cancelled_write_is_waited_for(kube: Kube, api: Api) -> None:
    writing = asyncio.create_task(kube.apply(CONFIG, MANIFEST))
    while not api.sent:
        await asyncio.sleep(0)
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
    api = client.ApiClient(client.Configuration(host=host))
    try:
        assert Kube(api, manager="test", rate=50, timeout_s=30).has_ipv6 is has_ipv6
    finally:
        await api.close()
