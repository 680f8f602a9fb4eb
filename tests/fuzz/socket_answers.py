"""Opens a WebSocket, sends a case's frames, and judges everything that comes back."""

import asyncio
import json
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fuzz.raw_answers import WrongAnswerError
from fuzz.raw_frames import CLOSE, CONTROL, FIN, INTERNAL_ERROR, PONG, TEXT, SocketCase

PATIENCE_S = 40.0
"""Seconds until the service must have closed a socket that it has to close."""
QUIET_S = 0.3
PIECE = 65536
LONGEST_HEAD = 10
"""Bytes before the payload of a frame without a mask, at most."""
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ERROR_FIELDS = {"code", "message", "retryable", "details", "request_id"}


@dataclass
class Received:
    """What a socket received, and how it ended."""

    replies: list[dict[str, Any]] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    close: int | None = None
    """The service's close code; 1005: it sent none."""
    ended: bool = False
    rest: bytes = b""
    """The beginning of the next frame."""

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(reply["type"] for reply in self.replies)

    def is_all_of(self, case: SocketCase) -> bool:
        """Whether nothing more is to come before the close."""
        return len(self.replies) >= len(case.replies or ()) and len(self.pongs) >= len(case.pongs)

    def feed(self, piece: bytes) -> None:
        self.rest += piece
        while (found := _frame(self.rest)) is not None:
            opcode, payload, self.rest = found
            if self.close is not None:
                raise WrongAnswerError(f"a frame {opcode} after the close")
            if opcode == TEXT:
                self.replies.append(_reply(payload))
            elif opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                self.close = _close_code(payload)
            elif opcode not in CONTROL:
                raise WrongAnswerError(f"a frame {opcode}: {payload[:200]!r}")


async def checked(case: SocketCase, host: str, port: int, path: str) -> Received:
    """What *case* received.

    Raises:
        WrongAnswerError: It is wrong.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        await _shaken_hands(reader, writer, path)
        writer.write(case.data)
        received = await _everything(case, reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    _judge(case, received)
    return received


async def _shaken_hands(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str
) -> None:
    lines = ("Host: localhost", "Connection: Upgrade", "Upgrade: websocket")
    keyed = (f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")
    writer.write("\r\n".join((f"GET {path} HTTP/1.1", *lines, *keyed, "", "")).encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    if not head.startswith(b"HTTP/1.1 101 "):
        raise WrongAnswerError(f"the handshake was refused: {head!r}")


async def _everything(
    case: SocketCase, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Received:
    """All frames until the connection ends, or until nothing comes any more."""
    received, last = Received(), case.last
    give_up_at = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < give_up_at:
            if last and received.is_all_of(case):
                writer.write(last)
                last = b""
            try:
                piece = await asyncio.wait_for(reader.read(PIECE), QUIET_S)
            except TimeoutError:
                if case.closes is None:
                    break
                continue
            if not piece:
                received.ended = True
                break
            received.feed(piece)
    except ConnectionError:
        received.ended = True
    return received


def _frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Opcode and payload of the first frame, and the bytes after it; None: it is not complete."""
    if len(data) < LONGEST_HEAD and len(data) < 2 + (data[1] if len(data) > 1 else LONGEST_HEAD):
        return None
    first, second = data[0], data[1]
    if not first & FIN or first & 0x70 or second & 0x80:
        raise WrongAnswerError(f"not a frame of a server: {data[:20]!r}")
    size, start = second, 2
    if size == 126:
        size, start = struct.unpack("!H", data[2:4])[0], 4
    elif size == 127:
        size, start = struct.unpack("!Q", data[2:10])[0], 10
    if len(data) < start + size:
        return None
    return first & 0x0F, data[start : start + size], data[start + size :]


def _reply(payload: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(payload)
        kind = reply["type"]
        error = reply["error"] if kind == "error" else None
    except (ValueError, KeyError, TypeError) as exc:
        raise WrongAnswerError(f"not a reply: {payload[:300]!r}") from exc
    if error is not None and (
        not error.keys() >= ERROR_FIELDS or error["code"] == "INTERNAL_ERROR"
    ):
        raise WrongAnswerError(f"a wrong error: {payload[:300]!r}")
    return dict(reply)


def _close_code(payload: bytes) -> int:
    return int(struct.unpack("!H", payload[:2])[0]) if payload else 1005


def _judge(case: SocketCase, received: Received) -> None:
    if case.replies is not None and received.types != case.replies:
        raise WrongAnswerError(f"replies {received.types}, not {case.replies}")
    if case.pongs and received.pongs != list(case.pongs):
        raise WrongAnswerError(f"{len(received.pongs)} pongs, not {len(case.pongs)} in their order")
    if received.close == INTERNAL_ERROR:
        raise WrongAnswerError("the service closed with an internal error")
    if received.rest:
        raise WrongAnswerError(f"an unfinished frame: {received.rest[:50]!r}")
    if case.closes is None:
        return
    if not received.ended:
        raise WrongAnswerError(f"the connection stays open after {received}")
    if received.close not in case.closes:
        raise WrongAnswerError(f"closed with {received.close}, not {sorted(case.closes)}")
