"""Archives that are the same bytes whenever they hold the same files."""

import gzip
import io
import tarfile
from contextlib import nullcontext
from pathlib import Path


def write_tar(
    target: Path, folder: Path, *, epoch: int, prefix: str = "", compressed: bool = False
) -> None:
    """Write what is in *folder* as a tar file.

    Args:
        epoch: The one modification time of all members, in seconds.
        prefix: Put before the names of all members, such as ``kato-0.1.0/``.
        compressed: With gzip.
    """
    with target.open("wb") as raw:
        stream = gzip.GzipFile("", "wb", 9, raw, mtime=epoch) if compressed else nullcontext(raw)
        with (
            stream as plain,
            tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in sorted(folder.rglob("*")):
                _add(tar, path, prefix + path.relative_to(folder).as_posix(), epoch)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a tar file below *folder*; its only top folder."""
    with tarfile.open(archive) as tar:
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # since 3.11.4
        tar.extractall(folder, **safely)
    (top,) = folder.iterdir()
    return top


def _add(tar: tarfile.TarFile, path: Path, name: str, epoch: int) -> None:
    if path.is_dir():
        return
    member = tarfile.TarInfo(name)
    member.size, member.mtime = path.stat().st_size, epoch
    member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    with path.open("rb") as content:
        tar.addfile(member, content)


def read_member(archive: Path, name: str) -> bytes:
    """One file of a tar archive."""
    with tarfile.open(archive) as tar:
        content = tar.extractfile(name)
        return (content or io.BytesIO()).read()
