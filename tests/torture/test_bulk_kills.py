"""Whatever is killed, frozen or cut off, each line of a bulk learn is learned once."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import pytest

from kato_service.domain.pattern import pattern_name
from support.line_streams import NDJSON, text
from torture import faults
from torture.checker import everywhere
from torture.conftest import POINTS
from torture.stack import Stack

LINES, SENDERS, USERS = 250, 3, 2
"""Lines of a request, senders at once, and users whose lines a request mixes."""
KINDS = ("replica kill", "replica freeze", "replica cut", "store kill", "store cut")
SHORT = ("replica kill", "store kill")
PATIENCE_S = 180.0


def name_of(line: dict[str, Any]) -> str:
    return f"PTRN|{pattern_name(tuple(tuple(sorted(event)) for event in line['events']))}"


@dataclass
class Sender:
    """Sends requests one after the other, each again and again until every line has an outcome,
    to whatever replica; half of the time only the lines that have none yet."""

    number: int
    stack: Stack
    rng: Random
    learned: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By user and pattern, how often it should have been learned."""
    requests: int = 0
    tries: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._insist(list(self._lines()))
            self.requests += 1

    def _lines(self) -> Iterator[dict[str, Any]]:
        for i in range(LINES):
            events = [["a"], [f"s{self.rng.randrange(20)}", self.rng.choice("xyz")]]
            user = f"bulk-{self.rng.randrange(USERS)}"
            line = {"user_id": user, "events": events}
            yield {**line, "unique_id": f"{self.number}-{self.requests}-{i}"}

    async def _insist(self, lines: list[dict[str, Any]]) -> None:
        durable: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_S + 30 * POINTS):
            while len(durable) < len(lines):
                rest = [line for line in lines if line["unique_id"] not in durable]
                for outcome in await self._send(rest if self.rng.random() < 0.5 else lines):
                    durable[outcome["unique_id"]] = outcome["pattern_name"]
        for line in lines:
            assert durable[line["unique_id"]] == name_of(line)
            self.learned[line["user_id"], name_of(line)] += 1

    async def _send(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The outcomes that arrived of lines that are durable."""
        self.tries += 1
        client, found = self.rng.choice(self.stack.clients), list[dict[str, Any]]()
        try:
            async with client.stream(
                "POST",
                "/v2/learn",
                content=text(lines),
                headers={"Content-Type": NDJSON},
                timeout=20,
            ) as answer:
                async for one in answer.aiter_lines():
                    outcome = json.loads(one)
                    if outcome.get("status") == "learned":
                        found.append(outcome)
                    elif outcome.get("status") == "error":
                        assert outcome["error"]["retryable"], outcome
        except (httpx.HTTPError, json.JSONDecodeError):
            await asyncio.sleep(self.rng.uniform(0.05, 0.3))
        return found


def cases() -> Iterator[Any]:
    for stores in (("redis",), ("redis", "mongodb")):
        for kind in KINDS if POINTS else SHORT:
            target, fault = kind.split()
            if target == "replica":
                yield pytest.param(stores, kind, id=f"{kind}, {stores[-1]}")
            elif len(stores) > 1:
                yield pytest.param(stores, f"mongodb {fault}", id=f"mongodb {fault}")


@pytest.mark.long
@pytest.mark.parametrize(("stores", "kind"), cases())
async def test_each_line_is_learned_once_whatever_happens(
    stores: tuple[str, ...],
    kind: str,
    seed: str,
    new_stack: Callable[..., Awaitable[Stack]],
    record_property: Callable[[str, object], None],
) -> None:
    stack, stop = await new_stack(*stores), asyncio.Event()
    senders = [Sender(i, stack, Random(f"{seed} sender {i}")) for i in range(SENDERS)]
    async with asyncio.TaskGroup() as tasks:
        for sender in senders:
            tasks.create_task(sender.run(stop))
        for lane, fault in enumerate(faults.lanes(kind)):
            rng = Random(f"{seed} faults {lane}")
            for _ in range(max(1, POINTS // len(faults.lanes(kind)))):
                await asyncio.sleep(rng.uniform(0.1, 0.6))
                await fault(stack, rng)
        await stack.heal()
        stop.set()
    expected: Counter[tuple[str, str]] = Counter()
    for sender in senders:
        expected.update(sender.learned)
    for user in {user for user, _ in expected}:
        session = await _session(stack, user)
        content = await everywhere(stack, f"{session}/patterns?limit=1000")
        patterns = json.loads(content)["patterns"]
        assert {one["name"]: one["frequency"] for one in patterns} == {
            name: count for (whose, name), count in expected.items() if whose == user
        }
    assert stack.complaints == []
    record_property("fault", f"bulk learn, {kind}")
    record_property("stores", " ".join(stores if len(stores) > 1 else (*stores, "sqlite")))
    record_property("points", max(1, POINTS))
    record_property("changes", sum(expected.values()))
    record_property("tries", sum(sender.tries for sender in senders))
    record_property("result", "kept")


async def _session(stack: Stack, user: str) -> str:
    for client in stack.clients:
        answer = await client.post("/v2/sessions", json={"user_id": user}, timeout=60)
        if answer.status_code == 200:
            return f"/v2/sessions/{answer.json()['session_id']}"
    raise AssertionError(answer.text)
