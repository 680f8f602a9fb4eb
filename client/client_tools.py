"""Installs what the TypeScript client is built and tested with: `client_tools.py [FOLDER]`.

TypeScript, esbuild and two generators of clients (@hey-api/openapi-ts, openapi-python-client) of
pinned versions, with a Node.js of its own from PyPI, so that nothing but Python has to be there
before. The folder is build/clients unless it says otherwise; to undo, remove it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

CLIENT = Path(__file__).resolve().parent
TYPESCRIPT = CLIENT / "typescript"
PINS = (
    CLIENT / "client_tools.txt",
    TYPESCRIPT / "package.json",
    TYPESCRIPT / "package-lock.json",
)
"""What to install: files of pip and npm."""


@dataclass(frozen=True)
class Tools:
    folder: Path = CLIENT.parent / "build" / "clients"

    @property
    def stamp(self) -> Path:
        """Holds what was installed, once all of it is."""
        return self.folder / "installed"

    @property
    def is_installed(self) -> bool:
        return self.stamp.exists() and self.stamp.read_text() == _digest()

    def program(self, name: str) -> Path:
        """A program of the virtual environment, such as node or npm."""
        return self.folder / "venv" / "bin" / name

    def script(self, name: str) -> Path:
        """A program of npm's packages, for node."""
        return self.folder / "node_modules" / ".bin" / name

    def install(self) -> None:
        """Install everything, unless it is there."""
        if self.is_installed:
            return
        sys.stdout.write(f"installing tools for clients into {self.folder} (a minute)\n")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for file in PINS:
            shutil.copy2(file, self.folder)
        venv.create(self.folder / "venv", with_pip=True)
        pip = [self.program("python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        self.run(*pip, "-r", "client_tools.txt")
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        self.run(self.program("npm"), "ci", *quiet)
        self.stamp.write_text(_digest())

    def run(self, *command: str | Path, cwd: Path | None = None, **variables: str) -> str:
        """What *command* prints, with the programs of the folder on its PATH.

        Raises:
            RuntimeError: It failed; the text is what it printed.
        """
        path = f"{self.folder / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd or self.folder,
            env={**os.environ, "PATH": path, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed: {done.stdout}")
        return done.stdout


def _digest() -> str:
    """Of everything that decides what is installed."""
    text = b"".join(file.read_bytes() for file in PINS) + sys.version.encode()
    return hashlib.sha256(text).hexdigest()


def main() -> None:
    Tools(*(Path(given).resolve() for given in sys.argv[1:])).install()


if __name__ == "__main__":
    main()
