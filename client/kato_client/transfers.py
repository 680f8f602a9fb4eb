"""Exports and imports of knowledge as files: what is in them, and what became of them."""

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import IO, Any

from kato_client.errors import ConnectionFailedError, coded_error

PIECE_BYTES = 256 * 1024
GZIP = b"\x1f\x8b"


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


class ExportFile:
    """A file that an export is written to: it is there whole or not at all.

    It is compressed if its name ends with ``.gz``. Its methods wait for the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._check = ExportCheck()
        self._file: IO[bytes] | None = None
        self._name = ""
        """The file's, until all of it is there."""
        self._packed: gzip.GzipFile | None = None
        self.received = 0
        """Bytes so far."""

    @property
    def moved(self) -> Moved:
        return self._check.moved

    @property
    def counts(self) -> dict[str, Any]:
        """What a whole export says that it holds."""
        return {"revision": self._check.header["revision"], **self._check.trailer}

    def open(self) -> None:
        folder, name = self._path.parent, self._path.name
        descriptor, self._name = mkstemp(dir=folder, prefix=f".{name}.")
        self._file = os.fdopen(descriptor, "wb")
        if self._path.suffix == ".gz":
            self._packed = gzip.GzipFile("", "wb", 6, self._file, mtime=0)

    def add(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            AnswerError: The instance says that the export failed.
        """
        self._check.add(piece)
        (self._packed or self._open_file).write(piece)
        self.received += len(piece)

    def keep(self) -> None:
        """Nothing follows: put the file into its place.

        Raises:
            ConnectionFailedError: Something is missing.
        """
        self._check.end()
        file = self._open_file
        if self._packed is not None:
            self._packed.close()
        file.flush()
        os.fsync(file.fileno())
        file.close()
        Path(self._name).replace(self._path)
        self._file = None

    def discard(self) -> None:
        """Leave nothing of it, unless it was kept."""
        if self._file is None:
            return
        try:
            if self._packed is not None:
                self._packed.close()
            self._file.close()
        finally:
            Path(self._name).unlink(missing_ok=True)

    @property
    def _open_file(self) -> IO[bytes]:
        assert self._file is not None
        return self._file


class ImportFile:
    """A file that is imported, compressed or not. Its methods wait for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self.headers: dict[str, str] = {}
        """How its content is declared; known when it is open."""
        self.sent = 0
        """Bytes so far."""

    def open(self) -> None:
        self._file = self._path.open("rb")
        if self._file.read(len(GZIP)) == GZIP:
            self.headers["Content-Encoding"] = "gzip"
        self._file.seek(0)

    def read(self) -> bytes:
        """The next piece; empty at the end."""
        assert self._file is not None
        piece = self._file.read(PIECE_BYTES)
        self.sent += len(piece)
        return piece

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


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
