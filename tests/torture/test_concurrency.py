"""Many clients on three undisturbed replicas: nothing is lost, foreign, late or refused."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from torture.conftest import POINTS
from torture.hammer import Line

pytestmark = pytest.mark.xdist_group("torture concurrency")
Clients = list[httpx.AsyncClient]


@pytest.fixture(scope="module")
def replicas(
    new_lasting_service: Callable[..., Any],
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Any]:
    """Three processes over one Redis and one SQLite file."""
    variables = {
        "PROCESSOR_ID": uuid4().hex,
        "REDIS_URL": redis_url,
        "DATA_DIR": str(tmp_path_factory.mktemp("shared")),
        "VECTORS": "disabled",
        "MAX_STM_EVENTS": "2000",
        "MAX_SESSIONS_PER_USER": "2000",
    }
    found = [new_lasting_service(**variables) for _ in range(3)]
    for service in found:
        service.start()
    for service in found:
        service.await_ready()
    return found


@pytest.fixture
async def clients(replicas: list[Any]) -> AsyncIterator[Clients]:
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    found = [httpx.AsyncClient(base_url=one.url, timeout=120, limits=limits) for one in replicas]
    yield found
    for client in found:
        await client.aclose()


async def created(client: httpx.AsyncClient, **fields: Any) -> str:
    response = await client.post("/v2/sessions", json={"user_id": uuid4().hex, **fields})
    assert response.status_code == 200, response.text
    return f"/v2/sessions/{response.json()['session_id']}"


async def observed(client: httpx.AsyncClient, session: str, symbol: str) -> int:
    response = await client.post(f"{session}/observe", json={"strings": [symbol]})
    assert response.status_code in (200, 404), response.text
    return response.status_code


async def symbols(client: httpx.AsyncClient, session: str) -> list[str]:
    response = await client.get(f"{session}/stm")
    assert response.status_code == 200, response.text
    return [symbol for event in response.json()["stm"] for symbol in event]


async def together(tasks: list[Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*tasks))


async def test_a_prediction_includes_every_learn_acknowledged_before_it_was_requested(
    clients: Clients, seed: str
) -> None:
    started = acknowledged = seen = 0
    rng = Random(seed)
    line = Line(clients, rng, deque(maxlen=1000))
    user = uuid4().hex
    learns, writers = (200, 5) if POINTS else (20, 4)

    async def learn() -> None:
        nonlocal started, acknowledged
        session = await created(rng.choice(clients), user_id=user)
        for _ in range(learns):
            started += 1
            items = [{"strings": ["a"]}, {"strings": ["b"]}]
            sequence = {"observations": items, "learn_at_end": True}
            await line.change(f"{session}/observe-sequence", **sequence)
            acknowledged += 1

    async def predict(done: asyncio.Event) -> int:
        nonlocal seen
        session = await created(rng.choice(clients), user_id=user)
        for symbol in ("a", "x"):
            await observed(rng.choice(clients), session, symbol)
        reads = 0
        while not done.is_set():
            least = max(acknowledged, seen)
            answer = await line.insist("GET", f"{session}/predictions")
            frequencies = [one["frequency"] for one in answer.body["predictions"]]
            found = frequencies[0] if frequencies else 0
            assert least <= found <= started
            seen = max(seen, found)
            reads += 1
        return reads

    done = asyncio.Event()
    readers = [asyncio.create_task(predict(done)) for _ in range(4)]
    await together([learn() for _ in range(writers)])
    done.set()
    assert sum(await together(list(readers))) > writers
    assert acknowledged == learns * writers


async def test_a_hundred_clients_on_one_session_lose_nothing(clients: Clients) -> None:
    session = await created(clients[0])
    turns = range(20 if POINTS else 4)

    async def observe(number: int) -> None:
        for turn in turns:
            status = await observed(clients[(number + turn) % 3], session, f"{number}-{turn}")
            assert status == 200

    await together([observe(number) for number in range(100)])
    found = [await symbols(client, session) for client in clients]
    assert found[0] == found[1] == found[2]
    assert Counter(found[0]) == Counter(f"{n}-{turn}" for n in range(100) for turn in turns)
    for number in range(100):
        mine = [symbol for symbol in found[0] if symbol.startswith(f"{number}-")]
        assert mine == [f"{number}-{turn}" for turn in turns]


async def test_a_thousand_sessions_at_once_hold_only_their_own_events(clients: Clients) -> None:
    user = uuid4().hex
    count = 1000 if POINTS else 150

    async def converse(number: int) -> list[str]:
        session = await created(clients[number % 3], user_id=user)
        for turn in range(3):
            client = clients[(number + turn) % 3]
            assert await observed(client, session, f"{number}-{turn}") == 200
        return await symbols(clients[(number + 1) % 3], session)

    found = await together([converse(number) for number in range(count)])
    assert found == [[f"{number}-{turn}" for turn in range(3)] for number in range(count)]


async def test_deletes_and_observations_at_once_leave_no_session(clients: Clients) -> None:
    before = await live(clients[0])

    async def race(number: int) -> None:
        session = await created(clients[number % 3])
        observations = [observed(clients[i % 3], session, f"{number}-{i}") for i in range(4)]
        deletes = [client.delete(session) for client in clients[:2]]
        *_, first, second = await together([*observations, *deletes])
        assert {first.status_code, second.status_code} == {200, 404}
        for client in clients:
            assert await observed(client, session, "late") == 404

    await together([race(number) for number in range(40)])
    assert await live(clients[0]) == before


async def live(client: httpx.AsyncClient) -> int:
    count: int = (await client.get("/v2/sessions/count")).json()["active_session_count"]
    return count


async def test_a_session_lives_until_it_expires_and_no_longer(clients: Clients) -> None:
    async def until_it_is_gone(number: int) -> None:
        asked_at = time.monotonic()
        session = await created(clients[number % 3], ttl_seconds=2)
        answered_at = time.monotonic()
        count = 0
        while True:
            sent_at = time.monotonic()
            status = await observed(clients[count % 3], session, str(count))
            if status == 404:
                break
            assert sent_at < answered_at + 2
            count += 1
        assert time.monotonic() > asked_at + 2
        for client in clients:
            assert (await client.get(f"{session}/stm")).status_code == 404

    await together([until_it_is_gone(number) for number in range(20)])
