"""The recipes in `examples/recipes` run as they are, and what they report is true.

Accuracies are computed here a second time, from the same data, by other code: the n-gram model by
going through all examples, and KATO's votes with difflib.
"""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any
from uuid import uuid4

import chat_memory
import log_anomaly
import next_click
import program
import pytest
import sensor_costs
from ngrams import steps

from kato_client import Kato, NotFoundError
from support.dying import dying_with_us

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "examples" / "recipes"
PATIENCE_S = 120
Example = tuple[Sequence[Hashable], Any]


@dataclass(frozen=True)
class Done:
    returncode: int
    rows: list[dict[str, Any]]
    stdout: str
    stderr: str


Run = Callable[..., Done]
Documented = Callable[[Done], bool]


@pytest.fixture
def user() -> str:
    return uuid4().hex


@pytest.fixture
def run(service_url: str, user: str, tmp_path: Path) -> Run:
    """``run(name, *arguments)``: the recipe as a person runs it, on a user of its own."""

    def run(name: str, *arguments: str) -> Done:
        program = [sys.executable, str(RECIPES / f"{name}.py"), "--url", service_url]
        done = subprocess.run(
            [*dying_with_us(), *program, "--user", user, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        rows = json.loads(done.stdout) if "--json" in arguments and done.stdout else []
        return Done(done.returncode, rows, done.stdout, done.stderr)

    return run


@pytest.fixture
def documented(capsys: pytest.CaptureFixture[str]) -> Documented:
    """Whether the manual shows the table of a run."""

    def documented(done: Done) -> bool:
        program.show(done.rows, as_json=False)
        return capsys.readouterr().out in (ROOT / "docs" / "recipes.md").read_text()

    return documented


def reported(done: Done) -> list[list[Any]]:
    """The figures of the rows, without their names."""
    assert done.returncode == 0, done.stderr
    return [[*row.values()][1:] for row in done.rows]


def expected_next(order: int, examples: Sequence[Example], past: Sequence[Hashable]) -> list[Any]:
    """What followed the longest known end of *past* of up to *order* events, by frequency."""
    for length in range(min(order, len(past)), -1, -1):
        end = [*past[len(past) - length :]]
        found = [
            outcome
            for before, outcome in examples
            if len(before) >= length and [*before[len(before) - length :]] == end
        ]
        if found:
            return [*chain(*([one] * count for one, count in Counter(found).most_common()))]
    raise AssertionError("there are no examples")


def expected_vote(learned: Sequence[Sequence[str]], stm: Sequence[str]) -> str:
    """The symbol that `view=next` puts first at the strictest of the similarities asked for."""
    patterns = Counter(map(tuple, learned))
    found = list[tuple[float, int, str]]()
    for pattern, frequency in patterns.items():
        blocks = SequenceMatcher(None, pattern, stm, autojunk=False).get_matching_blocks()
        matched = sum(block.size for block in blocks)
        end = max((block.a + block.size for block in blocks if block.size), default=0)
        similarity = 2.0 * matched / (len(pattern) + len(stm))
        if matched and end < len(pattern):
            found.append((similarity, frequency, pattern[end]))
    for threshold in next_click.SIMILARITIES:
        votes = defaultdict[str, float](float)
        for similarity, frequency, symbol in found:
            if similarity >= threshold:
                votes[symbol] += similarity * frequency
        if votes:
            whole = sum(votes.values())
            return max(votes, key=lambda symbol: round(votes[symbol] / whole, 12))
    return ""


def test_next_click_reports_what_its_data_give(run: Run, documented: Documented) -> None:
    done = run("next_click", "--json", "--erase")
    rows = reported(done)
    made = next_click.visits(80, seed=1)
    train, asked = made[60:], next_click.questions(made[:60])
    examples = [*chain.from_iterable(map(steps, train))]
    runs = [[*past[-3:], page] for past, page in examples if past]
    by_votes = [expected_vote(runs, past[-3:]) for past, _ in asked]
    by_ngrams = [expected_next(3, examples, past)[0] for past, _ in asked]
    popular = Counter(page for past, page in next_click.questions(train)).most_common(1)[0][0]
    expected = [
        fmean(guess == page for guess, (_, page) in zip(guesses, asked, strict=True))
        for guesses in (by_votes, by_ngrams, [popular] * len(asked))
    ]
    assert [after_20 for after_20, _ in rows] == pytest.approx(expected)
    assert documented(done)


def test_log_anomaly_reports_what_its_data_give(run: Run, documented: Documented) -> None:
    done = run("log_anomaly", "--json", "--erase")
    rng = Random(1)
    train = [log_anomaly.framed(log_anomaly.good_log(rng)) for _ in range(400)]
    good = [log_anomaly.framed(log_anomaly.good_log(rng)) for _ in range(100)]
    bad = [log_anomaly.framed(log_anomaly.bad_job(rng).lines) for _ in range(100)]
    windows = {tuple(log[max(0, at - 3) : at + 1]) for log in train for at in range(len(log))}
    checks: list[Callable[[list[str]], bool]] = [
        lambda log: log not in train,
        lambda log: any(tuple(log[max(0, i - 3) : i + 1]) not in windows for i in range(len(log))),
        lambda log: not set(chain.from_iterable(train)).issuperset(log),
    ]
    for check, (precision, recall, named) in zip(checks, reported(done), strict=True):
        hits, false = sum(map(check, bad)), sum(map(check, good))
        assert (precision, recall) == (pytest.approx(hits / (hits + false)), hits / 100)
        assert named is None or named > 0.95
    assert documented(done)


def test_templates_leave_out_what_differs_from_job_to_job() -> None:
    a, b = "job 0badcafe: copy for 10.0.3.4", "job 12345678: copy for 10.0.255.1"
    assert log_anomaly.template(a) == log_anomaly.template(b) == "job *: copy for *"
    assert log_anomaly.template("closed decade") == "closed decade"


def test_chat_memory_reports_what_its_data_give(run: Run, documented: Documented) -> None:
    done = run("chat_memory", "--json", "--erase")
    rng = Random(1)
    said = chat_memory.statements(rng)
    kinds = chat_memory.questions(said, rng)
    examples = [*chain.from_iterable(map(steps, said))]
    by_kato, by_ngrams, _ = reported(done)
    assert [*done.rows[0]][1:] == [*kinds]
    for kind, kato, share in zip(kinds, by_kato, by_ngrams, strict=True):
        asked = kinds[kind]
        guesses = [expected_next(4, examples, question.words)[0] for question in asked]
        right = [guess == question.answer for guess, question in zip(guesses, asked, strict=True)]
        assert share == pytest.approx(fmean(right))
        assert (kato == 1.0) == (kind != "other words"), kind
    assert documented(done)


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        pytest.param((400, 200), [], id="strings"),
        pytest.param((60, 60), ["--windows=60", "--asked=60", "--vectors"], id="vectors"),
    ],
)
def test_sensor_costs_report_what_their_data_give(
    run: Run, documented: Documented, sizes: tuple[int, int], options: list[str]
) -> None:
    done = run("sensor_costs", *options, "--json", "--erase")
    kato, ngrams, mean = reported(done)
    made = sensor_costs.windows(sum(sizes), seed=1)
    asked, train = made[: sizes[1]], made[sizes[1] :]
    examples = [(sensor_costs.past_of(window), window.cost) for window in train]
    by_ngrams = [
        fmean(expected_next(4, examples, sensor_costs.past_of(window))) for window in asked
    ]
    by_mean = [fmean(window.cost for window in train)] * len(asked)
    for (error, decided), costs in ((ngrams, by_ngrams), (mean, by_mean)):
        pairs = [(cost, window.cost) for cost, window in zip(costs, asked, strict=True)]
        assert error == pytest.approx(fmean(abs(cost - true) for cost, true in pairs))
        assert decided == fmean((cost > 40) == (true > 40) for cost, true in pairs)
    assert kato[0] < mean[0] / 2
    assert kato[1] > mean[1]
    assert documented(done)


def test_a_recipe_tells_what_it_does_and_how_to_undo_it(
    run: Run, service_url: str, user: str
) -> None:
    done = run("chat_memory")
    assert done.returncode == 0, done.stderr
    undo = done.stderr.splitlines()[0].partition("; to undo: ")[2].split()
    assert undo == ["kato", "--url", service_url, "erase", "--user", user]
    assert "learned 120 sequences" in done.stderr
    assert done.stdout.splitlines()[1].split()[:2] == ["KATO", "1.000"]
    with Kato(service_url) as kato:
        known = kato.user(user).info()
        assert known.patterns
        refused = run("chat_memory", "--erase")
        assert refused.returncode == 1
        assert "has learned before" in refused.stderr
        assert kato.user(user).info().learns == known.learns
        command = [sys.executable, "-m", "kato_client.command", *undo[1:], "--yes"]
        subprocess.run(command, check=True, timeout=PATIENCE_S)
        assert "erased" in run("chat_memory", "--erase").stderr
        with pytest.raises(NotFoundError):
            kato.user(user).info()


def test_a_recipe_without_an_instance_says_so(run: Run) -> None:
    done = run("chat_memory", "--timeout=0.3", "--url=http://127.0.0.1:1")
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recipe_ends_when_something_is_not_learned(
    run: Run, start_service: Callable[..., str]
) -> None:
    url = start_service(VECTORS="disabled")
    done = run("sensor_costs", "--vectors", f"--url={url}")
    assert done.returncode == 1
    assert "sequence 1 was not learned" in done.stderr
    assert done.stdout == ""


def test_the_first_program_needs_nothing_but_python(
    service_url: str, user: str, tmp_path: Path
) -> None:
    bare = [sys.executable, "-I", "-S"]
    found = [*bare, "-c", "import importlib.util as u; print(u.find_spec('httpx'))"]
    assert subprocess.check_output(found, text=True) == "None\n"
    program = [str(ROOT / "examples" / "learn_text.py"), service_url, str(ROOT / "LICENSE")]
    done = subprocess.run(
        [*dying_with_us(), *bare, *program, "--user", user],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    halves = [line[2:-2] for line in done.stdout.splitlines() if line.startswith("»")]
    assert len(halves) == 3
    lines = [" ".join(line.split()) for line in (ROOT / "LICENSE").read_text().splitlines()]
    futures = [
        line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if "  future " in line
    ]
    for half, future in zip(halves, futures, strict=True):
        assert f"{half} {future}" in lines
