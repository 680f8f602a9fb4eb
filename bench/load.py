"""Sends requests over raw sockets and prints what it measured as JSON.

``python load.py PORT SECONDS [COUNT] < requests`` reads a JSON list with one item per client: the
requests that this client sends in turn, over and over, as ``[method, path, body]``. With COUNT, the
program ends after that many requests instead.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import uvloop

MEASURED = (b"200", b"503")
"""Statuses of answers whose speed means something: done, and refused under load."""


@dataclass
class Client(asyncio.Protocol):
    """One connection that sends the next request as soon as a response arrives."""

    requests: "cycle[bytes]"
    goes_on: Callable[[float], bool]
    done: asyncio.Future[None]
    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0
    _transport: Any = None
    _sent_at: float = 0.0
    _answer: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        now = time.perf_counter()
        self.latencies_s.append(now - self._sent_at)
        status = head[9:12]
        if status not in MEASURED:
            self.done.set_exception(RuntimeError(f"refused: {self._answer.decode()}"))
        self.refused += status != b"200"
        if self.done.done() or not self.goes_on(now):
            self._transport.close()
            return
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._answer = b""
        self._sent_at = time.perf_counter()
        self._transport.write(next(self.requests))


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0])


def raw(method: str, path: str, content: Any) -> bytes:
    body = b"" if content is None else json.dumps(content).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def load(
    port: int, seconds: float, most: int, requests: list[list[tuple[str, str, Any]]]
) -> None:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    clients: list[Client] = []

    def goes_on(now: float) -> bool:
        if most:
            return sum(len(client.latencies_s) for client in clients) + len(clients) <= most
        return now < began + seconds

    for mine in requests:
        turns = cycle([raw(*one) for one in mine])
        clients.append(Client(turns, goes_on, loop.create_future()))
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
    await asyncio.gather(*(client.done for client in clients))
    elapsed_s = time.perf_counter() - began
    count = sum(len(client.latencies_s) for client in clients)
    # Each client's first request waits until the connections of all are accepted.
    later = sorted(one for client in clients for one in client.latencies_s[1:])
    latencies = later or sorted(client.latencies_s[0] for client in clients)
    answer = {
        "per_s": count / elapsed_s,
        "count": count,
        "refused": sum(client.refused for client in clients),
        "p50_ms": statistics.median(latencies) * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "max_ms": latencies[-1] * 1000,
        "cpu": time.process_time() / elapsed_s,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    most = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    uvloop.run(load(int(sys.argv[1]), float(sys.argv[2]), most, json.load(sys.stdin)))
