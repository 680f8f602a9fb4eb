"""Streams of lines over a socket of their own, read and written independently."""

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Self

from support.raw_http import head, opened

NDJSON = "application/x-ndjson"


def text(lines: Iterable[Any]) -> bytes:
    """*lines* as the body of a stream."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def outcomes(body: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The outcomes of the lines, and the summary."""
    *found, last = (json.loads(line) for line in body.splitlines())
    return found, last["summary"]


class LineStream:
    """A bulk learn whose lines are sent one by one."""

    def __init__(self, url: str, *headers: str, path: str = "/v2/learn") -> None:
        self.socket: socket.socket = opened(url)
        kind = f"Content-Type: {NDJSON}"
        self.socket.sendall(head("POST", path, kind, "Transfer-Encoding: chunked", *headers))
        self._arrived = b""
        self.status = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *lines: Any) -> None:
        self.send_raw(text(lines))

    def send_raw(self, piece: bytes) -> None:
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end(self) -> None:
        self.socket.sendall(b"0\r\n\r\n")

    def read(self) -> dict[str, Any]:
        """The next line of the answer."""
        while not self.status:
            self._receive()
            if b"\r\n\r\n" in self._arrived:
                start, _, self._arrived = self._arrived.partition(b"\r\n\r\n")
                self.status = int(start.split()[1])
        while (line := self._line()) is None:
            self._receive()
        return line

    def _line(self) -> dict[str, Any] | None:
        """The next line that is complete, or the envelope of a request that was refused."""
        if self.status != 200:
            with suppress(json.JSONDecodeError):
                refused: dict[str, Any] = json.loads(self._arrived)
                return refused
            return None
        while b"\n" in self._arrived:
            line, _, rest = self._arrived.partition(b"\n")
            self._arrived = rest
            if line.startswith(b"{"):
                found: dict[str, Any] = json.loads(line)
                return found
        return None

    def _receive(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError(self._arrived)
        self._arrived += piece
