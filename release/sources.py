"""What a release is made from: the tracked files of this checkout, and the commit they are."""

import os
import shutil
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from processes import TestbedError, run

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Sources:
    root: Path
    version: str
    revision: str
    """The commit, 40 hex digits; followed by `-dirty` where tracked files differ from it."""
    epoch: int
    """When it was committed, in seconds: the one time that is written into the artefacts."""

    @property
    def created(self) -> str:
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def environment(self) -> dict[str, str]:
        """For tools that write dates (https://reproducible-builds.org/specs/source-date-epoch)."""
        return {**os.environ, "SOURCE_DATE_EPOCH": str(self.epoch)}

    def export(self, folder: Path) -> Path:
        """Copy the tracked files, as they are in the checkout, to *folder*."""
        for name in _git(self.root, "ls-files", "-z").split("\0"):
            source, target = self.root / name, folder / name
            if name and source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        return folder


def sources(root: Path = ROOT) -> Sources:
    """Read version and commit.

    Raises:
        TestbedError: This is no git checkout, so nobody could say what the release is made from.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        epoch = int(_git(root, "log", "-1", "--format=%ct"))
        is_dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (TestbedError, FileNotFoundError) as error:
        raise TestbedError(f"a release is made from a git checkout ({error})") from error
    return Sources(root, project["version"], commit + ("-dirty" if is_dirty else ""), epoch)


def _git(root: Path, *arguments: str) -> str:
    # The checkout may belong to another user, as a mounted folder does.
    return run(["git", "-c", f"safe.directory={root}", "-C", str(root), *arguments])
