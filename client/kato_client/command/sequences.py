"""Sequences in files: a text, a table (CSV), or lines of JSON."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from pathlib import PurePath
from typing import Any

from kato_client.command.instance import WrongFileError

Events = Sequence[Sequence[str]]


class Form(StrEnum):
    """What the lines of a file are."""

    TEXT = "text"
    CSV = "csv"
    JSONL = "jsonl"


def form_of(name: str) -> Form:
    """The form by the ending of a file's name; others are texts."""
    endings = {".csv": Form.CSV, ".tsv": Form.CSV, ".jsonl": Form.JSONL, ".ndjson": Form.JSONL}
    return endings.get(PurePath(name).suffix.lower(), Form.TEXT)


def of_text(lines: Iterable[str]) -> Iterator[Events]:
    """Each line is a sequence, each of its words an event; lines without words are left out."""
    return ([[word] for word in words] for line in lines if (words := line.split()))


def of_table(
    lines: Iterable[str], columns: Sequence[str], group: str | None, delimiter: str
) -> Iterator[Events]:
    """Sequences of a table with a head line. Empty cells are left out.

    Args:
        columns: Those to use, in this order; none: all but *group*.
        group: Rows that follow each other with the same value in this column are one sequence, and
            each row is an event. Without it, each row is a sequence, and each cell an event.

    Raises:
        WrongFileError: There is no such column, or there are several.
    """
    rows = csv.reader(lines, delimiter=delimiter)
    head = next(rows, [])
    group_place = None if group is None else _place(head, group)
    all_places = [place for place in range(len(head)) if place != group_place]
    places = [_place(head, name) for name in columns] or all_places
    if group_place is None:
        for row in rows:
            if events := [[cell] for cell in _cells(row, places)]:
                yield events
        return
    whole = (row for row in rows if len(row) > group_place)
    for _, members in groupby(whole, key=itemgetter(group_place)):
        if events := [cells for row in members if (cells := _cells(row, places))]:
            yield events


def _cells(row: Sequence[str], places: Sequence[int]) -> list[str]:
    return [row[place] for place in places if place < len(row) and row[place]]


def _place(head: Sequence[str], name: str) -> int:
    if name not in head:
        raise WrongFileError(f"the table has no column {name!r}; it has {', '.join(head)}")
    if (count := head.count(name)) > 1:
        raise WrongFileError(f"the table has {count} columns {name!r}: rename the others")
    return head.index(name)


def of_json(lines: Iterable[str], field: str) -> Iterator[Events]:
    """Each line is a list of events, or an object with one in *field*; an event is a text, or a
    list of texts.

    Raises:
        WrongFileError: A line is something else; the message says which.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _events(line, field, number)


def _events(line: str, field: str, number: int) -> Events:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise WrongFileError(f"line {number} is not JSON: {error}") from error
    events = found.get(field) if isinstance(found, dict) else found
    if not isinstance(events, list):
        raise WrongFileError(f"line {number} is neither a list of events nor has one in {field!r}")
    return [_strings(event, number) for event in events]


def _strings(event: Any, number: int) -> Sequence[str]:
    if isinstance(event, str):
        return [event]
    if isinstance(event, list) and all(isinstance(symbol, str) for symbol in event):
        return event
    raise WrongFileError(f"line {number} has an event that is neither a text nor a list of texts")
