"""Installs the libraries that `kato_client` adapts to into a folder: `adapter_libraries.py FOLDER`.

They are large, so they have an environment of their own, which adds them to that of this Python.
To undo, remove the folder.
"""

import hashlib
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = (ROOT / "constraints.txt", ROOT / "client" / "pyproject.toml", Path(__file__))
LIBRARIES = (
    "kato-client[pandas,polars,langchain,llamaindex]",
    "pandas-stubs",
    "langchain-tests",
)
PATH_FILE = "below.pth"


def install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    below = sysconfig.get_path("purelib")
    above = sysconfig.get_path("purelib", vars={"base": str(folder)})
    (Path(above) / PATH_FILE).write_text(f"import site; site.addsitedir({below!r})\n")
    pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", FILES[0], *LIBRARIES], check=True, timeout=1800)
    (folder / "installed").write_text(_digest())


def is_installed(folder: Path) -> bool:
    stamp = folder / "installed"
    return stamp.exists() and stamp.read_text() == _digest()


def _digest() -> str:
    """Of everything that decides what is installed."""
    text = b"".join(file.read_bytes() for file in FILES) + sys.version.encode()
    return hashlib.sha256(text).hexdigest()


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    if not is_installed(folder):
        sys.stdout.write(f"installing libraries that the client adapts to into {sys.argv[1]}\n")
        install(folder)


if __name__ == "__main__":
    main()
