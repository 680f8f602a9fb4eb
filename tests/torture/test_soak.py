"""A mixed load for a long time: a replica uses no more at the end than early on.

Runs only with ``SOAK_MINUTES`` (``make soak``): whether usage stays flat does not show in a minute.
"""

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from random import Random

import psutil
import pytest
from redis.asyncio import Redis

from torture.hammer import Line
from torture.stack import Stack

MINUTES = float(os.environ.get("SOAK_MINUTES", "0"))
CLIENTS = int(os.environ.get("SOAK_CLIENTS", "6"))
SESSION_S = 60
"""Seconds a session lives; its keys outlive its conversation."""
CONVERSATION_S = 20
"""Seconds after which a session is not used any more, however slow the machine."""
USERS = 40
SAMPLES = 20
MiB = 2**20

pytestmark = pytest.mark.skipif(not MINUTES, reason="takes minutes: make soak")


@dataclass(frozen=True)
class Sample:
    """The usage at one moment."""

    seconds: int
    requests: int
    learns: int
    memory_mib: float
    """Resident memory of the largest replica."""
    files: int
    """Open files of the replica with the most."""
    threads: int
    redis_keys: int
    redis_mib: float
    file_mib: float
    """The knowledge file with its write-ahead log."""


class Load:
    """Conversations of a fixed set of users over a fixed set of symbols."""

    def __init__(self, line: Line, rng: Random) -> None:
        self.learns = 0
        self._line = line
        self._rng = rng

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            user = f"user-{self._rng.randrange(USERS)}"
            body = {"user_id": user, "ttl_seconds": SESSION_S}
            answer = await self._line.insist("POST", "/v2/sessions", body)
            path = f"/v2/sessions/{answer.body['session_id']}"
            for _ in range(self._rng.randint(1, 4)):
                if time.monotonic() < answer.asked_at + CONVERSATION_S:
                    await self._talk(path)
            if self._rng.random() < 0.3:
                await self._line.insist("DELETE", path, gone=404)

    async def _talk(self, path: str) -> None:
        symbols = [str(self._rng.randrange(6)) for _ in range(3)]
        for symbol in symbols:
            emotives = {"joy": self._rng.random()}
            await self._line.change(f"{path}/observe", strings=[symbol], emotives=emotives)
            await asyncio.sleep(self._rng.uniform(0, 0.05))
        await self._line.insist("GET", f"{path}/predictions")
        await self._line.insist("GET", f"{path}/stm")
        await self._line.change(f"{path}/learn")
        self.learns += 1


async def test_nothing_grows_under_a_mixed_load(
    seed: str, new_stack: Callable[..., Awaitable[Stack]], tmp_path: Path
) -> None:
    stack = await new_stack("redis")
    line = Line(stack.clients, Random(seed), deque(maxlen=1000))
    load = Load(line, Random(f"{seed} load"))
    stop = asyncio.Event()
    samples: list[Sample] = []
    began = time.monotonic()
    async with Redis(port=stack.servers["redis"].port) as redis, asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(load.run(stop))
        for number in range(SAMPLES):
            due_at = began + (number + 1) * MINUTES * 60 / SAMPLES
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            samples.append(await sampled(stack, redis, line, load, began, tmp_path))
            tell(samples[-1])
        stop.set()
    _require_flat(samples)
    await _require_empty(stack)
    assert not stack.complaints


async def sampled(
    stack: Stack, redis: Redis, line: Line, load: Load, began: float, directory: Path
) -> Sample:
    processes = [psutil.Process(one.process.pid) for one in stack.replicas]
    files = directory.rglob("knowledge*")
    memory = await redis.info("memory")
    return Sample(
        seconds=round(time.monotonic() - began),
        requests=line.attempts,
        learns=load.learns,
        memory_mib=max(round(one.memory_info().rss / MiB, 1) for one in processes),
        files=max(one.num_fds() for one in processes),
        threads=max(one.num_threads() for one in processes),
        redis_keys=await redis.dbsize(),
        redis_mib=round(memory["used_memory"] / MiB, 2),
        file_mib=round(sum(file.stat().st_size for file in files) / MiB, 2),
    )


def _require_flat(samples: list[Sample]) -> None:
    """Usage must not grow after the first quarter; the file grows evenly with the learns."""
    early, late = samples[len(samples) // 4], samples[-1]
    assert late.memory_mib < early.memory_mib * 1.1 + 10
    assert late.files <= early.files + 10
    assert late.threads <= early.threads + 4
    # Sessions live for a while, so their number follows the requests of the last minutes.
    more = max(1.0, _lately(samples, late) / _lately(samples, early))
    assert late.redis_keys < early.redis_keys * 1.5 * more + 50
    assert late.redis_mib < early.redis_mib * 1.5 * more + 2
    middle = samples[len(samples) * 5 // 8]
    first = (middle.file_mib - early.file_mib) / (middle.learns - early.learns)
    second = (late.file_mib - middle.file_mib) / (late.learns - middle.learns)
    assert second < first * 1.3 + 100 / MiB


def _lately(samples: list[Sample], one: Sample) -> int:
    """Requests since the previous sample."""
    return one.requests - samples[samples.index(one) - 1].requests


async def _require_empty(stack: Stack) -> None:
    """After the last session expired, little more than the indexes must be left in Redis."""
    give_up_at = time.monotonic() + 3 * SESSION_S
    async with Redis(port=stack.servers["redis"].port) as redis:
        while len(keys := [key async for key in redis.scan_iter("*")]) > USERS:
            assert time.monotonic() < give_up_at, keys
            await asyncio.sleep(1)


def tell(sample: Sample) -> None:
    if sample.seconds < MINUTES * 60 / SAMPLES * 1.5:
        line(field.name for field in fields(sample))
    line(astuple(sample))


def line(cells: object) -> None:
    sys.stderr.write("".join(f"{cell!s:>12}" for cell in cells) + "\n")  # type: ignore[attr-defined]
