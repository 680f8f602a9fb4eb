"""The read-write lock of a knowledge base: who may read and change it at the same time."""

import asyncio

from kato_service.knowledge.replica.read_write_lock import ReadWriteLock


async def held(
    lock: ReadWriteLock, log: list[str], name: str, *, change: bool, until: asyncio.Event
) -> None:
    entering = lock.changing() if change else lock.reading()
    async with entering:
        log.append(f"{name} in")
        await until.wait()
        log.append(f"{name} out")


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_readers_share_and_a_change_waits_for_all_of_them() -> None:
    lock, log, go = ReadWriteLock(), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for name in "ab":
            tasks.create_task(held(lock, log, name, change=False, until=go))
        await settled()
        tasks.create_task(held(lock, log, "C", change=True, until=go))
        await settled()
        assert log == ["a in", "b in"]
        go.set()
    assert log[-2:] == ["C in", "C out"]


async def test_a_reader_after_a_waiting_change_waits_for_it() -> None:
    lock, log, go = ReadWriteLock(), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for name, change in (("a", False), ("B", True), ("c", False)):
            tasks.create_task(held(lock, log, name, change=change, until=go))
        await settled()
        assert log == ["a in"]
        go.set()
    assert log == ["a in", "a out", "B in", "B out", "c in", "c out"]


async def test_a_cancelled_change_admits_the_readers_after_it() -> None:
    lock, log, go = ReadWriteLock(), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(held(lock, log, "a", change=False, until=go))
        await settled()
        change = asyncio.create_task(held(lock, log, "B", change=True, until=go))
        await settled()
        tasks.create_task(held(lock, log, "c", change=False, until=go))
        await settled()
        change.cancel()
        await settled()
        assert log == ["a in", "c in"]
        go.set()


async def test_a_change_cancelled_when_it_is_admitted_admits_the_next() -> None:
    lock, log, go = ReadWriteLock(), list[str](), asyncio.Event()
    go.set()
    async with lock.changing():
        first = asyncio.create_task(held(lock, log, "B", change=True, until=go))
        second = asyncio.create_task(held(lock, log, "c", change=False, until=go))
        await settled()
    first.cancel()
    await settled()
    assert second.done()
    assert log == ["c in", "c out"]
