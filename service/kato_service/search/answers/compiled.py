"""What an answer of the compiled engine tells in addition to its predictions."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from kato_service import json_text
from kato_service.domain.answers.explanation import Explanation, Nearest, Surroundings
from kato_service.domain.answers.next_events import Expected, Next
from kato_service.domain.emotives import mean_emotives
from kato_service.domain.prediction import Anomaly, LaterMetrics, Prediction, WeightedMetrics
from kato_service.search import _engine
from kato_service.search.matching import Wanted
from kato_service.search.pattern_extras import Extras

PREDICTIONS_A_TEXT = 64
"""Predictions that are written without the interpreter lock before others may have it."""


def detailed(one: Prediction, answer: "_engine.Answer", place: int, wanted: Wanted) -> Prediction:
    """The prediction at *place* with what is *wanted* of it."""
    if wanted.later:
        weighs = wanted.affinity_emotive is not None
        anomalies = tuple(Anomaly(*fields) for fields in answer.anomalies(place))
        one = replace(
            one,
            later=LaterMetrics(*answer.later(place), anomalies=anomalies),
            weighted=WeightedMetrics(*answer.weighted(place)) if weighs else None,
        )
    if wanted.explain:
        one = replace(one, explanation=Explanation(*answer.explained(place)))
    return one


def texts_of(
    answer: "_engine.Answer", first: int, extras_of: Callable[[str], Extras] | None
) -> Iterator[bytes]:
    """The JSON of the predictions from *first* on, a few in each text, with commas in between.

    Args:
        extras_of: Gives the extras of a pattern by its name; None: no pattern has any.
    """
    for begin in range(first, len(answer), PREDICTIONS_A_TEXT):
        end = min(begin + PREDICTIONS_A_TEXT, len(answer))
        extras = None
        if extras_of is not None:
            names = map(answer.name, range(begin, end))
            extras = tuple(_extras_text(extras_of(name)) for name in names)
        yield answer.text(begin, end, extras)


def _extras_text(extras: Extras) -> "_engine.ExtrasText | None":
    """The JSON of emotives and metadata of a prediction; None: it has neither."""
    if not extras.emotives and not extras.metadata:
        return None
    emotives = json_text.text(mean_emotives(extras.emotives) if extras.emotives else {})
    if not extras.metadata:
        return emotives, None
    return emotives, json_text.text(json_text.embedded_lists(extras.metadata))


def next_in(answer: "_engine.Answer", begin: int, end: int) -> Next:
    """What comes next; of its events and symbols those from *begin* to before *end*."""
    event_count, symbol_count = answer.next_counts()
    events = range(begin, min(event_count, end))
    symbols = range(begin, min(symbol_count, end))
    return Next(
        tuple(Expected(*answer.next(0, at)) for at in events),
        tuple(Expected(*answer.next(1, at)) for at in symbols),
        Expected(*answer.next(2, 0)),
        event_count,
        symbol_count,
    )


def around(answer: "_engine.Answer") -> Surroundings:
    patterns, sharing, name, similarity = answer.around()
    return Surroundings(patterns, sharing, Nearest(name, similarity) if name else None)
