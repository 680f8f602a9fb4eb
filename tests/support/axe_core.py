"""axe-core, which judges the accessibility of a page; from npm, of a pinned version."""

import shutil
import subprocess
from pathlib import Path

PINS = Path(__file__).parent / "axe"
NPM = shutil.which("npm")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def axe_core(folder: Path) -> str:
    """The script, installed into *folder* if it is not there.

    Raises:
        RuntimeError: npm could not install it; the text is what npm printed.
    """
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        assert NPM is not None
        folder.mkdir(parents=True, exist_ok=True)
        for file in PINS.iterdir():
            shutil.copy2(file, folder)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        done = subprocess.run(
            [NPM, "ci", *quiet], cwd=folder, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
    return script.read_text()
