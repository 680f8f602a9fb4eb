"""The SQLite file of knowledge: its connections, transactions, and errors of our own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from errno import errorcode
from pathlib import Path
from typing import Literal, TypeVar

from kato_service.errors import OutcomeUnknownError, StoreUnavailableError

T = TypeVar("T")
BUSY_TIMEOUT_S = 5.0
_WAYS_OUT = {
    "SQLITE_FULL": " (its disk is full: give it room)",
    "SQLITE_READONLY": " (make the file and its folder writable)",
    "EROFS": " (make the file and its folder writable)",
    "SQLITE_CANTOPEN": " (make the file and its folder writable)",
    "SQLITE_NOTADB": " (it is damaged: stop the service, put a backup in its place)",
    "SQLITE_CORRUPT": " (it is damaged: stop the service, put a backup in its place)",
    "SQLITE_ERROR": " (it is not a file of this service: name another DATA_DIR, or move it away)",
    "SQLITE_IOERR": " (its disk does not work: look at the disk)",
    "SQLITE_BUSY": " (another process holds it: repeat later)",
}
"""By how the name of an error begins."""


class SqliteFile:
    """One thread writes and one reads, each with its connection, so no commit delays a read."""

    def __init__(self, path: Path) -> None:
        self._writer = _Connection(path, "knowledge-write", mode="rwc")
        self._reader = _Connection(path, "knowledge-read", mode="rw")

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with _mapped_errors():
            return await self._reader.run(work)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with _mapped_errors():
            return await self._writer.run(work)

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing.

    Raises:
        OutcomeUnknownError: The commit failed.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        _roll_back(db)
        raise
    _commit(db)


class _Connection:
    """A connection and the only thread that uses it."""

    def __init__(self, path: Path, thread_name: str, *, mode: Literal["rw", "rwc"]) -> None:
        """*mode*: whether it makes a file that is not there."""
        self._path = path
        self._mode = mode
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=thread_name)
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        """Device and number of the file that is open."""

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(self._opened()))

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        self._require_in_place()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        uri = f"{self._path.absolute().as_uri()}?mode={self._mode}"
        opened = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            opened.execute("PRAGMA synchronous=FULL")
            self._identity = _identity(self._path)
        except BaseException:
            opened.close()
            raise
        return opened

    def _require_in_place(self) -> None:
        """What is written to a file that has no name any more ends with the process."""
        try:
            in_place = _identity(self._path) == self._identity
        except FileNotFoundError:
            in_place = False
        if not in_place:
            raise StoreUnavailableError(
                "the knowledge file was moved, removed or replaced while it was in use: put it"
                " back, or restart the service"
            )

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


@asynccontextmanager
async def _mapped_errors() -> AsyncIterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise StoreUnavailableError(f"the knowledge file cannot be used: {_reason(exc)}") from exc


def _reason(exc: sqlite3.Error | OSError) -> str:
    """A name and the way out: the text may hold a path, and clients read the message."""
    if isinstance(exc, OSError):
        name = errorcode.get(exc.errno or 0, type(exc).__name__)
    else:
        name = getattr(exc, "sqlite_errorname", type(exc).__name__)
    return name + next((way for known, way in _WAYS_OUT.items() if name.startswith(known)), "")


def _commit(db: sqlite3.Connection) -> None:
    try:
        db.execute("COMMIT")
    except sqlite3.Error as exc:
        _roll_back(db)
        raise OutcomeUnknownError(
            f"the knowledge file did not confirm a write: {_reason(exc)}"
        ) from exc


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK")
