"""What the recipes are compared with: an n-gram model. It does not use KATO."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

Event = TypeVar("Event", bound=Hashable)
Outcome = TypeVar("Outcome", bound=Hashable)


class Ngrams(Generic[Event, Outcome]):
    """What followed each run of up to *order* events; the longest run that is known decides."""

    def __init__(self, order: int, examples: Iterable[tuple[Sequence[Event], Outcome]]) -> None:
        """*examples*: what was observed, and what followed."""
        self.order = order
        self._outcomes = defaultdict[tuple[Event, ...], Counter[Outcome]](Counter)
        for past, outcome in examples:
            for length in range(min(order, len(past)) + 1):
                self._outcomes[_end(past, length)][outcome] += 1

    def next(self, past: Sequence[Event]) -> Outcome:
        """The most frequent outcome after *past*; of equal ones, the one seen first."""
        return self.outcomes(past).most_common(1)[0][0]

    def outcomes(self, past: Sequence[Event]) -> Counter[Outcome]:
        """What followed the longest known end of *past*, and how often; empty without examples."""
        known = (_end(past, length) for length in range(min(self.order, len(past)), -1, -1))
        return next((self._outcomes[end] for end in known if end in self._outcomes), Counter())

    def knows(self, past: Sequence[Event], outcome: Outcome) -> bool:
        """Whether *outcome* ever followed the last *order* events of *past*."""
        return outcome in self._outcomes.get(_end(past, min(self.order, len(past))), ())


def _end(past: Sequence[Event], length: int) -> tuple[Event, ...]:
    return tuple(past[len(past) - length :])


def steps(sequence: Sequence[Event]) -> Iterator[tuple[Sequence[Event], Event]]:
    """Each event of *sequence*, with the events before it."""
    for place, event in enumerate(sequence):
        yield sequence[:place], event
