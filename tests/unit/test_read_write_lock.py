"""Who may read and change a knowledge base at the same time."""

import asyncio

from kato_service.knowledge.replica.read_write_lock import ReadWriteLock


async def held(
    gate: ReadWriteLock, log: list[str], name: str, *, change: bool, until: asyncio.Event
) -> None:
    entering = gate.changing() if change else gate.reading()
    async with entering:
        log.append(f"{name} in")
        await until.wait()
        log.append(f"{name} out")


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_readers_share_and_a_change_waits_for_all_of_them() -> None:
    gate, log, go = ReadWriteLock(), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for name in "ab":
            tasks.create_task(held(gate, log, name, change=False, until=go))
        await settled()
        tasks.create_task(held(gate, log, "C", change=True, until=go))
        await settled()
        assert log == ["a in", "b in"]
        go.set()
    assert log[-2:] == ["C in", "C out"]


async def test_a_reader_behind_a_waiting_change_waits_for_it() -> None:
    gate, log, go = ReadWriteLock(), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for name, change in (("a", False), ("B", True), ("c", False)):
            tasks.create_task(held(gate, log, name, change=change, until=go))
        await settled()
        assert log == ["a in"]
        go.set()
    assert log == ["a in", "a out", "B in", "B out", "c in", "c out"]


async def test_a_cancelled_change_lets_the_readers_behind_it_in() -> None:
    gate, log, go = ReadWriteLock(), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(held(gate, log, "a", change=False, until=go))
        await settled()
        change = asyncio.create_task(held(gate, log, "B", change=True, until=go))
        await settled()
        tasks.create_task(held(gate, log, "c", change=False, until=go))
        await settled()
        change.cancel()
        await settled()
        assert log == ["a in", "c in"]
        go.set()


async def test_one_cancelled_in_the_moment_of_its_turn_hands_it_on() -> None:
    gate, log, go = ReadWriteLock(), list[str](), asyncio.Event()
    go.set()
    async with gate.changing():
        first = asyncio.create_task(held(gate, log, "B", change=True, until=go))
        second = asyncio.create_task(held(gate, log, "c", change=False, until=go))
        await settled()
    first.cancel()
    await settled()
    assert second.done()
    assert log == ["c in", "c out"]
