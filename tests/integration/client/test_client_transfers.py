"""Exports and imports of the Python client: whole files, sent and received until they are."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kato_client import AsyncKato, ConnectionFailedError, InvalidRequestError, NotFoundError
from kato_client.transfers import Moved
from support.proxy import FaultyProxy
from support.servers import free_port

NewKato = Callable[..., Any]
Opened = Callable[[int], Awaitable[FaultyProxy]]
LETTERS = ["a", "b", "c"]
BEFORE = (1, 0, 0, 0, 0)
"""What refusals ask for: the first one asks for a pause."""


@pytest.fixture
def user() -> str:
    return uuid4().hex


@pytest.fixture
async def proxy(service_url: str, faulty_proxy: Opened) -> FaultyProxy:
    return await faulty_proxy(int(service_url.rpartition(":")[2]))


async def frequencies(url: str, user: str) -> list[int]:
    async with AsyncKato(url) as kato, kato.session(user=user) as session:
        return sorted([pattern.frequency async for pattern in session.patterns()])


async def long_ones_are_learned(url: str, user: str) -> None:
    async with AsyncKato(url) as kato:
        await kato.user(user).learn([[f"n{number}", "x" * 900] for number in range(200)])


@pytest.mark.parametrize("name", ["knowledge.jsonl", "knowledge.jsonl.gz"])
async def test_a_file_moves_what_a_user_knows(
    new_kato: NewKato, service_url: str, user: str, tmp_path: Path, name: str
) -> None:
    seen = list[Moved]()
    async with new_kato(service_url) as kato:
        await kato.user(user).learn([LETTERS, LETTERS, [*LETTERS, "d"]])
        done = await kato.user(user).export(tmp_path / name, progress=seen.append)
        assert (done.patterns, seen[-1].total) == (2, 2)
        other = kato.user(f"{user}-2")
        moved = await other.import_file(tmp_path / name, progress=seen.append)
        assert (moved.parts, moved.imported, moved.repeated) == (2, 2, 0)
        again = await other.import_file(tmp_path / name)
        assert (again.imported, again.repeated) == (0, 2)
        replaced = await other.import_file(tmp_path / name, replace=True, unique_id="new")
        assert (replaced.imported, replaced.replaced) == (2, True)
        for _ in range(2):
            await other.learn([["new", "learn"]])
            restored = await other.import_file(tmp_path / name, replace=True)
            assert (restored.imported, restored.replaced) == (2, True)
    assert await frequencies(service_url, f"{user}-2") == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == [name]


async def test_an_export_and_an_import_that_are_cut_off_begin_again(
    new_kato: NewKato, service_url: str, user: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    file = tmp_path / "knowledge.jsonl"
    await long_ones_are_learned(service_url, user)
    async with new_kato(f"http://127.0.0.1:{proxy.port}") as kato:
        proxy.cut_after(50_000)
        done = await kato.user(user).export(file)
        assert done.patterns == 200
        assert len(file.read_text().splitlines()) == 202
        proxy.cut_after(20)
        moved = await kato.user(f"{user}-2").import_file(file)
    assert moved.imported + moved.repeated == 200
    assert await frequencies(service_url, f"{user}-2") == [1] * 200


async def test_a_file_that_is_cut_is_refused_with_the_fix(
    new_kato: NewKato, service_url: str, user: str, tmp_path: Path
) -> None:
    file = tmp_path / "cut.jsonl"
    async with new_kato(service_url) as kato:
        await kato.user(user).learn([LETTERS])
        await kato.user(user).export(file)
        file.write_bytes(file.read_bytes()[:-20])
        with pytest.raises(InvalidRequestError, match="cut or damaged"):
            await kato.user(f"{user}-2").import_file(file)
        with pytest.raises(NotFoundError):
            await kato.user(f"{user}-2").info()


async def test_an_export_and_an_import_are_repeated_as_the_instance_asks(
    new_kato: NewKato, service_url: str, user: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    file = tmp_path / "knowledge.jsonl"
    async with AsyncKato(service_url) as direct:
        await direct.user(user).learn([LETTERS])
    async with new_kato(f"http://127.0.0.1:{proxy.port}") as kato:
        proxy.refuse(b"knowledge:export", BEFORE)
        assert (await kato.user(user).export(file)).patterns == 1
        first, second, *_ = proxy.refused_at
        assert second - first >= 1
        proxy.refuse(b"knowledge:import", BEFORE)
        assert (await kato.user(f"{user}-2").import_file(file)).imported == 1
        first, second, *_ = proxy.refused_at[len(BEFORE) :]
        assert second - first >= 1
    assert len(proxy.refused_at) == 2 * len(BEFORE)


@pytest.mark.parametrize("name", ["knowledge.jsonl", "knowledge.jsonl.gz"])
async def test_transfers_end_within_the_limit_when_the_instance_is_away(
    new_kato: NewKato,
    service_url: str,
    user: str,
    tmp_path: Path,
    faulty_proxy: Opened,
    name: str,
) -> None:
    file, proxy = tmp_path / name, await faulty_proxy(free_port())
    async with new_kato(service_url) as kato:
        await kato.user(user).learn([LETTERS])
        await kato.user(user).export(file)
    async with new_kato(f"http://127.0.0.1:{proxy.port}", timeout_s=0.5) as kato:
        with pytest.raises(ConnectionFailedError) as failed:
            await kato.user(user).export(tmp_path / "other")
        assert "within 0.5 s" in failed.value.__notes__[0]
        with pytest.raises(ConnectionFailedError) as failed:
            await kato.user(user).import_file(file)
        assert "within 0.5 s" in failed.value.__notes__[0]
    assert [path.name for path in tmp_path.iterdir()] == [name]


async def test_an_export_that_comes_no_further_is_given_up(
    new_kato: NewKato, service_url: str, user: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    await long_ones_are_learned(service_url, user)
    proxy.cut_after(50_000, times=100)
    async with new_kato(f"http://127.0.0.1:{proxy.port}", timeout_s=0.5) as kato:
        with pytest.raises(ConnectionFailedError, match=r"did not answer|cut off") as failed:
            await kato.user(user).export(tmp_path / "file")
    assert "within 0.5 s" in failed.value.__notes__[0]
    assert list(tmp_path.iterdir()) == []


async def test_what_fails_in_a_transfer_leaves_neither_files_nor_connections(
    new_kato: NewKato, service_url: str, user: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    def failing(_: Moved) -> None:
        raise ValueError("the caller's own")

    await long_ones_are_learned(service_url, user)
    file = tmp_path / "knowledge.jsonl"
    async with new_kato(f"http://127.0.0.1:{proxy.port}") as kato:
        await kato.user(user).export(file)
        # The exceptions hold on to the calls that raised them.
        with pytest.raises(ValueError, match="own") as first:
            await kato.user(user).export(tmp_path / "other.gz", progress=failing)
        with pytest.raises(ValueError, match="own") as second:
            await kato.user(f"{user}-2").import_file(file, progress=failing)
    async with asyncio.timeout(60):
        while proxy.clients:
            await asyncio.sleep(0.01)
    assert first.value is not second.value
    assert list(tmp_path.iterdir()) == [file]


async def test_an_export_that_is_cancelled_leaves_no_file(
    service_url: str, user: str, tmp_path: Path
) -> None:
    await long_ones_are_learned(service_url, user)
    begun = asyncio.Event()
    async with AsyncKato(service_url) as kato:
        exporting = kato.user(user).export(tmp_path / "f.gz", progress=lambda _: begun.set())
        task = asyncio.create_task(exporting)
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert list(tmp_path.iterdir()) == []


async def test_files_are_not_used_in_the_thread_of_the_event_loop(
    service_url: str, user: str, tmp_path: Path
) -> None:
    async with AsyncKato(service_url) as kato:
        await kato.user(user).learn([LETTERS])
        with files_used_in(tmp_path) as used:
            await kato.user(user).export(tmp_path / "f.gz")
            await kato.user(f"{user}-2").import_file(tmp_path / "f.gz")
    assert {what for what, _ in used} == {"open", "os.rename"}
    assert threading.get_ident() not in {thread for _, thread in used}


@contextmanager
def files_used_in(folder: Path) -> Iterator[list[tuple[str, int]]]:
    """What is done with files in *folder*, and the thread that does it."""
    used = list[tuple[str, int]]()
    looking = True

    def look(what: str, about: tuple[Any, ...]) -> None:
        if looking and what in {"open", "os.rename"} and str(about[0]).startswith(str(folder)):
            used.append((what, threading.get_ident()))

    sys.addaudithook(look)  # it cannot be removed
    try:
        yield used
    finally:
        looking = False
