#!/usr/bin/env python3
"""Sensors with emotives: what will a machine cost in the next hour, by its last readings?

A window is four readings of three sensors, each an event. Its last event carries an emotive, the
cost that followed. KATO recalls similar windows, and their costs, weighed by similarity, are the
forecast.

USE IT for "what happened the last times that it looked like this" with a number attached: cost,
reward, risk. Each forecast names the windows that it comes from, and a new window counts at once.

DO NOT USE IT to extrapolate: KATO never forecasts more than it has seen. Nor where the cost is a
smooth function of the readings: a regression needs fewer windows and is more exact.

With --vectors, a reading is one vector instead of three strings. KATO then matches readings whose
vectors point in a similar direction, and no limits between cold and hot have to be chosen.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from ngrams import Ngrams
from program import new_user, options, progress, say, show

from kato_client import AnswerError, Observation, Prediction, User

Reading = tuple[float, float, float]
"""Temperature in °C, vibration in mm/s, load in %."""
NAMES, USUAL, STEPS = ("temperature", "vibration", "load"), (60.0, 3.0, 50.0), (8.0, 1.0, 20.0)
"""By sensor: its usual value, and how much more makes a difference."""
WELL = ((0.0, 0.0, 0.0), 5.0)
TROUBLES = [WELL, WELL, ((1.0, 0, 0), 30.0), ((0.3, 1.0, 0), 90.0), ((0.5, 0, 1.0), 50.0)]
"""How many steps each sensor rises in an hour, and what it costs."""
TOO_MUCH = 40.0
"""A machine that will cost more, in euros, had better be stopped."""
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Window:
    """Four readings, oldest first, and the cost of the hour after them, in euros."""

    readings: tuple[Reading, ...]
    cost: float


def windows(count: int, seed: int) -> list[Window]:
    """Windows of an invented machine: it is well, hot, overloaded, or has a worn bearing."""
    rng = random.Random(seed)
    return [_window(rng) for _ in range(count)]


def _window(rng: random.Random) -> Window:
    steps_up, cost = rng.choice(TROUBLES)
    begins = rng.randint(0, 3)
    readings = [
        _reading([max(0, hour - begins + 1) * step for step in steps_up], rng) for hour in range(4)
    ]
    return Window(tuple(readings), cost * (1.0 if begins < 2 else 0.5) + rng.gauss(0, 3))


def _reading(more: Sequence[float], rng: random.Random) -> Reading:
    """A reading that is *more* steps above the usual, with noise."""
    found = (
        usual + step * (above + rng.gauss(0, 0.35))
        for usual, step, above in zip(USUAL, STEPS, more, strict=True)
    )
    temperature, vibration, load = found
    return temperature, vibration, load


def scaled(reading: Reading) -> list[float]:
    """*reading* in steps above the usual."""
    return [
        (value - usual) / step for value, usual, step in zip(reading, USUAL, STEPS, strict=True)
    ]


def strings(reading: Reading) -> list[str]:
    """*reading* as symbols, such as `load +1`: one for each sensor, rounded to whole steps."""
    return [f"{name} {round(value):+d}" for name, value in zip(NAMES, scaled(reading), strict=True)]


def observations(window: Window, *, vectors: bool, cost: bool) -> Iterator[Observation]:
    """The events of *window*; with *cost*, the last one carries it."""
    for number, reading in enumerate(window.readings, 1):
        emotives = {"cost": window.cost} if cost and number == len(window.readings) else None
        if vectors:
            # The constant keeps a machine that is well from pointing into any direction by noise.
            yield Observation(vectors=[[*scaled(reading), 1.0]], emotives=emotives)
        else:
            yield Observation(strings(reading), emotives=emotives)


def forecast(recalled: Sequence[Prediction], otherwise: float) -> float:
    """The mean cost of what was *recalled*: what is more similar or more frequent weighs more."""
    if not recalled:
        return otherwise
    weights = [one.frequency * one.similarity**4 for one in recalled]
    # A mean of 0 is not kept: an emotive that is missing was 0.
    costs = [one.emotives.get("cost", 0.0) for one in recalled]
    return fmean(costs, weights)


def forecasts(
    user: User, asked: Sequence[Window], otherwise: float, *, vectors: bool
) -> list[float]:
    found = []
    for first in range(0, len(asked), AT_ONCE):
        part = asked[first : first + AT_ONCE]
        questions = [observations(window, vectors=vectors, cost=False) for window in part]
        for answer in user.predict_batch(
            questions, genes={"rank_sort_algo": "similarity"}, limit=10
        ):
            if isinstance(answer, AnswerError):
                raise answer
            found.append(forecast(answer.predictions, otherwise))
        say(f"forecast {len(found)} of {len(asked)} windows")
    return found


def judged(name: str, found: Sequence[float], asked: Sequence[Window]) -> dict[str, str | float]:
    """A row of the table: the mean error in euros, and how often stopping or running was right."""
    pairs = [(cost, window.cost) for cost, window in zip(found, asked, strict=True)]
    return {
        "sensors": name,
        "mean error, €": fmean(abs(cost - true) for cost, true in pairs),
        "right to stop or run": fmean(
            (cost > TOO_MUCH) == (true > TOO_MUCH) for cost, true in pairs
        ),
    }


def past_of(window: Window) -> list[tuple[str, ...]]:
    """The readings as an n-gram model sees them: each is one symbol."""
    return [tuple(strings(reading)) for reading in window.readings]


def main() -> None:
    parser = options(__doc__, "recipe-sensor-costs")
    parser.add_argument("--windows", type=int, default=400, help="how many to learn (%(default)s)")
    parser.add_argument("--asked", type=int, default=200, help="how many to ask for (%(default)s)")
    parser.add_argument("--order", type=int, default=4, help="readings of an n-gram's past")
    parser.add_argument("--vectors", action="store_true", help="send vectors instead of strings")
    arguments = parser.parse_args()
    made = windows(arguments.asked + arguments.windows, arguments.seed)
    asked, train = made[: arguments.asked], made[arguments.asked :]
    mean = fmean(window.cost for window in train)
    with new_user(arguments) as user:
        learned = (observations(one, vectors=arguments.vectors, cost=True) for one in train)
        user.learn(learned, progress=progress)
        by_kato = forecasts(user, asked, mean, vectors=arguments.vectors)
    ngrams = Ngrams(arguments.order, ((past_of(window), window.cost) for window in train))
    by_ngrams = [fmean(ngrams.outcomes(past_of(window)).elements()) for window in asked]
    show(
        [
            judged(f"KATO, {'vectors' if arguments.vectors else 'strings'}", by_kato, asked),
            judged(f"n-grams, {arguments.order} readings", by_ngrams, asked),
            judged("the mean cost", [mean] * len(asked), asked),
        ],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
