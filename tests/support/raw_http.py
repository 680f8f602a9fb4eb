"""HTTP as bytes on a socket, for requests that no client library sends."""

import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer; `status` is 0 if the connection ended without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of the error's envelope."""
        code: str = self.envelope["error"]["code"]
        return code

    @property
    def envelope(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


def opened(url: str) -> socket.socket:
    """A connection to the service at *url*; TLS accepts any certificate."""
    scheme, _, address = url.partition("://")
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    if scheme == "http":
        return connection
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=host)


def head(method: str, path: str, *lines: str, host: str = "localhost") -> bytes:
    """The bytes of a request's head, with a Host header unless *host* is empty."""
    named = (f"Host: {host}",) if host else ()
    text = "\r\n".join((f"{method} {path} HTTP/1.1", *named, *lines, "", ""))
    return text.encode("latin-1")


def asked(url: str, *pieces: bytes) -> RawAnswer:
    """The answer to *pieces*, each sent with a call of its own."""
    with opened(url) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break
        return received(connection)


def received(connection: socket.socket) -> RawAnswer:
    """The next answer on *connection*, whose length its head has to give."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = _piece(connection)
        if not piece:
            return RawAnswer(0, {}, data)
        data += piece
    top, _, body = data.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    length = int(headers.get("content-length", "0"))
    while len(body) < length and (piece := _piece(connection)):
        body += piece
    return RawAnswer(int(status.split()[1]), headers, body)


def _piece(connection: socket.socket) -> bytes:
    with suppress(ConnectionError):
        return connection.recv(65536)
    return b""
