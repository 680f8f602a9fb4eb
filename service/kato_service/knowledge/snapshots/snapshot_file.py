"""A file that holds one fold: written atomically, versioned and check-summed, never trusted.

It begins with a line that names the version. Frames follow: a tag of four letters, the checksum of
the frame, the size of its content, the content. The first frame is the header; the last one holds
the number of frames, so that a file which was cut is not taken for a whole one.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO
from zlib import crc32

import orjson

from kato_service.knowledge.model.index import Piece
from kato_service.knowledge.snapshots.atomic_file import atomic_file

VERSION_LINE = b"KATO knowledge snapshot 1\n"
"""The number changes with the format, or with the meaning of what is in it."""
_FRAME = Struct("<4sIQ")
_HEADER, _END = b"head", b"end."
FLUSHED_BYTES = 8 * 1024 * 1024
"""Bytes after which the content is synced to the disk, so that little is left for the end."""


class DamagedSnapshotError(Exception):
    """The file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """Which knowledge base a file holds, and at which position of its log."""

    kb: str
    incarnation: str
    revision: int
    token: str
    """The token of the entry at that revision."""
    byte_order: str = sys.byteorder
    """Numbers in the content have the byte order of the machine that wrote them."""


def write_snapshot(path: Path, header: SnapshotHeader, pieces: Iterable[Piece]) -> int:
    """Write a file in place of the one at *path*, whole or not at all; gives its size in bytes.

    Raises:
        OSError: It could not be written; the previous file is unchanged.
    """
    with atomic_file(path) as file:
        return _write(file, header, pieces)


def read_header(path: Path) -> SnapshotHeader:
    """The header alone; the rest of the file is not looked at.

    Raises:
        DamagedSnapshotError: It has none that this version reads.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return _header(_frames(file))


def read_pieces(path: Path, expected: SnapshotHeader) -> Iterator[Piece]:
    """All pieces. Only after the last one is it known that the file is whole.

    Raises:
        DamagedSnapshotError: The file is not whole, or does not have the *expected* header (any
            more).
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        frames = _frames(file)
        if _header(frames) != expected:
            raise DamagedSnapshotError("it was replaced")
        count = 1
        for tag, content in frames:
            if tag == _END:
                if content != str(count).encode() or file.read(1):
                    raise DamagedSnapshotError("it does not end where it should")
                return
            count += 1
            yield tag, content
    raise DamagedSnapshotError("it is torn")


def _write(file: BinaryIO, header: SnapshotHeader, pieces: Iterable[Piece]) -> int:
    size = flushed = file.write(VERSION_LINE)
    count = 0
    for tag, content in _framed(header, pieces):
        count += 1
        size += _write_frame(file, tag, content)
        if size - flushed > FLUSHED_BYTES:
            file.flush()
            os.fsync(file.fileno())
            flushed = size
    return size + _write_frame(file, _END, str(count).encode())


def _framed(header: SnapshotHeader, pieces: Iterable[Piece]) -> Iterator[Piece]:
    yield _HEADER, orjson.dumps(asdict(header))
    yield from pieces


def _write_frame(file: BinaryIO, tag: bytes, content: bytes) -> int:
    start = _FRAME.pack(tag, _checksum(tag, content), len(content))
    return file.write(start) + file.write(content)


def _frames(file: BinaryIO) -> Iterator[Piece]:
    if file.readline(len(VERSION_LINE)) != VERSION_LINE:
        raise DamagedSnapshotError("it has another version")
    left = os.fstat(file.fileno()).st_size - len(VERSION_LINE)
    while left >= _FRAME.size:
        tag, checksum, size = _FRAME.unpack(file.read(_FRAME.size))
        # A damaged size must not make this allocate what the file does not have.
        left -= _FRAME.size + size
        content = file.read(size) if left >= 0 else b""
        if len(content) != size:
            raise DamagedSnapshotError("it is torn")
        if _checksum(tag, content) != checksum:
            raise DamagedSnapshotError("its checksum is wrong")
        yield tag, content
    if left:
        raise DamagedSnapshotError("it is torn")


def _header(frames: Iterator[Piece]) -> SnapshotHeader:
    tag, content = next(frames, (b"", b""))
    if tag != _HEADER:
        raise DamagedSnapshotError("it has no header")
    fields: dict[str, Any] = orjson.loads(content)
    header = SnapshotHeader(**fields)
    if header.byte_order != sys.byteorder:
        raise DamagedSnapshotError("it comes from a machine with another byte order")
    return header


def _checksum(tag: bytes, content: bytes) -> int:
    return crc32(content, crc32(tag))
