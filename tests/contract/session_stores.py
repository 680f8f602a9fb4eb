"""One session store of each kind, and what tests put into them."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from kato_service.connections.redis_client import RedisOptions
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.knowledge.model.entries import Clear, Learn
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.redis.store import RedisSessionStore
from kato_service.sessions.state import Intent, SessionState
from kato_service.sessions.steady_clock import SteadyClock
from kato_service.sessions.store import LEASE_S, Limits, Lock, NewSession, SessionStore

ENOUGH = Limits(100, 100)
RENEWALS = 3
SHORT_S = 2
"""A lifetime that a test lets pass; long enough for a few calls on a busy machine."""


@dataclass
class Kept:
    """A store of one kind, and a way to let its time pass."""

    new_store: Callable[[float], SessionStore]
    """Makes a store of this kind with a lease of so many seconds."""
    pass_time: Callable[[float], Awaitable[None]]

    def __post_init__(self) -> None:
        self.store = self.new_store(LEASE_S)

    async def create(self, **fields: Any) -> SessionState:
        return await self.store.create(new(**fields), ENOUGH)

    async def locked(self, session_id: str, owner: str = "me") -> Lock:
        lock = await self.store.lock(session_id, owner, rolling_forward=False)
        assert lock is not None
        return lock

    async def pass_time_holding(self, lock: Lock, seconds: float) -> None:
        """Let time pass while the holder of a lock renews it, at the end too."""
        for _ in range(RENEWALS):
            await self.pass_time(seconds / RENEWALS)
            await self.store.renew(lock)


def new(**fields: Any) -> NewSession:
    given = {
        "session_id": uuid4().hex,
        "incarnation": uuid4().hex,
        "user_id": None,
        "processor_id": "kb",
        "ttl_s": 60,
        "metadata": {},
        "overrides": {},
    }
    return NewSession(**{**given, **fields})


async def pass_time_in_full(seconds: float) -> None:
    if "IN_FULL" not in os.environ:
        pytest.skip("waits for seconds: on a Redis Cluster only with IN_FULL=1")
    await asyncio.sleep(seconds)


ON_A_CLUSTER = pytest.param("redis cluster", marks=pytest.mark.xdist_group("redis cluster"))


@pytest.fixture(params=["memory", "redis", ON_A_CLUSTER])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    if request.param == "memory":
        now = [1_700_000_000.0]

        async def pass_time(seconds: float) -> None:
            now[0] += seconds

        clock = SteadyClock(lambda: now[0], lambda: now[0])
        yield Kept(lambda lease_s: MemorySessionStore(clock, lease_s=lease_s), pass_time)
        return
    clustered = request.param == "redis cluster"
    url = request.getfixturevalue("redis_cluster").url if clustered else None
    url = url or request.getfixturevalue("redis_url")
    pool = RedisConnectionPool(RedisOptions(url=url, pool_size=8))
    instance = uuid4().hex

    def new_store(lease_s: float) -> SessionStore:
        return RedisSessionStore(pool.client, instance, lease_s=lease_s)

    yield Kept(new_store, pass_time_in_full if clustered else asyncio.sleep)
    await pool.close()


def intent_for(lock: Lock, after: SessionState) -> Intent:
    entries = (
        Learn("t1", "n", (("a", "b"), ("c",)), {"joy": 0.5}, 5, {"k": ('"v"', "1")}),
        Clear("t2"),
    )
    return Intent(uuid4().hex, entries, since=7, state=after, created_at=lock.locked_at)
