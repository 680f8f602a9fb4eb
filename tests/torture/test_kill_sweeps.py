"""Whatever is killed, frozen or cut off, acknowledged changes exist once, on every replica."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from torture import faults
from torture.checker import check
from torture.conftest import POINTS
from torture.hammer import Client, Crowd, Line, User
from torture.stack import Stack

ROUND = 20
"""Faults between two checks."""
WORKED = 8
"""Requests that are answered between two faults."""
HEAL_S = 5.0
SQLITE, MONGODB, QDRANT = ("redis",), ("redis", "mongodb"), ("redis", "mongodb", "qdrant")


@dataclass
class Sweep:
    """One kind of fault, or several in turn, on one stack."""

    stack: Stack
    kinds: tuple[str, ...]
    seed: str
    with_vectors: bool
    history: deque[str]
    changes: int = 0
    tries: int = 0

    async def round(self, number: int, points: int, reference: httpx.AsyncClient) -> None:
        """Load the stack, inject faults, heal it, compare."""
        line = Line(self.stack.clients, Random(f"{self.seed} {number} line"), self.history)
        clients = self._clients(number, line)
        crowd = Crowd(f"crowd-{number}", line, Random(f"{self.seed} {number} crowd"))
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for runner in (*clients, crowd):
                tasks.create_task(runner.run(stop))
            await self._inject(line, Random(f"{self.seed} {number} faults"), points)
            await self.stack.heal()
            stop.set()
        users = {client.user.name: client.user for client in clients}.values()
        self.changes += sum(client.done for client in clients)
        self.changes += sum(map(len, crowd.observed.values()))
        self.tries += line.attempts
        await check(self.stack, users, [crowd], reference)

    async def _inject(self, line: Line, rng: Random, points: int) -> None:
        for kind in self.kinds:
            lanes = faults.lanes(kind)
            await asyncio.gather(
                *(
                    self._lane(fault, line, Random(rng.random()), points // len(lanes) or 1)
                    for fault in lanes[:points]
                )
            )

    async def _lane(self, fault: faults.Fault, line: Line, rng: Random, points: int) -> None:
        """Inject one fault after the other while clients keep working."""
        for _ in range(points):
            await worked(line)
            await asyncio.sleep(rng.uniform(0.05, 0.3))
            await fault(self.stack, rng)

    def _clients(self, number: int, line: Line) -> list[Client]:
        """Two users of two clients each, and two users of one."""
        shared = [User(f"shared-{number}-{i}") for i in range(2)]
        clients: list[Client] = []
        for i, user in enumerate((*shared, *shared, User(f"a-{number}"), User(f"b-{number}"))):
            rng = Random(f"{self.seed} {number} client {i}")
            clients.append(Client(f"c{i}", user, line, rng, i > 3, self.with_vectors))
        return clients


def cases() -> Iterator[Any]:
    if not POINTS:
        yield pytest.param(QDRANT, faults.KINDS, id="everything in turn")
        return
    for kind in faults.KINDS:
        stores = {"mongodb": MONGODB, "qdrant": QDRANT}.get(kind.split()[0], SQLITE)
        yield pytest.param(stores, (kind,), id=kind)
        if kind in ("replica kill", "replica freeze"):
            yield pytest.param(MONGODB, (kind,), id=f"{kind}, mongodb")


@pytest.mark.long
@pytest.mark.parametrize(("stores", "kinds"), cases())
async def test_every_acknowledged_change_exists_once_on_every_replica(
    stores: tuple[str, ...],
    kinds: tuple[str, ...],
    seed: str,
    new_stack: Callable[..., Awaitable[Stack]],
    reference: httpx.AsyncClient,
    record_property: Callable[[str, object], None],
    tmp_path: Path,
) -> None:
    sweep = Sweep(await new_stack(*stores), kinds, seed, "qdrant" in stores, deque(maxlen=200_000))
    began = time.monotonic()
    left, done = POINTS or 1, 0
    record_property("fault", kinds[0] if len(kinds) == 1 else "everything in turn")
    record_property("stores", " ".join(stores if len(stores) > 1 else (*stores, "sqlite")))
    with written(sweep.history, tmp_path / "history.log"):
        while left:
            points = min(ROUND, left)
            if done and "mongodb" in stores:
                # The stand-in scans all documents for each read, which takes seconds in the end.
                await sweep.stack.close()
                sweep.stack = await new_stack(*stores)
            await sweep.round(done, points, reference)
            left, done = left - points, done + points
            tell(f"{kinds[-1]}: {done} points, {sweep.changes} changes, {sweep.tries} tries")
    record_property("points", done * len(kinds))
    record_property("changes", sweep.changes)
    record_property("tries", sweep.tries)
    record_property("seconds", round(time.monotonic() - began))
    record_property("result", "kept")


async def worked(line: Line) -> None:
    """Wait until some requests were answered, or as long as a fault may prevent that."""
    enough, give_up_at = line.answered + WORKED, time.monotonic() + HEAL_S
    while line.answered < enough and time.monotonic() < give_up_at:
        await asyncio.sleep(0.01)


@contextmanager
def written(history: deque[str], path: Path) -> Iterator[None]:
    """Write all requests and answers to *path* if the block fails."""
    try:
        yield
    except BaseException:
        path.write_text("\n".join(history))
        tell(f"every request and its answer: {path}")
        raise


def tell(progress: str) -> None:
    if POINTS:
        sys.stderr.write(f"\n{time.strftime('%H:%M:%S')} {progress}\n")
