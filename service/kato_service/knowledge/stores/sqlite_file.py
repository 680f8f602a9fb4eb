"""A SQLite file of this service: its connections, transactions, and the errors of the service."""

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
CHECKPOINT_PAGES = 4000
"""Pages of 4 KiB in the write-ahead log at which they are copied to the file. A few blocks of views
fill SQLite's default of 1000, and the same pages were copied over and over, which took a fifth of
a bulk learn's time."""
_FIXES = {
    "SQLITE_FULL": " (the disk is full; free some space)",
    "SQLITE_READONLY": " (make the file and its folder writable)",
    "EROFS": " (make the file and its folder writable)",
    "SQLITE_CANTOPEN": " (make the file and its folder writable)",
    "SQLITE_NOTADB": " (the file is damaged; stop the service and put a backup in its place)",
    "SQLITE_CORRUPT": " (the file is damaged; stop the service and put a backup in its place)",
    "SQLITE_ERROR": " (not a file of this service; set another DATA_DIR, or move the file away)",
    "SQLITE_IOERR": " (the disk failed; check the disk)",
    "SQLITE_BUSY": " (another process holds the file; retry later)",
}
"""What to do about an error, by how its name begins."""


class SqliteFile:
    """One thread writes and one reads, each with its own connection, so no commit delays a read."""

    def __init__(self, path: Path, *, busy_timeout_s: float, holds: str = "knowledge") -> None:
        """*holds*: what is in it, for messages."""
        self._holds = holds
        # Only the writer creates the file: a read must not leave an empty one behind.
        self._writer = _Connection(path, f"{holds}-write", "rwc", busy_timeout_s)
        self._reader = _Connection(path, f"{holds}-read", "rw", busy_timeout_s)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with _mapped_errors(self._holds):
            return await self._reader.run(work)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with _mapped_errors(self._holds):
            return await self._writer.run(work)

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit everything inside the block, or nothing.

    Raises:
        OutcomeUnknownError: The commit failed, so it may or may not be in the file.
    """
    # IMMEDIATE: a transaction that starts as a read may fail when it turns into a write.
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        _roll_back(db)
        raise
    _commit(db)


class _Connection:
    """A connection and the only thread that uses it."""

    def __init__(
        self, path: Path, thread_name: str, mode: Literal["rw", "rwc"], busy_timeout_s: float
    ) -> None:
        """*mode*: ``rwc`` creates a missing file."""
        self._path = path
        self._mode = mode
        self._busy_timeout_s = busy_timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=thread_name)
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        """Device and inode of the open file."""

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
        opened = sqlite3.connect(uri, uri=True, timeout=self._busy_timeout_s, isolation_level=None)
        try:
            # With WAL, only FULL syncs every commit: what is acknowledged survives a power cut.
            opened.execute("PRAGMA synchronous=FULL")
            opened.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}").fetchall()
            # What is dropped is overwritten, so that an erased user does not stay in the file.
            opened.execute("PRAGMA secure_delete=ON").fetchall()
            self._identity = _identity(self._path)
        except BaseException:
            opened.close()
            raise
        return opened

    def _require_in_place(self) -> None:
        """Refuse a file that was moved or replaced: what is written to it might be lost."""
        try:
            in_place = _identity(self._path) == self._identity
        except FileNotFoundError:
            in_place = False
        if not in_place:
            raise StoreUnavailableError(
                f"the file {self._path.name} was moved, removed or replaced while it was in use;"
                " put it back, or restart the service"
            )

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


@asynccontextmanager
async def _mapped_errors(holds: str) -> AsyncIterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise StoreUnavailableError(f"the {holds} file cannot be used: {_reason(exc)}") from exc


def _reason(exc: sqlite3.Error | OSError) -> str:
    """The error's name and the fix. Not its text, which may contain a path: clients see this."""
    if isinstance(exc, OSError):
        name = errorcode.get(exc.errno or 0, type(exc).__name__)
    else:
        name = getattr(exc, "sqlite_errorname", type(exc).__name__)
    return name + next((fix for known, fix in _FIXES.items() if name.startswith(known)), "")


def _commit(db: sqlite3.Connection) -> None:
    try:
        db.execute("COMMIT")
    except sqlite3.Error as exc:
        _roll_back(db)
        raise OutcomeUnknownError(
            f"the file of an embedded store did not confirm a write: {_reason(exc)}"
        ) from exc


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK")
