"""Exports and imports of knowledge as files: what is in them, and what became of them."""

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, cast

from kato_client.errors import AnswerError, ConnectionFailedError, KatoError, coded_error

PIECE_BYTES = 256 * 1024
GZIP = b"\x1f\x8b"
ATTEMPTS = 5
"""How often an export, or an import, begins in one call, if it is cut off."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How far an export or import is."""

    done: int
    """Patterns so far; of an import, and of the end of an export, also corrections."""
    total: int
    """0: not known yet."""


Progress = Callable[[Moved], None]


class ExportCheck:
    """Looks at the lines of an export while they pass: a whole one ends with a checksum."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.trailer: dict[str, Any] = {}
        self.lines = 0
        self._digest = hashlib.sha256()
        self._begun = b""

    @property
    def moved(self) -> Moved:
        return Moved(max(0, self.lines - 1), int(self.header.get("patterns", 0)))

    def add(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            AnswerError: The instance says that the export failed.
        """
        *whole, self._begun = (self._begun + piece).split(b"\n")
        for line in whole:
            self._take(line + b"\n")

    def end(self) -> None:
        """Nothing follows.

        Raises:
            ConnectionFailedError: Something is missing.
        """
        if self._begun or self.trailer.get("sha256") != self._digest.hexdigest():
            raise ConnectionFailedError("the export was cut off: export again")

    def _take(self, line: bytes) -> None:
        self.lines += 1
        if self.lines == 1:
            self.header = _object_of(line)
        if line.startswith(b'{"error":'):
            raise coded_error(_object_of(line).get("error") or {})
        # A pattern may have such metadata; only the last line has it as a field of its own.
        if b'"sha256":' in line[-90:] and "sha256" in (found := _object_of(line)):
            self.trailer = found
            return
        self._digest.update(line)


def may_begin_again(error: KatoError) -> bool:
    """Whether a transfer that *error* ended is worth another attempt."""
    return isinstance(error, AnswerError | ConnectionFailedError) and error.retryable


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there whole or not at all; compressed if its name ends with ``.gz``."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield cast("IO[bytes]", file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def packed_headers(path: Path) -> dict[str, str]:
    """How the content of *path* is declared."""
    with path.open("rb") as file:
        is_packed = file.read(len(GZIP)) == GZIP
    return {"Content-Encoding": "gzip"} if is_packed else {}


def pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


class ImportOutcome:
    """Looks at the lines of the answer to an import."""

    def __init__(self) -> None:
        self.counts: dict[str, Any] = {}
        self._begun = b""
        self._is_complete = False
        self._error: dict[str, Any] | None = None

    @property
    def moved(self) -> Moved:
        done = int(self.counts.get("imported", 0)) + int(self.counts.get("repeated", 0))
        return Moved(done, int(self.counts.get("parts", 0)))

    def add(self, piece: bytes) -> None:
        *whole, self._begun = (self._begun + piece).split(b"\n")
        for line in whole:
            found = _object_of(line)
            self.counts = found.get("summary") or found.get("progress") or self.counts
            self._is_complete |= bool((found.get("summary") or {}).get("complete"))
            self._error = (found.get("summary") or {}).get("error") or self._error

    def end(self) -> None:
        """Nothing follows.

        Raises:
            AnswerError: The instance could not put all of it in.
            ConnectionFailedError: The answer ends early.
        """
        if self._error is not None:
            raise coded_error(self._error)
        if not self._is_complete:
            raise ConnectionFailedError(
                "the import was cut off: import the same file again, and it continues"
            )


def _object_of(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
