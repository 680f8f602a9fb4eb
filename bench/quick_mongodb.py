"""A stand-in for a MongoDB that answers at once, to measure what KATO itself costs per pattern.

It keeps documents in memory, in order of their ``_id``, and finds them by nothing else but ranges
of it. Nothing is durable, and filters and updates are those that KATO sends. FerretDB, the stand-in
of the tests, scans a collection for every find and update instead.
"""

import asyncio
import socket
import struct
import subprocess
import sys
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson
from pymongo import MongoClient

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HEADER = struct.Struct("<iiii")
HELLO = {
    "ok": 1.0,
    "ismaster": True,
    "isWritablePrimary": True,
    "helloOk": True,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "maxBsonObjectSize": 2**24,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
}
DUPLICATE_KEY = 11000
Document = dict[str, Any]
LIKE = {
    "$lt": lambda value, other: value < other,
    "$lte": lambda value, other: value <= other,
    "$gt": lambda value, other: value > other,
    "$gte": lambda value, other: value >= other,
    "$in": lambda value, others: value in others,
}


class Collection:
    """Documents by their ``_id``."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.ids: list[str] = []

    def matching(self, which: Document) -> Iterator[Document]:
        """Documents in order of their ``_id``."""
        wanted = which.get("_id", {})
        if isinstance(wanted, str):
            wanted = {"$in": [wanted]}
        if "$in" in wanted:
            candidates = sorted(set(wanted["$in"]) & self.documents.keys())
        else:
            low = wanted.get("$gte", wanted.get("$gt", ""))
            high = wanted.get("$lte", wanted.get("$lt", "\U0010ffff"))
            candidates = self.ids[bisect_left(self.ids, low) : bisect_right(self.ids, high)]
        for one in candidates:
            if fits(self.documents[one], which):
                yield self.documents[one]

    def insert(self, document: Document) -> bool:
        """False if there is one of its ``_id``."""
        if document["_id"] in self.documents:
            return False
        insort(self.ids, document["_id"])
        self.documents[document["_id"]] = document
        return True

    def update(self, which: Document, change: Document) -> bool:
        found = next(self.matching(which), None)
        if found is None:
            return False
        if not any(name.startswith("$") for name in change):
            self.documents[found["_id"]] = {"_id": found["_id"], **change}
            return True
        found |= change.get("$set", {})
        for name, value in change.get("$max", {}).items():
            found[name] = max(found.get(name, value), value)
        return True

    def delete(self, which: Document, limit: int) -> int:
        gone = [each["_id"] for each in self.matching(which)][: limit or None]
        for one in gone:
            del self.documents[one]
            del self.ids[bisect_left(self.ids, one)]
        return len(gone)


def fits(document: Document, which: Document) -> bool:
    for name, wanted in which.items():
        value = document.get(name)
        if not isinstance(wanted, dict):
            if value != wanted:
                return False
        elif value is None or not all(LIKE[how](value, other) for how, other in wanted.items()):
            return False
    return True


class QuickMongoDB:
    """Answers the commands that KATO sends, and counts them."""

    def __init__(self) -> None:
        self._collections: dict[str, Collection] = defaultdict(Collection)
        self._counts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size, number, _, kind = HEADER.unpack(await reader.readexactly(HEADER.size))
                body = await reader.readexactly(size - HEADER.size)
                answer = self._answered(kind, body)
                writer.write(HEADER.pack(HEADER.size + len(answer), 0, number, _answers(kind)))
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answered(self, kind: int, body: bytes) -> bytes:
        if kind == OP_QUERY:  # how a driver says hello
            return struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(HELLO)
        return struct.pack("<iB", 0, 0) + bson.encode(self._done(_command(body)))

    def _done(self, command: Document) -> Document:
        name = next(iter(command))
        if name in ("hello", "ismaster", "isMaster"):
            return HELLO
        if name == "counts":  # ours: what was asked since the last time
            counts, self._counts = self._counts, Counter()
            return {"ok": 1.0, "counts": dict(counts)}
        target = command[name]
        self._counts[f"{name} {target}" if isinstance(target, str) else name] += 1
        handle = getattr(self, f"_{name}", None)
        answer = handle(self._collections[target], command) if handle else {}
        return {"ok": 1.0, **answer}

    def _insert(self, collection: Collection, command: Document) -> Document:
        errors: list[Document] = []
        for index, document in enumerate(command["documents"]):
            if collection.insert(document):
                continue
            errors.append({"index": index, "code": DUPLICATE_KEY, "errmsg": "E11000 duplicate key"})
            if command.get("ordered", True):
                return {"n": index, "writeErrors": errors}
        count = len(command["documents"]) - len(errors)
        return {"n": count, **({"writeErrors": errors} if errors else {})}

    def _find(self, collection: Collection, command: Document) -> Document:
        found = list(collection.matching(command.get("filter", {})))
        if command.get("sort", {}).get("_id") == -1:
            found.reverse()
        found = found[: command.get("limit") or None]
        if fields := command.get("projection"):
            names = {"_id", *fields}
            found = [{name: each[name] for name in names & each.keys()} for each in found]
        return {"cursor": {"id": 0, "ns": "bench.bench", "firstBatch": found}}

    def _update(self, collection: Collection, command: Document) -> Document:
        done = sum(collection.update(each["q"], each["u"]) for each in command["updates"])
        return {"n": done, "nModified": done}

    def _delete(self, collection: Collection, command: Document) -> Document:
        return {
            "n": sum(collection.delete(each["q"], each["limit"]) for each in command["deletes"])
        }


def _answers(kind: int) -> int:
    return OP_REPLY if kind == OP_QUERY else OP_MSG


def _command(body: bytes) -> Document:
    """The command of a message, with the documents of its sequences."""
    command: Document = {}
    place = 4
    while place < len(body):
        kind, size = struct.unpack_from("<Bi", body, place)
        part = body[place + 1 : place + 1 + size]
        place += 1 + size
        if kind == 0:
            command = {**bson.decode(part), **command}
        else:
            name, _, documents = part[4:].partition(b"\0")
            command[name.decode()] = bson.decode_all(documents)
    return command


@contextmanager
def quick_mongodb() -> Iterator[str]:
    """The URL of a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        command = [sys.executable, __file__, str(listener.fileno())]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()])
    try:
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def taken_counts(url: str) -> dict[str, int]:
    """How often each command was sent to the stand-in since the last look, by its collection."""
    with MongoClient(url) as client:
        found: dict[str, int] = client.admin.command("counts")["counts"]
        return found


async def run(listener: socket.socket) -> None:
    server = await asyncio.start_server(QuickMongoDB().serve, sock=listener, limit=2**20)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(socket.socket(fileno=int(sys.argv[1]))))
