#!/usr/bin/env python3
"""Log anomaly: which jobs went wrong, and which line is missing or does not belong there?

A job's log is a sequence, each line an event, without its numbers and ids. KATO learns the logs of
jobs that went well. A new log is compared with the most similar of them: what is missing, what is
extra.

USE IT where a log tells a story from beginning to end (a job, a request, a start-up), and people
ask what was expected instead. It names the line, and the pattern that it was compared with, also
where the cause is far from the effect.

DO NOT USE IT for streams without beginning and end. Nor where logs that are fine vary without end:
what KATO has not seen as a whole is an alarm, while n-grams, which look at some neighbouring lines
only, raise fewer false ones. Nor for wrong numbers in right lines: numbers are cut out.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from ngrams import Ngrams, steps
from program import new_user, options, progress, say, show

from kato_client import AnswerError, Predictions, User

Log = list[str]
VARIABLE = re.compile(r"\b(?:\d[\d.]*|[0-9a-f]{8,})\b")
LOSABLE = ("starts", "opened", "copied", "closed", "verified", "deleted", "released", "done")
AT_ONCE = 100


def template(line: str) -> str:
    """*line* without what differs from job to job: numbers, addresses, ids."""
    return VARIABLE.sub("*", line)


@dataclass(frozen=True, slots=True)
class Job:
    """A log, and the line that was taken out or put in; neither, if all went well."""

    lines: Log
    lost: str = ""
    foreign: str = ""

    @property
    def is_bad(self) -> bool:
        return bool(self.lost or self.foreign)


def good_log(rng: random.Random) -> Log:
    """The log of an invented job that copies or moves a file in up to four parts."""
    job, verb = f"{rng.getrandbits(32):08x}", rng.choice(["copy", "move"])
    return [
        f"job {job}: {verb} for 10.0.{rng.randint(0, 255)}.{rng.randint(1, 254)}",
        *(["waiting for a free worker"] if rng.random() < 0.3 else []),
        f"worker {rng.randint(1, 40)} starts",
        *chain.from_iterable(_part(part, rng) for part in range(rng.randint(1, 4))),
        f"verified checksum {rng.getrandbits(64):016x}",
        *(["deleted the source"] if verb == "move" else []),
        f"released {rng.randint(10, 900)} MB",
        f"done in {rng.uniform(0.5, 90):.1f} s",
    ]


def _part(number: int, rng: random.Random) -> Iterator[str]:
    yield f"opened part {number}"
    if rng.random() < 0.15:
        yield f"timeout in part {number}, trying again"
    yield f"copied {rng.randint(1, 64)} blocks"
    yield f"closed part {number}"


def bad_job(rng: random.Random) -> Job:
    """A job that lost a line, says one that it should not say, or deleted what it only copied."""
    lines = good_log(rng)
    match rng.choice(["lost", "foreign", "deleted"]):
        case "lost":
            places = [place for place, line in enumerate(lines) if line.split()[0] in LOSABLE]
            lost = lines.pop(rng.choice(places))
            return Job(lines, lost=lost)
        case "foreign":
            place, foreign = rng.randrange(1, len(lines)), f"retry {rng.randint(2, 9)} of 9"
        case _:
            place, foreign = len(lines) - 2, "deleted the source"
            if lines[0].split()[2] == "move":
                lines[0] = lines[0].replace("move", "copy")
                return Job(lines, foreign=foreign)
    return Job([*lines[:place], foreign, *lines[place:]], foreign=foreign)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A log beside the most similar one that KATO knows."""

    similarity: float
    """1 if the very same log was learned, 0 if nothing resembles it."""
    missing: Log
    extras: Log

    def names(self, job: Job) -> bool:
        """Whether it tells the very line that went wrong."""
        return template(job.lost) in self.missing or template(job.foreign) in self.extras


def compared(log: Log, answer: Predictions) -> Comparison:
    if not len(answer):
        return Comparison(0.0, [], log)
    best = answer[0]
    # `missing` and `extras` tell symbols apart by spelling. A log may have a line several times, so
    # they are counted here; and as the log is complete, past and future are missing, too.
    expected, observed = Counter(chain.from_iterable(best.sequence)), Counter(log)
    missing, extras = expected - observed, observed - expected
    return Comparison(best.similarity, [*missing.elements()], [*extras.elements()])


def comparisons(user: User, jobs: Sequence[Job]) -> list[Comparison]:
    found = list[Comparison]()
    for first in range(0, len(jobs), AT_ONCE):
        logs = [[*map(template, job.lines)] for job in jobs[first : first + AT_ONCE]]
        answers = user.predict_batch(logs, genes={"rank_sort_algo": "similarity"}, limit=1)
        for log, answer in zip(logs, answers, strict=True):
            if isinstance(answer, AnswerError):
                raise answer
            found.append(compared(log, answer))
        say(f"compared {len(found)} of {len(jobs)} logs")
    return found


def framed(lines: Log) -> Log:
    """The templates of *lines* between marks, so that n-grams see beginning and end."""
    return ["(begin)", *map(template, lines), "(end)"]


def judged(
    name: str, alarms: Sequence[bool], jobs: Sequence[Job], named: float | None = None
) -> dict[str, str | float | None]:
    """A row of the table: precision and recall of *alarms*; 0 if there is none."""
    hits = sum(alarm and job.is_bad for alarm, job in zip(alarms, jobs, strict=True))
    return {
        "log anomaly": name,
        "precision": hits / sum(alarms) if any(alarms) else 0.0,
        "recall": hits / sum(job.is_bad for job in jobs),
        "names the line": named,
    }


def main() -> None:
    parser = options(__doc__, "recipe-log-anomaly")
    parser.add_argument("--logs", type=int, default=400, help="good logs to learn (%(default)s)")
    parser.add_argument("--order", type=int, default=3, help="lines of an n-gram's past")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    train = [good_log(rng) for _ in range(arguments.logs)]
    jobs = [*(Job(good_log(rng)) for _ in range(100)), *(bad_job(rng) for _ in range(100))]
    with new_user(arguments) as user:
        user.learn((map(template, log) for log in train), progress=progress)
        found = comparisons(user, jobs)
    alarms = [one.similarity < 1 for one in found]
    ngrams = Ngrams(arguments.order, chain.from_iterable(steps(framed(log)) for log in train))
    strange = [
        not all(ngrams.knows(past, line) for past, line in steps(framed(job.lines))) for job in jobs
    ]
    known = set(map(template, chain.from_iterable(train)))
    unknown = [not known.issuperset(map(template, job.lines)) for job in jobs]
    named = [one.names(job) for one, job in zip(found, jobs, strict=True) if job.is_bad]
    rows = [
        judged("KATO: not like any good log", alarms, jobs, sum(named) / len(named)),
        judged(f"n-grams, {arguments.order} lines: an unknown one", strange, jobs),
        judged("a line that no good log had", unknown, jobs),
    ]
    show(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
