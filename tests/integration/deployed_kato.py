"""A stand-in for the MongoDB of an existing KATO deployment: BSON documents, served over the wire.

FerretDB accepts no nested arrays, so it cannot hold ``pattern_data``. This stand-in answers what a
driver needs to read: handshakes, ``listDatabases``, ``find`` and ``getMore``. Everything else is an
error, and every command is recorded.
"""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

Document = Mapping[str, Any]
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
_HELLO = {
    "ismaster": True,
    "isWritablePrimary": True,
    "helloOk": True,
    "maxBsonObjectSize": 16 * 2**20,
    "maxMessageSizeBytes": 48 * 2**20,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "ok": 1.0,
}


class DeployedKato(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.databases: dict[str, dict[str, list[bytes]]] = {}
        """Documents as BSON, by database and collection."""
        self.commands: list[str] = []
        self.cursors: dict[int, Iterator[Document]] = {}
        self.fail_after_batches: int | None = None
        """The connection is cut instead of the batch after so many."""

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.server_address[1]}"

    def deploy(
        self,
        processor: str,
        *,
        patterns: Sequence[Document],
        symbols: Sequence[Document] = (),
        totals: Document | None = None,
    ) -> None:
        """Add a processor whose documents were created in this order."""
        collections = {
            "patterns_kb": patterns,
            "symbols_kb": symbols,
            "metadata": [] if totals is None else [totals],
        }
        self.databases[processor] = {
            name: [
                bson.encode({"_id": bson.ObjectId(f"{place:024x}"), **document})
                for place, document in enumerate(documents)
            ]
            for name, documents in collections.items()
        }

    def answer(self, command: Document) -> Document:
        name = next(iter(command))
        self.commands.append(name)
        answers: dict[str, Callable[[Document], Document]] = {
            "hello": lambda _: _HELLO,
            "ismaster": lambda _: _HELLO,
            "isMaster": lambda _: _HELLO,
            "endSessions": lambda _: {"ok": 1.0},
            "killCursors": lambda _: {"ok": 1.0},
            "listDatabases": self._list,
            "find": self._find,
            "getMore": self._get_more,
        }
        if name not in answers:
            return {"ok": 0.0, "errmsg": f"{name} is not allowed here", "code": 13}
        return answers[name](command)

    def _list(self, _: Document) -> Document:
        names = [*self.databases, "admin", "local"]
        return {"databases": [{"name": name} for name in names], "ok": 1.0}

    def _find(self, command: Document) -> Document:
        database = self.databases.get(command["$db"], {})
        encoded = database.get(command["find"], [])
        wanted = [name for name, rule in command["filter"].items() if rule == {"$exists": True}]
        assert len(wanted) == len(command["filter"])
        found = (
            document
            for document in map(RawBSONDocument, encoded)
            if all(name in document for name in wanted)
        )
        if limit := command.get("limit"):
            found = islice(found, limit)  # type: ignore[assignment]  # an iterator all the same
        number = len(self.cursors) + 1
        self.cursors[number] = iter(found)
        return self._batch("firstBatch", number, command)

    def _get_more(self, command: Document) -> Document:
        if self.fail_after_batches is not None:
            self.fail_after_batches -= 1
            if self.fail_after_batches < 0:
                raise ConnectionResetError
        return self._batch("nextBatch", command["getMore"], command)

    def _batch(self, kind: str, number: int, command: Document) -> Document:
        size = command.get("batchSize", 101)
        batch = list(islice(self.cursors[number], size))
        database, collection = command["$db"], command.get("find") or command.get("collection")
        is_over = len(batch) < size
        cursor = {"id": bson.Int64(0 if is_over else number), "ns": f"{database}.{collection}"}
        return {"cursor": {**cursor, kind: batch}, "ok": 1.0}


class _Connection(socketserver.BaseRequestHandler):
    request: socket.socket
    server: DeployedKato

    def handle(self) -> None:
        try:
            while head := self._exactly(16):
                length, request_id, _, opcode = struct.unpack("<iiii", head)
                body = self._exactly(length - 16)
                answer = bson.encode(self.server.answer(_command(opcode, body)))
                self.request.sendall(_message(opcode, request_id, answer))
        except OSError:
            self.request.close()

    def _exactly(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            piece = self.request.recv(size - len(received))
            if not piece:
                return b""
            received += piece
        return received


def _command(opcode: int, body: bytes) -> Document:
    if opcode == OP_QUERY:
        start = body.index(b"\0", 4) + 1 + 8
        found: dict[str, Any] = bson.decode(body[start:])
        return found
    assert opcode == OP_MSG
    (length,) = struct.unpack_from("<i", body, 5)
    message: dict[str, Any] = bson.decode(body[5 : 5 + length])
    return message


def _message(opcode: int, request_id: int, answer: bytes) -> bytes:
    if opcode == OP_QUERY:
        body, reply = struct.pack("<iqii", 8, 0, 0, 1) + answer, OP_REPLY
    else:
        body, reply = struct.pack("<ib", 0, 0) + answer, OP_MSG
    return struct.pack("<iiii", 16 + len(body), 1, request_id, reply) + body


@contextmanager
def deployed_kato() -> Iterator[DeployedKato]:
    with DeployedKato() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
