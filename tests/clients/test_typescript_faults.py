"""Each change of the TypeScript client counts once, whatever happens to connections and processes.

In Node.js and in a page: `faults` is tests/clients/typescript/faults.ts.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from clients.conftest import Runtime
from kato_client import AsyncKato
from support.proxy import FaultyProxy
from support.services import NewService, ServiceProcess

NewProxy = Callable[[int], Awaitable[FaultyProxy]]
SEED = random.randrange(2**32)
BULK = 2500


@pytest.fixture
def user() -> str:
    return uuid4().hex


@pytest.fixture(scope="module")
def lasting_service(redis_url: str, origin: str, new_lasting_service: NewService) -> ServiceProcess:
    """A service with Redis, so that its sessions survive when it is killed."""
    service = new_lasting_service(
        REDIS_URL=redis_url, PROCESSOR_ID=uuid4().hex, VECTORS="disabled", CORS_ORIGINS=origin
    )
    service.start()
    service.await_ready()
    return service


async def ran(runtime: Runtime, function: str, *given: Any) -> Any:
    """What a function of `faults` gives, while proxies go on."""
    arguments = ", ".join(json.dumps(one) for one in given)
    return await asyncio.to_thread(runtime.run, f"faults.{function}({arguments})")


def through(proxy: FaultyProxy, **options: float) -> dict[str, Any]:
    return {"url": f"http://127.0.0.1:{proxy.port}", **options}


async def frequencies(url: str, user: str) -> list[int]:
    async with AsyncKato(url) as kato:
        return sorted([pattern.frequency async for pattern in kato.user(user).patterns()])


async def test_each_change_counts_once_although_connections_are_cut(
    runtime: Runtime, open_url: str, user: str, faulty_proxy: NewProxy
) -> None:
    proxy = await faulty_proxy(int(open_url.rpartition(":")[2]))
    proxy.cut_at_random(random.Random(SEED), 0.2)
    await ran(runtime, "begin", through(proxy), user)
    async with asyncio.timeout(120):
        while not (proxy.lost > 3 and proxy.cut > 3) and await ran(runtime, "talks"):
            await asyncio.sleep(0.05)
    rounds = await ran(runtime, "ended")
    assert await frequencies(open_url, user) == [1] * rounds + [rounds], SEED


async def test_each_change_counts_once_although_the_service_is_killed(
    runtime: Runtime, lasting_service: ServiceProcess, user: str, faulty_proxy: NewProxy
) -> None:
    proxy = await faulty_proxy(lasting_service.port)
    proxy.cut_at_random(random.Random(SEED), 0.1)
    options = through(proxy, timeoutMs=120_000, attemptMs=3000)
    await ran(runtime, "begin", options, user)
    for pause_s in (0.4, 0.7):
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(lasting_service.kill9)
        lasting_service.start()
        await asyncio.to_thread(lasting_service.await_ready)
    rounds = await ran(runtime, "ended")
    assert await frequencies(lasting_service.url, user) == [1] * rounds + [rounds], SEED


async def test_a_bulk_learn_counts_once_and_gives_each_outcome_once(
    runtime: Runtime, open_url: str, user: str, faulty_proxy: NewProxy
) -> None:
    proxy = await faulty_proxy(int(open_url.rpartition(":")[2]))
    proxy.lose_replies(b"/v2/learn", times=2)
    assert await ran(runtime, "learnMany", through(proxy), user, BULK) == [BULK, BULK]
    assert proxy.lost > 0
    assert await frequencies(open_url, user) == [1] * BULK


async def test_a_delete_whose_answer_is_lost_succeeds(
    runtime: Runtime, open_url: str, user: str, faulty_proxy: NewProxy
) -> None:
    proxy = await faulty_proxy(int(open_url.rpartition(":")[2]))
    proxy.lose_replies(b"DELETE /", times=2)
    assert await ran(runtime, "deleteOnce", through(proxy), user) is False
    assert proxy.lost == 2
    assert await frequencies(open_url, user) == []


async def test_a_broken_subscription_is_opened_again(
    runtime: Runtime, open_url: str, user: str, faulty_proxy: NewProxy
) -> None:
    proxy = await faulty_proxy(int(open_url.rpartition(":")[2]))
    async with AsyncKato(open_url).session(user=user) as session:
        await session.observe_sequence(["a", "b", "c"], learn_at_end=True)
        await ran(runtime, "subscribe", through(proxy), session.id)
        assert await ran(runtime, "following") == []
        proxy.disconnect()
        await session.observe_sequence(["a", "b"])
        assert await ran(runtime, "following") == [[["c"]]]
        proxy.disconnect()
        await session.observe("c")
        assert await ran(runtime, "following") == [[]]
        await session.delete()
        assert await ran(runtime, "following") is None
