"""Lines that arrived and are read again: in memory while they are few, else in a file without a
name, which disappears with the process."""

import asyncio
import gzip
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from kato_service.errors import StoreRefusedError

IN_MEMORY_BYTES = 2**20
WRITTEN_BYTES = 2**18
"""Compressed bytes that are written at once, in a thread."""
_LEVEL, _GZIP_WINDOW = 1, 31


class Spool:
    def __init__(self, directory: Path) -> None:
        """*directory*: where the file is made, if it comes to that."""
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115  # `close` closes it
            max_size=IN_MEMORY_BYTES, dir=str(directory)
        )
        self._directory = directory
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        self._waiting = bytearray()
        self.size_bytes = 0
        """Compressed bytes so far."""

    def close(self) -> None:
        self._file.close()

    def add(self, line: bytes) -> None:
        """Add a line, with its end; `flush` writes it."""
        self._grown(self._packer.compress(line))

    async def flush(self, *, at_the_end: bool = False) -> None:
        """Write what waits, if it is worth it.

        Raises:
            StoreRefusedError: The disk takes no more.
        """
        if at_the_end:
            self._grown(self._packer.flush())
        if len(self._waiting) >= WRITTEN_BYTES or at_the_end:
            piece, self._waiting = bytes(self._waiting), bytearray()
            try:
                await asyncio.to_thread(self._write, piece)
            except OSError as exc:
                raise StoreRefusedError(
                    f"the disk of the service takes no more of the import ({exc.strerror}); nothing"
                    " was imported, retry later"
                ) from exc

    def lines(self) -> Iterator[bytes]:
        """All lines, after the last `flush`; one reader at a time."""
        self._file.seek(0)
        with gzip.GzipFile(mode="rb", fileobj=cast("IO[bytes]", self._file)) as unpacked:
            yield from unpacked

    def _write(self, piece: bytes) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._file.write(piece)

    def _grown(self, piece: bytes) -> None:
        self._waiting += piece
        self.size_bytes += len(piece)
