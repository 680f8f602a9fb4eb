"""Every queue inside a process is bounded: what finds no place is refused and changes nothing."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import pytest

from kato_service.app import make_app
from kato_service.assembly import running_service
from kato_service.domain.deadline import Deadline
from kato_service.errors import DeadlineExceededError, OverloadedError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Entry, Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.processing.matching_threads import MatchingThreads
from kato_service.search.pace import Pace
from kato_service.sessions.queue import SessionQueues
from kato_service.settings.settings import Settings


def soon() -> Deadline:
    return Deadline.after(30)


async def test_a_full_queue_of_one_session_does_not_affect_another_session() -> None:
    queues, leave = SessionQueues(max_waiting=2), asyncio.Event()

    async def use(session_id: str) -> None:
        await queues.take(session_id, soon())
        await leave.wait()
        queues.give_back(session_id)

    users = [asyncio.create_task(use("a")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="retry later"):
        await use("a")
    other = asyncio.create_task(use("b"))
    leave.set()
    await asyncio.gather(*users, other)
    await use("a")


@pytest.mark.parametrize("turns", [0, 1], ids=["while it waits", "as its turn comes"])
async def test_a_request_that_gives_up_lets_the_next_one_have_its_turn(turns: int) -> None:
    queues = SessionQueues(max_waiting=9)
    await queues.take("a", soon())
    gone, next_one = (asyncio.create_task(queues.take("a", soon())) for _ in range(2))
    await asyncio.sleep(0)
    if turns:
        queues.give_back("a")
    gone.cancel()
    if not turns:
        queues.give_back("a")
    await next_one
    assert gone.cancelled()
    queues.give_back("a")
    assert not queues.is_waited_for("a")


async def test_a_request_waits_for_its_session_until_its_deadline() -> None:
    queues = SessionQueues(max_waiting=9)
    await queues.take("a", soon())
    with pytest.raises(DeadlineExceededError):
        await queues.take("a", Deadline.after(0.01))
    queues.give_back("a")
    assert not queues.is_waited_for("a")


def held(leave: threading.Event) -> Callable[[Pace], bool]:
    return lambda _pace: leave.wait(30)


async def test_predictions_of_a_user_are_refused_while_too_many_wait_and_others_are_not() -> None:
    threads, leave = MatchingThreads(processors=1, waiting=2), threading.Event()
    running = [asyncio.create_task(threads.run("a", held(leave), soon())) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="retry later"):
        await threads.run("a", lambda _pace: True, soon())
    assert await threads.run("b", lambda _pace: True, soon())
    leave.set()
    assert await asyncio.gather(*running) == [True, True, True]
    assert await threads.run("a", lambda _pace: True, soon())
    threads.close()


async def test_an_applied_sequence_succeeds_although_its_predictions_are_refused(
    tmp_path: Path,
) -> None:
    settings = Settings(_env_file=None, DATA_DIR=tmp_path, VECTORS="disabled")  # type: ignore[call-arg]  # a setting of pydantic
    leave = threading.Event()
    async with running_service(settings) as service:
        await service.knowledge.start()
        threads = service.processor.threads
        waits = [threads.run("kato", held(leave), soon()) for _ in range(threads.capacity)]
        waiting = [asyncio.create_task(wait) for wait in waits]
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            items = [{"strings": [symbol]} for symbol in "ab"]
            sent = await client.post("/observe-sequence", json={"observations": items})
            refused = await client.get("/predictions")
            stm = (await client.get("/stm")).json()["stm"]
        leave.set()
        await asyncio.gather(*waiting)
    assert refused.json()["error"]["code"] == "OVERLOADED"
    assert (sent.status_code, sent.json()["final_predictions"]) == (200, [])
    assert stm == [["a"], ["b"]]


class HeldLog(SqliteKnowledgeLog):
    """Its inserts wait for `leave`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.leave = asyncio.Event()

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        await self.leave.wait()
        return await super().insert(kb, first, entries)


async def test_a_limited_number_of_entries_wait_for_the_log_and_started_changes_continue(
    tmp_path: Path,
) -> None:
    log = HeldLog(tmp_path / "log.sqlite")
    bases = KnowledgeBases(log, PlainPatterns, limits=KnowledgeLimits(pending_entries=3))
    await bases.start()
    base = bases.get("kato")
    learns = [Learn(f"t{n}", f"n{n}", (("a", "b"),), None, 5) for n in range(4)]
    started = asyncio.create_task(base.append(learns[:3], since=await base.tail(deadline=soon())))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="retry later"):
        await base.tail(deadline=soon())
    rolled_forward = asyncio.create_task(base.append(learns[3:], since=0, lookup=True))
    log.leave.set()
    assert len(await started) + len(await rolled_forward) == 4
    assert await base.tail(deadline=soon()) == 4
    await bases.close()
