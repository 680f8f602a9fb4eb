"""What an answer of the compiled engine tells in addition to its predictions."""

from dataclasses import replace

from kato_service.domain.answers.explanation import Explanation, Nearest, Surroundings
from kato_service.domain.answers.next_events import Expected, Next
from kato_service.domain.prediction import Anomaly, LaterMetrics, Prediction, WeightedMetrics
from kato_service.search import _engine
from kato_service.search.matching import Wanted


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
