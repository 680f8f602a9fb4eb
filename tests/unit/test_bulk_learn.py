"""The parts of a bulk learn that need no service: cutting lines, waiting answers, turns."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_service.api.bulk.answer_buffer import AnswerBuffer
from kato_service.api.streams.compute_turns import TURN_S, ComputeTurns
from kato_service.api.streams.line_intake import LineIntake
from kato_service.api.streams.line_splitter import LineSplitter
from kato_service.errors import BodyTimeoutError

MOST = 8


def cut(*pieces: bytes) -> list[tuple[int, bytes | None]]:
    splitter = LineSplitter(MOST)
    found = [line for piece in pieces for line in splitter.feed(piece)]
    return [tuple(line) for line in (*found, *splitter.end())]


@given(
    lines=st.lists(st.sampled_from([b"", b" ", b"a", b"12345678", b"123456789", b"x" * 20, b"\r"])),
    sizes=st.lists(st.integers(1, 12), min_size=1),
    ends=st.booleans(),
)
def test_lines_are_the_same_however_they_arrive(
    lines: list[bytes], sizes: list[int], ends: bool
) -> None:
    body = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    pieces, start, turn = [], 0, 0
    while start < len(body):
        size = sizes[turn % len(sizes)]
        pieces.append(body[start : start + size])
        start, turn = start + size, turn + 1
    assert cut(*pieces) == [
        (number, line if len(line) <= MOST else None)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


class Wire:
    """What a connection takes."""

    def __init__(self) -> None:
        self.taken = b""
        self.open = asyncio.Event()

    async def send(self, piece: bytes) -> None:
        await self.open.wait()
        self.taken += piece


async def test_answers_leave_in_order_and_room_is_there_once_they_are_taken() -> None:
    wire = Wire()
    buffer = AnswerBuffer(wire.send, most_bytes=4)
    sending = asyncio.create_task(buffer.run())
    buffer.put(b"one,")
    await asyncio.sleep(0)
    buffer.put(b"two,")
    assert buffer.is_full
    assert not await buffer.room(0.01)
    waiting = asyncio.create_task(buffer.room(60))
    wire.open.set()
    assert await waiting
    buffer.put(b"three")
    buffer.end()
    await sending
    assert wire.taken == b"one,two,three"


async def test_one_turn_of_the_loop_computes_for_one_stream() -> None:
    turns, order = ComputeTurns(), list[str]()

    def work(name: str) -> Callable[[float], None]:
        def compute(until: float) -> None:
            assert until <= time.perf_counter() + TURN_S
            order.append(name)

        return compute

    async def other() -> None:
        for _ in range(20):
            order.append("other")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for name in ("a", "b", "c"):
            tasks.create_task(turns.compute(work(name)))
        tasks.create_task(other())
    assert [one for one in order if one != "other"] == ["a", "b", "c"]
    places = [place for place, one in enumerate(order) if one != "other"]
    assert all(later > earlier + 1 for earlier, later in pairwise(places))


def body(*pieces: bytes, ends: bool = True) -> Callable[[], object]:
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if ends:
        messages[-1]["more_body"] = False
    waiting = iter(messages)

    async def receive() -> object:
        for message in waiting:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    return receive


async def test_only_waiting_for_a_line_counts_as_time_without_one() -> None:
    scope = {"type": "http", "headers": []}
    failed: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    intake = LineIntake(scope, body(b"a\n", b"b\n", ends=False), patience_s=0.05)  # type: ignore[arg-type]  # a test's messages
    assert await intake.begin()
    found = []

    async def take() -> None:
        async for piece in intake.pieces(failed):
            found.append(piece)
            if piece:
                intake.progressed()
                await asyncio.sleep(0.06)

    with pytest.raises(BodyTimeoutError, match=r"did not arrive within 0.05 s \(REQUEST_TIMEOUT\)"):
        await take()
    assert found == [b"a\n", b"b\n", b""]


async def test_a_stream_that_failed_takes_in_nothing_more() -> None:
    scope = {"type": "http", "headers": []}
    failed: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    intake = LineIntake(scope, body(b"a\n", ends=False), patience_s=60)  # type: ignore[arg-type]  # a test's messages
    assert await intake.begin()
    found = []
    async for piece in intake.pieces(failed):
        found.append(piece)
        if not piece:
            failed.set_result(None)
    assert found == [b"a\n", b""]
    assert not intake.is_over
