"""What the recipes share as programs: options, a user of their own, a table at the end."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kato_client import BulkLearned, Kato, KatoError, NotFoundError, User


def options(text: str, user: str) -> argparse.ArgumentParser:
    """The options that every recipe has; *text* is the first line of `--help`."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the instance")
    parser.add_argument(
        "--timeout", type=float, default=60.0, help="seconds for a call with its repeats"
    )
    parser.add_argument("--user", default=user, help="whose knowledge it becomes (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which data are generated")
    parser.add_argument("--erase", action="store_true", help="erase the user at the end")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    return parser


def say(text: str) -> None:
    """Tell the person at the terminal; the table alone goes to standard output."""
    print(text, file=sys.stderr)


@contextmanager
def new_user(arguments: argparse.Namespace) -> Iterator[User]:
    """A user who has learned nothing yet. Failures of KATO end the program with their fix."""
    key = os.environ.get("KATO_API_KEY")
    undo = f"kato --url {arguments.url} erase --user {arguments.user}"
    try:
        with Kato(arguments.url, api_key=key, timeout_s=arguments.timeout) as kato:
            user = kato.user(arguments.user)
            with suppress(NotFoundError):
                if user.info().patterns:
                    sys.exit(
                        f"{arguments.user} has learned before: choose another --user, or {undo}"
                    )
            say(f"teaching {arguments.user} at {arguments.url}; to undo: {undo}")
            yield user
            if arguments.erase:
                user.erase()
                say(f"erased {arguments.user}")
    except KatoError as error:
        sys.exit(str(error))


def progress(so_far: BulkLearned) -> None:
    """Tell how far a bulk learn is. A sequence that is refused ends the program."""
    for refused in so_far.failures:
        sys.exit(f"sequence {refused.line} was not learned: {refused.message}")
    say(f"learned {so_far.lines} sequences")


def show(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print *rows*, which have the same columns; shares are from 0 to 1."""
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        aligned = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        print("  ".join([row[0].ljust(widths[0]), *aligned]))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
