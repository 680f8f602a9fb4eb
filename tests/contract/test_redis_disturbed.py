"""Connections to a real Redis that are cut and killed at random, under many clients."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from redis_clients import NewClient, kill, named, proxied, through
from session_stores import ENOUGH, new

from kato_service.connections.redis_client import RedisClient
from kato_service.connections.redis_errors import (
    NotSentError,
    RedisError,
)
from kato_service.sessions.redis.store import RedisSessionStore
from torture.proxy import TortureProxy


class Crowd:
    """Clients that set keys and ask for echoes, and sometimes go away before the answer."""

    clients, rounds = 12, 40

    def __init__(self, client: RedisClient, rng: Random) -> None:
        self.ran: dict[str, bool] = {}
        """By key whether it was set, as far as its client knows."""
        self._client = client
        self._rng = rng
        self._name = uuid4().hex

    async def run(self) -> None:
        await asyncio.gather(*(self._ask(who) for who in range(self.clients)))

    async def _ask(self, who: int) -> None:
        for number in range(self.rounds):
            key = f"{self._name}:{who}:{number}"
            text = key + "y" * self._rng.choice((0, 5, 5, 100_000))
            setting = asyncio.ensure_future(self._client.call("SET", key, text, "GET"))
            echo = asyncio.ensure_future(self._client.call("ECHO", text))
            if self._rng.random() < 0.2:
                await asyncio.sleep(self._rng.random() * 0.01)
                self._rng.choice((setting, echo)).cancel()
            found, echoed = await asyncio.gather(setting, echo, return_exceptions=True)
            failed = (RedisError, asyncio.CancelledError)
            assert found is None or isinstance(found, failed)
            assert echoed == text.encode() or isinstance(echoed, failed)
            if found is None or isinstance(found, NotSentError):
                self.ran[key] = found is None


async def disturb(proxy: TortureProxy, rng: Random) -> None:
    """Cut connections, slow them down, and lose the network for a moment, until cancelled."""
    while True:
        await asyncio.sleep(rng.random() * 0.05)
        what = rng.randrange(4)
        if what == 0:
            proxy.cut()
        elif what == 1:
            proxy.slow_down(rng.random() * 0.02)
        elif what == 2:
            proxy.swallow()
            await asyncio.sleep(rng.choice((0.01, 0.5)))
        await proxy.heal()


@pytest.mark.parametrize("seed", range(3))
async def test_answers_belong_to_their_requests_whatever_happens_to_connections(
    own_redis: Any, new_client: NewClient, admin: RedisClient, seed: int
) -> None:
    """What was not sent did not run either, and what was answered ran."""
    rng = Random(seed)
    async with proxied(own_redis.port) as proxy:
        crowd = Crowd(new_client(through(proxy), pool_size=4, socket_timeout_s=0.3), rng)
        disturbing = asyncio.create_task(disturb(proxy, rng))
        async with asyncio.timeout(120):
            await crowd.run()
        disturbing.cancel()
        await asyncio.wait([disturbing])
        await proxy.heal()
    for key, ran in crowd.ran.items():
        assert bool(await admin.call("EXISTS", key)) is ran
    assert len(crowd.ran) > crowd.clients


async def test_sessions_are_served_while_connections_are_killed(
    own_redis: Any, new_client: NewClient, admin: RedisClient
) -> None:
    name = uuid4().hex
    client = new_client(named(own_redis.url, name))
    store = RedisSessionStore(client, uuid4().hex)
    ids = [(await store.create(new(), ENOUGH)).session_id for _ in range(5)]

    async def observe(session_id: str, turn: int) -> None:
        lock = await store.lock(session_id, "me", rolling_forward=False)
        assert lock is not None
        after = replace(lock.state, stm=(*lock.state.stm, (str(turn),)))
        await store.save(lock, after, None)

    for turn in range(20):
        # One kill for all of them: no command can meet it three times, as often as it is sent.
        await asyncio.gather(kill(admin, name), *(observe(one, turn) for one in ids))
    for session_id in ids:
        found = await store.load(session_id)
        assert found is not None
