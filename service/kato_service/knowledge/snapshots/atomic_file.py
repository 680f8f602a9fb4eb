"""Atomic writes: a file appears whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
"""How the names of files end that are being written, or were when their process died."""


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file that replaces the one at *path* when the block ends, unless the block fails.

    Raises:
        OSError: It could not be written; the previous file is unchanged.
    """
    # A random part, since containers that share a volume may have the same process ids.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            yield file
            # Content first, then the name: a power cut in between leaves the previous file.
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Make the new name survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
