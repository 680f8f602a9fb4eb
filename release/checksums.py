"""SHA256SUMS, as `sha256sum --check` reads it."""

import hashlib
from pathlib import Path

NAME = "SHA256SUMS"


def write_checksums(out: Path) -> None:
    """Of every file in *out*."""
    files = sorted(path for path in out.iterdir() if path.is_file() and path.name != NAME)
    lines = (f"{_digest(path)}  {path.name}\n" for path in files)
    (out / NAME).write_text("".join(lines), encoding="utf-8")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
