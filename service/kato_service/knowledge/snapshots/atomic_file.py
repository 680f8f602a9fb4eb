"""Files that are there whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
"""What the names of files end with that are being written, or were when their process ended."""


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """What takes the place of the file at *path* when the block ends, and not if it fails.

    Raises:
        OSError: It could not be written; what was there still is.
    """
    # Process ids do not tell containers apart that share a volume.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """So that the name survives a power cut, too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
