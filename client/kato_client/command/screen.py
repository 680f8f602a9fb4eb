"""What people see: notices go to stderr, results to stdout."""

import json
import re
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kato_client.answers import BulkLearned, Events, Next, Prediction, Predictions

out = Console(highlight=False, emoji=False)
notices = Console(stderr=True, highlight=False, emoji=False)
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f]")
"""What terminals obey: control characters but for tab and line feed, and directions of writing."""


def text(value: str, style: str = "") -> Text:
    """*value* for a terminal: what would command it is spelled out."""
    return Text(_COMMANDS.sub(lambda found: repr(found[0])[1:-1], value), style=style)


def notice(told: str, *, undo: str = "") -> None:
    """Say what is done next, and how to undo it."""
    notices.print(text(told))
    if undo:
        notices.print(text(f"to undo: {undo}", style="dim"))


def problem(told: str) -> None:
    notices.print(text(told, style="red"))


def plain(value: Any) -> None:
    """*value* as one line of JSON."""
    line = json.dumps(value, ensure_ascii=False)
    typer.echo(_COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", line))


def events(found: Events) -> str:
    """Events in one line; symbols that were observed together are joined by +."""
    return " ".join("+".join(event) for event in found)


def predictions(found: Predictions) -> Table:
    """A row for each prediction: past, present and future of the pattern, and how well it fits."""
    table = Table("past", "present", "future", "missing", "extras", box=None, pad_edge=False)
    for name in ("similarity", "potential", "learned"):
        table.add_column(name, justify="right")
    for one in found:
        table.add_row(*_cells(one))
    return table


def _cells(one: Prediction) -> Iterable[Text]:
    lanes = ((one.past, "dim"), (one.present, "bold"), (one.future, "green"))
    yield from (text(events(lane), style=style) for lane, style in lanes)
    yield text(" ".join(one.missing), style="yellow")
    yield text(" ".join(one.extras), style="red")
    yield Text(f"{one.similarity:.2f}")
    yield Text(f"{one.potential:.2f}")
    yield Text(str(one.frequency))


def following(found: Next) -> Table:
    """A row for each event that may come next, and one for the end."""
    table = Table("next", "", box=None, pad_edge=False)
    table.add_column("weight", justify="right")
    table.add_column("patterns", justify="right")
    rows = [("+".join(one.event), one.weight, one.patterns) for one in found.events]
    for name, weight, patterns in [*rows, ("(ends here)", found.stop.weight, found.stop.patterns)]:
        bar = Text("█" * round(weight * 20), style="green")
        table.add_row(text(name), bar, Text(f"{weight:.2f}"), Text(str(patterns)))
    return table


def reasons(found: Predictions | Next) -> str:
    """Why an answer that was explained does not hold more."""
    explanation = found.explanation
    return "" if explanation is None else "; ".join(one["message"] for one in explanation.reasons)


def learned(done: BulkLearned) -> str:
    parts = [f"{done.learned} learned"]
    if done.repeated:
        parts.append(f"{done.repeated} learned before")
    if done.insufficient_data:
        parts.append(f"{done.insufficient_data} too short (a pattern needs two symbols)")
    if done.errors:
        parts.append(f"{done.errors} refused")
    return f"{done.lines} sequences: {', '.join(parts)}"
