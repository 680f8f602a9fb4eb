"""Embedded vectors of earlier versions: files of the Qdrant client's local mode, only read.

There is a folder for each collection, with the points in a SQLite file, pickled. They are read
without the client, whose import would double the time of a start, and without running what a
pickle says: of its objects, only the attributes are kept.
"""

import io
import pickle
import re
import sqlite3
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.vectors.vector_scores import in_order, unpacked
from kato_service.knowledge.vectors.vector_store import Stored

BUSY_TIMEOUT_S = 10.0
READ = 500
"""Points that are read at once."""
_NAME = re.compile(r"kato_(?P<kb>.+)_(?P<cleared>[0-9]+)")


@dataclass(frozen=True, slots=True)
class LocalCollection:
    """What one knowledge base stored since one of its clears."""

    file: Path
    kb: str
    cleared: int

    @property
    def name(self) -> str:
        return self.file.parent.name

    @property
    def state(self) -> str:
        """A text that changes with the file."""
        files = (self.file, self.file.with_name(f"{self.file.name}-wal"))
        facts = [file.stat() for file in files if file.exists()]
        return " ".join(f"{one.st_mtime_ns} {one.st_size}" for one in facts)

    def vectors(self) -> Iterator[list[Stored]]:
        """All vectors, a bounded number at a time.

        Raises:
            StoreUnavailableError: The file cannot be read.
        """
        last = 0
        while rows := self._rows(last):
            last = rows[-1][0]
            yield [_stored(point) for _, point in rows]

    def ordered(self) -> list[Stored]:
        """All vectors in the order of an export."""
        by_symbol = {one.symbol: one for page in self.vectors() for one in page}
        return [by_symbol[symbol] for symbol in in_order(by_symbol)]

    def _rows(self, after: int) -> list[tuple[int, bytes]]:
        query = "SELECT rowid, point FROM points WHERE rowid > ? ORDER BY rowid LIMIT ?"
        try:
            url = f"{self.file.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(url, uri=True, timeout=BUSY_TIMEOUT_S)) as db:
                return db.execute(query, (after, READ)).fetchall()
        except sqlite3.Error as exc:
            raise StoreUnavailableError(
                f"the file of vectors {str(self.file)!r} cannot be read"
            ) from exc


def local_collections(folder: Path) -> list[LocalCollection]:
    """The collections in the folder of vectors."""
    found = []
    for file in sorted(folder.glob("collection/*/storage.sqlite")):
        name = _NAME.fullmatch(file.parent.name)
        if name is not None:
            found.append(LocalCollection(file, name["kb"], int(name["cleared"])))
    return found


class _Attributes:
    """Any object of a pickle: its state, and nothing of what its class would do."""

    def __init__(self, *_: object) -> None:
        self.payload: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        attributes = state.get("__dict__", state) if isinstance(state, dict) else {}
        self.payload = attributes.get("payload") or {}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _Attributes


def _stored(point: bytes) -> Stored:
    try:
        payload = _Unpickler(io.BytesIO(point)).load().payload
        return Stored(str(payload["symbol"]), unpacked(b64decode(payload["components"])))
    except (AttributeError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as exc:
        raise StoreUnavailableError("a file of vectors of an earlier version is damaged") from exc
