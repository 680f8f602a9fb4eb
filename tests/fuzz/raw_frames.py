"""Generated WebSocket frames (RFC 6455), and what may be answered to them."""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CONTROL = (CLOSE, PING, PONG)
FIN = 0x80
GOODBYE = struct.pack("!H", 1000)
PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG, INTERNAL_ERROR = 1002, 1007, 1009, 1011


@dataclass(frozen=True)
class SocketCase:
    """What one socket sends after its handshake."""

    kind: str
    data: bytes
    replies: tuple[str, ...] | None = None
    """Types of all replies, in order; None: any."""
    pongs: tuple[bytes, ...] = ()
    """Payloads of the pongs that must arrive, in order."""
    last: bytes = b""
    """Sent once all replies arrived: a close makes the service drop what it has not answered."""
    closes: frozenset[int] | None = None
    """Codes of which the service closes with one; None: it may leave the socket open."""


Generator = Callable[[Random], SocketCase]


def socket_case_of(seed: int, number: int) -> SocketCase:
    """Case *number* of *seed*, which does not depend on the other ones."""
    rng = Random(f"{seed} socket {number}")
    return rng.choice(GENERATORS)(rng)


def frame(
    rng: Random, opcode: int, payload: bytes = b"", *, flags: int = FIN, length: int | None = None
) -> bytes:
    """A masked frame; *length* announces another one than the payload has."""
    size = len(payload) if length is None else length
    if size < 126:
        head = struct.pack("!BB", flags | opcode, 0x80 | size)
    elif size < 2**16:
        head = struct.pack("!BBH", flags | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", flags | opcode, 0x80 | 127, size)
    mask = rng.randbytes(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def _message(rng: Random) -> tuple[bytes, str]:
    """A correct message and the type of its reply."""
    symbols = [rng.choice("abcdef") for _ in range(rng.randint(1, 4))]
    kind, payload, reply = rng.choice(
        (
            (
                "observe",
                {"strings": symbols, "emotives": {"joy": rng.random()}},
                "observation_result",
            ),
            ("get_stm", {}, "stm"),
            ("get_predictions", {"limit": rng.randint(1, 5)}, "predictions"),
            ("clear_stm", {}, "stm_cleared"),
            ("ping", {}, "pong"),
        )
    )
    content = {"type": kind, "payload": payload, "id": rng.choice([None, 1, "né", "x" * 200])}
    return json.dumps(content, ensure_ascii=rng.random() < 0.5).encode(), reply


def _fragments(rng: Random, message: bytes, between: Sequence[bytes] = ()) -> bytes:
    """*message* in fragments cut anywhere, some empty, with whole control frames *between*."""
    cuts = sorted(rng.choices(range(len(message) + 1), k=rng.randint(0, 5)))
    parts = [message[start:end] for start, end in pairwise([0, *cuts, len(message)])]
    data, waiting = b"", list(between)
    for at, part in enumerate(parts):
        opcode = rng.choice([TEXT, BINARY]) if at == 0 else CONTINUATION
        data += frame(rng, opcode, part, flags=FIN if at == len(parts) - 1 else 0)
        if waiting:
            data += waiting.pop(0)
    return data + b"".join(waiting)


def conversation(rng: Random) -> SocketCase:
    """Correct messages in fragments, with pings between: every one is answered, in order."""
    data, replies, pongs = b"", [], []
    for _ in range(rng.randint(1, 6)):
        message, reply = _message(rng)
        pings = [rng.randbytes(rng.choice([0, 1, 125])) for _ in range(rng.randint(0, 2))]
        data += _fragments(rng, message, [frame(rng, PING, ping) for ping in pings])
        replies.append(reply)
        pongs += pings
    last, closes = frame(rng, CLOSE, GOODBYE), frozenset({1000})
    return SocketCase("conversation", data, tuple(replies), tuple(pongs), last, closes)


_TEXTS = (
    *(b"", b"{}", b"[]", b"null", b"1", b'"a"', b"{", b'{"type": null}', b'{"type": "nothing"}'),
    *(b'{"type": "learn"', b'{"type": "observe", "payload": []}', b"NaN", b'{"type": 1e999}'),
    *(b'{"type": "observe", "payload": {"strings": [1]}}', b'{"type": "ping", "id": {}}', b"\x00"),
    *(b'{"type": "ping", "id": 1e999}', b'{"type": "ping", "extra": 1}', b"[" * 60_000),
    *(b'{"type": "ping", "id": ' + b"9" * 5000 + b"}", b'{"type": "ping", "id": "\\ud800"}'),
    *(b'{"type": "ping", "type": "learn"}', b'{"type": "observe", "strings": ["a"]}'),
    *(b'{"type": "ping", "id": []}', b'{"type": "observe", "payload": {"vectors": [[]]}}'),
    *(
        b'{"type": "get_predictions", "payload": {"limit": -1}}',
        b"\xef\xbb\xbf{}",
        b'{"type":"' * 999,
    ),
)


def wrong_messages(rng: Random) -> SocketCase:
    """Frames that are correct, and messages that are not: each gets an error, the socket stays."""
    texts = [rng.choice(_TEXTS) for _ in range(rng.randint(1, 5))]
    data = b"".join(_fragments(rng, text) for text in texts)
    data += frame(rng, TEXT, b'{"type": "ping"}')
    replies = (*("error" for _ in texts), "pong")
    last, closes = frame(rng, CLOSE, GOODBYE), frozenset({1000})
    return SocketCase("wrong messages", data, replies, last=last, closes=closes)


def invalid_text(rng: Random) -> SocketCase:
    wrong = rng.choice(
        [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80", b"\xc0\x80"]
    )
    data = frame(rng, TEXT, wrong)
    if rng.random() < 0.5:
        data = frame(rng, TEXT, wrong[:1], flags=0) + frame(rng, CONTINUATION, wrong[1:])
    return SocketCase("invalid text", data, (), closes=frozenset({INVALID_TEXT}))


def wrong_frame(rng: Random) -> SocketCase:
    """One rule of the framing is broken: the service closes with a protocol error."""
    payload = rng.randbytes(rng.randint(0, 50))
    data = rng.choice(
        (
            frame(rng, TEXT, payload, flags=FIN | rng.choice([0x10, 0x20, 0x30, 0x70])),
            frame(rng, rng.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), payload),
            frame(rng, rng.choice(CONTROL), b"x" * rng.randint(126, 5000)),
            frame(rng, rng.choice(CONTROL), b"", flags=0),
            frame(rng, CONTINUATION, payload),
            frame(rng, TEXT, b"{", flags=0) + frame(rng, TEXT, b"}"),
            frame(rng, CLOSE, b"x"),
            frame(
                rng, CLOSE, struct.pack("!H", rng.choice([0, 999, 1004, 1005, 1006, 1015, 65535]))
            ),
            struct.pack("!BB", FIN | TEXT, len(payload)) + payload,  # without a mask
            struct.pack("!BBQ", FIN | TEXT, 0xFF, 2**63 + rng.randrange(2**62)) + b"mask",
        )
    )
    codes = frozenset({PROTOCOL_ERROR, TOO_BIG, INVALID_TEXT})
    return SocketCase("wrong frame", data, (), closes=codes)


def wrong_reason(rng: Random) -> SocketCase:
    data = frame(rng, CLOSE, GOODBYE + b"\xff\xfe")
    return SocketCase("wrong reason", data, (), closes=frozenset({PROTOCOL_ERROR, INVALID_TEXT}))


def huge(rng: Random) -> SocketCase:
    """A length that nobody can accept: the service closes before anything of it arrives."""
    size = rng.choice([2**24 + 1, 2**31, 2**32, 2**48, 2**62, 2**63 - 1])
    opcode = rng.choice([TEXT, BINARY])
    data = frame(rng, opcode, b"", length=size)
    if rng.random() < 0.3:
        data = frame(rng, opcode, b"{", flags=0) + frame(rng, CONTINUATION, b"", length=size)
    return SocketCase("huge length", data, (), closes=frozenset({TOO_BIG}))


def long_forms(rng: Random) -> SocketCase:
    """Lengths in more bytes than they need: understood or refused."""
    payload = b'{"type": "ping"}'
    mask = bytes(4)
    short = struct.pack("!BBH", FIN | TEXT, 0x80 | 126, len(payload)) + mask + payload
    long = struct.pack("!BBQ", FIN | TEXT, 0x80 | 127, len(payload)) + mask + payload
    return SocketCase("long form", rng.choice([short, long]) + frame(rng, CLOSE, GOODBYE))


def many_controls(rng: Random) -> SocketCase:
    pings = tuple(rng.randbytes(4) for _ in range(rng.randint(20, 200)))
    data = b"".join(frame(rng, PING, p) + frame(rng, PONG, p[:2]) for p in pings)
    last = frame(rng, CLOSE, GOODBYE)
    return SocketCase("many controls", data, (), pings, last, frozenset({1000}))


def after_close(rng: Random) -> SocketCase:
    """Whatever follows a close is not answered."""
    message, _ = _message(rng)
    data = (
        frame(rng, CLOSE, GOODBYE) + frame(rng, TEXT, message) + rng.randbytes(rng.randint(0, 99))
    )
    return SocketCase("after close", data, (), closes=frozenset({1000}))


def mutated(rng: Random) -> SocketCase:
    data = bytearray(conversation(rng).data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data))
        data[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 3))
    return SocketCase("mutated", bytes(data))


def noise(rng: Random) -> SocketCase:
    return SocketCase("noise", rng.randbytes(rng.randint(1, 3000)))


GENERATORS: tuple[Generator, ...] = (
    *(conversation, conversation, wrong_messages, invalid_text, wrong_frame, wrong_frame),
    *(wrong_reason, huge, long_forms, many_controls, after_close, mutated, noise),
)
