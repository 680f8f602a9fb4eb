"""What the commands tell a person while they run, on standard error."""

import sys
import time
from collections.abc import Sequence

from kato_service.portable.importing import Comparison, Progress
from kato_service.portable.source import KnowledgeSource, Refused, Survey
from kato_service.portable.vectors import VectorSource, VectorSurvey

REPORT_EVERY_S = 2.0
"""Seconds between reports of progress."""


def say(line: str) -> None:
    """Write to standard error, since standard output may be the exported file."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def say_found(source: KnowledgeSource, survey: Survey) -> None:
    counted = survey.counted
    say(f"  {survey.patterns} patterns with {survey.symbols} symbols")
    say(f"  {counted.total_learns} learns of {counted.distinct_symbols} different symbols")
    corrected = sum(len(each.symbols) for each in survey.corrections)
    say(f"  {corrected} symbols have other counts than their patterns imply; they are kept")
    if survey.foreign_names:
        say(
            f"  {survey.foreign_names} names are not the hash of their events; they are kept, and"
            " learning such events again makes a second pattern"
        )
    for note in source.notes():
        say(f"  {note}")
    _say_refused(survey.refused_count, survey.refused)


def say_found_vectors(source: VectorSource, survey: VectorSurvey) -> None:
    size = "" if survey.dimension is None else f" of dimension {survey.dimension}"
    say(f"  {survey.count} vectors{size}")
    for note in source.vector_notes():
        say(f"  {note}")
    _say_refused(survey.refused_count, survey.refused)


def say_compared_vectors(found: Comparison) -> None:
    say(f"compared with the source: {found.equal} vectors equal")
    _say_different(found)


def say_compared(found: Comparison) -> None:
    say(f"compared with the source: {found.equal} patterns equal")
    if not found.different_count:
        say("names, frequencies, emotives, metadata, order, statistics and totals are exact")
        return
    _say_different(found)
    if found.failed:
        say("the import is not exact: repeat it, or clear the knowledge base and import again")
        return
    say(
        "every part is imported; the knowledge base holds more than this import, which explains"
        " the differences"
    )


class Report:
    """Reports the progress of an import from time to time."""

    def __init__(self) -> None:
        self._started = self._reported = time.monotonic()
        self._first: int | None = None

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._first is None:
            self._started, self._first = now, progress.done
        if now - self._reported < REPORT_EVERY_S and progress.done < progress.total:
            return
        self._reported = now
        rate = (progress.done - self._first) / max(now - self._started, 1e-3)
        done = f"{progress.doing} {progress.done} of {progress.total} {progress.units}"
        say(f"{done}, {rate:.0f} a second")


def _say_refused(number: int, first: Sequence[Refused]) -> None:
    if number:
        say(f"  {number} cannot be imported; the first of them:")
        for refused in first:
            say(f"    {refused}")


def _say_different(found: Comparison) -> None:
    if found.different_count:
        say(f"{found.different_count} differences; the first of them:")
        for each in found.different:
            say(f"  {each}")
