"""Each change of the Python client counts once, whatever happens to connections and processes."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest

from kato_client import AsyncKato, ConnectionFailedError
from support.proxy import FaultyProxy

NewKato = Callable[..., Any]
NewProxy = Callable[[int], Awaitable[FaultyProxy]]
SEED = random.randrange(2**32)
FEWEST_ROUNDS = 8


@pytest.fixture(scope="module")
def lasting_service(
    replica_stores: Mapping[str, str], new_lasting_service: Callable[..., Any]
) -> Any:
    """A service with Redis and MongoDB, so that its sessions survive when it is killed."""
    name = uuid4().hex
    service = new_lasting_service(**replica_stores, PROCESSOR_ID=name, MONGO_DATABASE=name)
    service.start()
    service.await_ready()
    return service


async def converse(kato: Any, user: str, goes_on: Callable[[], bool]) -> int:
    """Observe, learn and clear, and compare the short-term memory; returns how many rounds."""
    rounds = 0
    async with kato.session(user=user) as session:
        while rounds < FEWEST_ROUNDS or goes_on():
            await session.observe(["a", "b"], emotives={"joy": 1.0})
            await session.observe_sequence(["c", f"{rounds}"])
            await session.learn()
            await session.observe_sequence([["a"], ["b"]], learn_at_end=True)
            rounds += 1
            await session.observe("left")
            assert await session.stm() == [["left"]], SEED
            await session.clear_stm()
            assert await session.stm() == [], SEED
    return rounds


async def counted(url: str, user: str, rounds: int) -> None:
    """Each of its patterns was learned as often as it was sent."""
    async with AsyncKato(url) as kato, kato.session(user=user) as session:
        frequencies = [pattern.frequency async for pattern in session.patterns()]
        assert sorted(frequencies) == [1] * rounds + [rounds], SEED


async def test_each_change_counts_once_although_connections_are_cut(
    new_kato: NewKato, service_url: str, faulty_proxy: NewProxy
) -> None:
    proxy = await faulty_proxy(int(service_url.rpartition(":")[2]))
    proxy.cut_at_random(random.Random(SEED), 0.2)
    user = uuid4().hex
    async with new_kato(f"http://127.0.0.1:{proxy.port}") as kato:
        rounds = await converse(kato, user, lambda: not (proxy.lost > 3 and proxy.cut > 3))
    await counted(service_url, user, rounds)


async def attack(service: Any) -> None:
    """Let requests time out, kill the service twice, and restart it."""
    await asyncio.sleep(0.5)
    await asyncio.to_thread(service.freeze)
    await asyncio.sleep(3.5)
    service.thaw()
    for pause_s in (0.4, 0.7):
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(service.kill9)
        service.start()
        await asyncio.to_thread(service.await_ready)


async def test_each_change_counts_once_although_the_service_is_frozen_and_killed(
    new_kato: NewKato, lasting_service: Any, faulty_proxy: NewProxy
) -> None:
    proxy = await faulty_proxy(lasting_service.port)
    proxy.cut_at_random(random.Random(SEED), 0.1)
    users = [uuid4().hex for _ in range(2)]
    attacking = asyncio.create_task(attack(lasting_service))
    url = f"http://127.0.0.1:{proxy.port}"
    async with new_kato(url, timeout_s=120, attempt_s=3) as kato:
        talks = (converse(kato, user, lambda: not attacking.done()) for user in users)
        rounds = await asyncio.gather(*talks)
    await attacking
    for user, count in zip(users, rounds, strict=True):
        await counted(lasting_service.url, user, count)


async def test_a_delete_whose_answer_is_lost_succeeds(
    new_kato: NewKato, service_url: str, faulty_proxy: NewProxy
) -> None:
    proxy = await faulty_proxy(int(service_url.rpartition(":")[2]))
    async with new_kato(f"http://127.0.0.1:{proxy.port}") as kato:
        session = kato.session(user=uuid4().hex)
        await session.create()
        done = await session.observe_sequence(["a", "b"], learn_at_end=True)
        for delete in (
            lambda: session.delete_pattern(done.final_learned_pattern),
            lambda: session.delete(),
        ):
            proxy.lose_replies(b"DELETE")
            await delete()
        assert proxy.lost == 2
        assert not await session.exists()


@pytest.mark.parametrize(
    "beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"], ids=["silent", "slow"]
)
async def test_a_call_ends_within_its_limit(new_kato: NewKato, beginning: bytes) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(beginning)
            while beginning and not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
            await reader.read()
        writer.close()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with new_kato(f"http://127.0.0.1:{port}", timeout_s=0.5) as kato:
            began = monotonic()
            with pytest.raises(ConnectionFailedError) as failed:
                await kato.session_count()
            assert monotonic() - began < 10
            assert "gave up after attempt 1, within 0.5 s" in failed.value.__notes__
        await asyncio.wait_for(ended.wait(), 30)
