"""One connection to Redis for many requests: each gets its own answer, or learns whether its
command may have run."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_service.connections.redis_connection import (
    LARGE_BYTES,
    WRITTEN_AT_ONCE_BYTES,
    Pending,
    RedisConnection,
    packed,
    packed_all,
)
from kato_service.connections.redis_errors import (
    MovedError,
    NotSentError,
    OutOfMemoryError,
    RedisError,
    RefusedError,
    UnansweredError,
)

TIMEOUT_S = 0.8


class FakeTransport(asyncio.Transport):
    """Keeps what is written, and tells its protocol what a socket would."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self._protocol = protocol
        self._is_lost = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self

    def setsockopt(self, *_options: int) -> None:
        """There is no socket."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


class Owner:
    def __init__(self) -> None:
        self.handed_over = 0
        self.large: list[Any] = []
        self.events: list[str] = []

    def on_handed_over(self, size: int) -> None:
        self.handed_over += size

    def on_size(self, command: Any, *, large: bool) -> None:
        self.large.append((command, large))

    def on_leaving(self, connection: RedisConnection, *, silent: bool) -> None:
        self.events.append("silent" if silent else "leaving")

    def on_closed(self, connection: RedisConnection) -> None:
        self.events.append("closed")


class Wired:
    """A connection, its owner, and the server's side of its socket."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self.owner = Owner()
        self.connection = RedisConnection(self.owner, timeout_s)
        self.transport = FakeTransport(self.connection)
        self._timeout_s = timeout_s

    def open(self) -> "Wired":
        self.connection.connection_made(self.transport)
        self.connection.opened()
        return self

    def send(self, *command: str, count: int = 1) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        text = packed_all((command,) * count)
        pending = Pending(future, text, count, loop.time() + self._timeout_s)
        pending.command = command
        self.connection.send(pending)
        return future


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    made = Wired().open()
    yield made
    made.connection.abort()
    await made.connection.closed


def bulk(text: str) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text.encode())


def outcome(future: "asyncio.Future[Any]") -> Any:
    """The answer, or the kind of the error."""
    return type(future.exception()) if future.exception() else future.result()


async def turn() -> None:
    """What was issued in this turn of the event loop is written."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_commands_of_one_turn_are_written_at_once(wired: Wired) -> None:
    for name in "abc":
        wired.send("GET", name)
    assert wired.transport.written == []
    await turn()
    assert wired.transport.written == [packed_all(("GET", name) for name in "abc")]


STREAM = (bulk("first"), b"*2\r\n:7\r\n*1\r\n" + bulk("in a list"), b"$-1\r\n", bulk("second"))
ANSWERS = [b"first", [7, [b"in a list"]], None, b"second"]


@pytest.mark.parametrize("at", range(len(b"".join(STREAM)) + 1))
async def test_answers_that_arrive_in_two_pieces_are_those_of_their_commands(
    wired: Wired, at: int
) -> None:
    futures = [wired.send("GET", str(number)) for number in range(len(STREAM))]
    await turn()
    stream = b"".join(STREAM)
    for piece in (stream[:at], stream[at:]):
        if piece:
            wired.connection.data_received(piece)
    assert [future.result() for future in futures] == ANSWERS


@pytest.mark.parametrize("at", range(len(b"".join(STREAM)) + 1))
async def test_a_connection_that_breaks_at_any_byte_leaves_answers_or_unknown_outcomes(
    wired: Wired, at: int
) -> None:
    futures = [wired.send("GET", str(number)) for number in range(len(STREAM))]
    await turn()
    unsent = wired.send("GET", "later")
    stream = b"".join(STREAM)
    if at:
        wired.connection.data_received(stream[:at])
    wired.connection.connection_lost(None)
    complete = sum(len(b"".join(STREAM[: n + 1])) <= at for n in range(len(STREAM)))
    expected = [*ANSWERS[:complete], *[UnansweredError] * (len(STREAM) - complete)]
    assert [outcome(future) for future in futures] == expected
    assert outcome(unsent) is NotSentError
    assert wired.owner.events == ["closed"]
    await turn()


async def test_a_cancelled_request_takes_nobodys_answer(wired: Wired) -> None:
    first, gone, last = (wired.send("GET", name) for name in "abc")
    await turn()
    gone.cancel()
    wired.connection.data_received(bulk("A") + bulk("B") + bulk("C"))
    assert (first.result(), last.result()) == (b"A", b"C")


async def test_what_is_cancelled_before_it_is_written_is_not_sent(wired: Wired) -> None:
    gone, kept = wired.send("SET", "gone"), wired.send("SET", "kept")
    gone.cancel()
    await turn()
    assert b"".join(wired.transport.written) == packed(("SET", "kept"))
    wired.connection.data_received(b"+OK\r\n")
    assert kept.result() == b"OK"


async def test_a_late_answer_is_dropped_while_others_arrive(wired: Wired) -> None:
    late = wired.send("GET", "late")
    await asyncio.sleep(TIMEOUT_S / 2)
    kept = wired.send("GET", "kept")
    await turn()
    wired.connection.heard_at = asyncio.get_running_loop().time()  # as if an answer had come
    await asyncio.wait([late])
    assert outcome(late) is UnansweredError
    assert wired.owner.events == []
    wired.connection.data_received(bulk("LATE") + bulk("KEPT"))
    assert kept.result() == b"KEPT"


async def test_a_silent_connection_is_left_and_what_was_sent_keeps_its_own_time(
    wired: Wired,
) -> None:
    first = wired.send("GET", "first")
    await asyncio.sleep(TIMEOUT_S / 2)
    second = wired.send("GET", "second")
    await asyncio.wait([first])
    assert wired.owner.events == ["silent"]
    assert not second.done()
    wired.connection.data_received(bulk("FIRST") + bulk("SECOND"))
    assert (outcome(first), second.result()) == (UnansweredError, b"SECOND")
    await wired.connection.closed


async def test_requests_that_went_away_do_not_hide_that_a_connection_is_silent(
    wired: Wired,
) -> None:
    impatient = wired.send("GET", "a")
    await turn()
    impatient.cancel()
    await asyncio.sleep(TIMEOUT_S / 2)
    patient = wired.send("GET", "b")
    await asyncio.wait([patient])
    await wired.connection.closed
    assert outcome(patient) is UnansweredError
    assert wired.owner.events == ["silent", "closed"]


async def test_a_silent_connection_closes_once_all_timed_out(wired: Wired) -> None:
    futures = [wired.send("GET", name) for name in "ab"]
    await asyncio.wait(futures)
    assert {outcome(future) for future in futures} == {UnansweredError}
    await wired.connection.closed
    assert wired.owner.events == ["silent", "closed"]


async def test_commands_wait_until_redis_knows_who_asks() -> None:
    made = Wired()
    future = made.send("GET", "a")
    await turn()
    made.connection.connection_made(made.transport)
    greeting = made.connection.greet([("AUTH", "secret"), ("CLIENT", "SETNAME", "x")])
    await turn()
    assert made.transport.written == [packed_all((("AUTH", "secret"), ("CLIENT", "SETNAME", "x")))]
    made.connection.data_received(b"+OK\r\n-ERR unknown\r\n")
    ok, refused = greeting.result()
    assert (ok, str(refused)) == (b"OK", "ERR unknown")
    made.connection.opened()
    made.connection.data_received(bulk("A"))
    assert future.result() == b"A"
    made.connection.abort()
    await made.connection.closed


async def test_what_waits_for_a_connection_that_never_opens_was_not_sent() -> None:
    made = Wired()
    timed_out = made.send("GET", "a")
    await asyncio.wait([timed_out])
    failed = made.send("GET", "b")
    made.connection.abort(lambda: RefusedError("ERR no"))
    assert (outcome(timed_out), outcome(failed)) == (NotSentError, RefusedError)
    assert made.owner.handed_over == 2 * len(packed(("GET", "a")))
    assert made.connection.closed.done()


async def test_a_socket_that_is_full_holds_commands_back(wired: Wired) -> None:
    wired.connection.pause_writing()
    assert wired.connection.is_clogged
    waiting = wired.send("GET", "a")
    await turn()
    assert (wired.transport.written, wired.owner.handed_over) == ([], 0)
    wired.connection.resume_writing()
    assert wired.transport.written == [packed(("GET", "a"))]
    assert not wired.connection.is_clogged
    wired.connection.data_received(bulk("A"))
    assert waiting.result() == b"A"


async def test_much_is_written_in_portions(wired: Wired) -> None:
    value = "x" * (WRITTEN_AT_ONCE_BYTES // 2)
    for _ in range(5):
        wired.send("SET", "a", value)
    await turn()
    assert len(wired.transport.written) == 3
    assert b"".join(wired.transport.written) == packed_all([("SET", "a", value)] * 5)


async def test_a_large_answer_clogs_the_connection_until_it_is_complete(wired: Wired) -> None:
    large, small = wired.send("GET", "large"), wired.send("GET", "small")
    await turn()
    text = bulk("x" * 2 * LARGE_BYTES)
    wired.connection.data_received(text[: LARGE_BYTES // 2])
    assert not wired.connection.is_clogged
    wired.connection.data_received(text[LARGE_BYTES // 2 : -10])
    assert wired.connection.is_clogged
    wired.connection.data_received(text[-10:] + bulk("s"))
    assert not wired.connection.is_clogged
    assert (len(large.result()), small.result()) == (2 * LARGE_BYTES, b"s")
    assert wired.owner.large == [(("GET", "large"), True)]


@pytest.mark.parametrize(
    "stream", [b"!nonsense\r\n", bulk("1") + b":2\r\n"], ids=["no RESP", "more than was asked"]
)
async def test_answers_of_something_else_end_the_connection(wired: Wired, stream: bytes) -> None:
    future = wired.send("GET", "a")
    await turn()
    wired.connection.data_received(stream)
    later = wired.send("GET", "b")
    await wired.connection.closed
    assert outcome(future) in (UnansweredError, b"1")
    assert outcome(later) is NotSentError


async def test_refusals_are_answers_and_keep_the_connection(wired: Wired) -> None:
    one, several, last = (
        wired.send("SET", "a"),
        wired.send("SET", "b", count=2),
        wired.send("GET", "c"),
    )
    await turn()
    wired.connection.data_received(b"-OOM full\r\n-MOVED 7 10.0.0.1:6380\r\n+OK\r\n" + bulk("C"))
    assert isinstance(one.result(), OutOfMemoryError)
    moved, ok = several.result()
    assert isinstance(moved, MovedError)
    assert moved.address == ("10.0.0.1", 6380)
    assert (ok, last.result()) == (b"OK", b"C")
    assert wired.owner.events == []


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "turn", "cancel", "answer", "part", "late"]), st.integers(0, 9)
    ),
    max_size=60,
)


@given(steps=STEPS, broken=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_request_ever_gets_the_answer_of_another(steps: list[Step], broken: bool) -> None:
    asyncio.run(_played(steps, broken))


async def _played(steps: list[Step], broken: bool) -> None:
    made = Wired(timeout_s=60).open()
    server = Server(made)
    futures: list[tuple[str, asyncio.Future[Any]]] = []
    for word, number in steps:
        if word == "send":
            name = f"{len(futures)}-" + "x" * number
            futures.append((name, made.send("ECHO", name)))
        elif word == "turn":
            await turn()
        elif word == "cancel" and futures:
            futures[number % len(futures)][1].cancel()
        elif word == "late" and futures:
            # As the timer does for a command that timed out.
            future = futures[number % len(futures)][1]
            Pending(future, b"", 1, 0.0).fail(UnansweredError("too late"))
        else:
            server.answer(number + 1 if word == "part" else 10_000)
    await turn()
    if not broken:
        server.answer(10**9)
    made.connection.abort()
    await made.connection.closed
    for name, future in futures:
        if future.cancelled():
            continue
        error = future.exception()
        assert isinstance(error, RedisError) or future.result() == name.encode()
        assert broken or error is None or isinstance(error, UnansweredError)


class Server:
    """Answers each ECHO that arrived completely, some bytes at a time."""

    def __init__(self, wired: Wired) -> None:
        self._wired = wired
        self._seen = 0
        self._answers = b""

    def answer(self, most: int) -> None:
        written = b"".join(self._wired.transport.written)
        lines = written.split(b"\r\n")[:-1]
        names = lines[4::5]
        self._answers += b"".join(bulk(name.decode()) for name in names[self._seen :])
        self._seen = len(names)
        piece, self._answers = self._answers[:most], self._answers[most:]
        if piece:
            self._wired.connection.data_received(piece)
