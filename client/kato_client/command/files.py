"""Files of sequences to be learned: what is told while they are read, and when that ends early."""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any, BinaryIO

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from kato_client import BulkLearned
from kato_client.command import screen
from kato_client.command.instance import WrongFileError


@contextmanager
def completable(name: str) -> Iterator[Callable[[Iterable[Any]], Iterator[Any]]]:
    """Tell how to complete a run that ends early, if some of what it notes may be learned."""
    told = f"to complete it, so that nothing counts twice: run it again with --name {quote(name)}"
    begun = False

    def noted(found: Iterable[Any]) -> Iterator[Any]:
        nonlocal begun
        for one in found:
            begun = True
            yield one

    try:
        yield noted
    except (Exception, KeyboardInterrupt):
        if begun:
            screen.notice(told)
        raise


@contextmanager
def opened(file: str) -> Iterator[tuple[Iterator[str], Any]]:
    """The lines of *file*, and what is told about the sequences that were learned."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=screen.notices) as bars:
        task = bars.add_task("0 learned", total=None)

        def progress(so_far: BulkLearned) -> None:
            bars.update(task, description=f"{so_far.lines} learned")

        try:
            raw: BinaryIO = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise WrongFileError(f"{file} cannot be read: {error.strerror}") from error
        with raw:
            if file != "-":
                size = Path(file).stat().st_size
                bars.update(task, total=size)
                raw = bars.wrap_file(raw, total=size, task_id=task)
            try:
                yield io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""), progress
            except (UnicodeDecodeError, csv.Error) as error:
                raise WrongFileError(f"{file} cannot be read: {error}") from error
