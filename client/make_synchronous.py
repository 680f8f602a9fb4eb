#!/usr/bin/env python3
"""Writes the synchronous client from the asynchronous one: make_synchronous.py [--check].

Both are the same text but for some words. `--check` writes nothing, and fails if a file differs
from what would be written. The formatter is ruff, so that the result is what `make check` expects.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parent / "kato_client"
SOURCE, TARGET = CLIENT / "asynchronous", CLIENT / "synchronous"
BY_HAND = {"__init__.py", "seam.py"}
WORDS = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\baclose\b", "close"),
    (r"\baclosing\b", "closing"),
    (r"\baiter_bytes\b", "iter_bytes"),
    (r"\baread\b", "read"),
    (r"\bAsync(\w+)", r"\1"),
    (r"\basynchronous\b", "synchronous"),
)
NOTICE = "# Generated from {name} by `make client`: change that one.\n"


def written() -> dict[Path, str]:
    """The generated files with their text."""
    sources = (path for path in sorted(SOURCE.glob("*.py")) if path.name not in BY_HAND)
    return {TARGET / path.name: _synchronous(path) for path in sources}


def _synchronous(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    text = NOTICE.format(name=f"asynchronous/{path.name}") + text
    target = str(TARGET / path.name)
    tidy = _ruff(text, "check", "--select=I,F401", "--fix", "--quiet", "--stdin-filename", target)
    return _ruff(tidy, "format", "--quiet", "--stdin-filename", target)


def _ruff(text: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "ruff", *arguments, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return done.stdout


def different(files: dict[Path, str]) -> list[str]:
    """Names of generated files that are not as they should be, or should not be there."""
    there = {path for path in TARGET.glob("*.py") if path.name not in BY_HAND}
    stale = {
        path for path in there & files.keys() if path.read_text(encoding="utf-8") != files[path]
    }
    return sorted(path.name for path in stale | (there ^ files.keys()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    files = written()
    if parser.parse_args().check:
        if names := different(files):
            sys.exit(f"not up to date: {', '.join(names)} in {TARGET.name}/; run `make client`")
        return
    for path in TARGET.glob("*.py"):
        if path.name not in BY_HAND:
            path.unlink()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
