"""Files that were taken from others or that nobody can read: their checksums are recorded."""

import hashlib
import subprocess
from pathlib import Path

RECORD = "release/assets.sha256"
FOREIGN = ("swagger-ui/",)
"""Parts of paths below which everything was taken from others."""


def listed(root: Path) -> dict[str, str]:
    """Checksums of all foreign and binary files that git has."""
    command = ["git", "-C", str(root), "ls-files", "-z"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    files = (name for name in names if name and (root / name).is_file())
    return {name: _checksum(root / name) for name in files if _is_listed(root, name)}


def recorded(root: Path) -> dict[str, str]:
    """What sha256sum would check."""
    lines = (root / RECORD).read_text(encoding="utf-8").splitlines()
    return {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}


def written(root: Path) -> int:
    """Record the files as they are; returns how many."""
    found = listed(root)
    lines = [f"{checksum}  {name}\n" for name, checksum in sorted(found.items())]
    (root / RECORD).write_text("".join(lines), encoding="utf-8")
    return len(found)


def _is_listed(root: Path, name: str) -> bool:
    if any(part in name for part in FOREIGN):
        return True
    with (root / name).open("rb") as file:
        return b"\0" in file.read(8192)


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
